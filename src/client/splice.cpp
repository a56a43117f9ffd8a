#include "client/splice.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "client/stream_heads.hpp"

namespace millrace::client {
namespace {

using media::frame;
using media::frame_kind;

bool is_head(const frame& f) { return f.config || f.kind == frame_kind::data; }

}  // namespace

void splice::note(const frame& f) {
  if (f.config) return;  // carries any time
  const auto kind = index(f.kind);
  last_ms_[kind] = f.dts_ms;
  seen_[kind] = true;
  if (f.key) last_key_ = f;
}

bool splice::is_delivered(const frame& f) const {
  const auto kind = index(f.kind);
  return seen_[kind] ? f.dts_ms <= last_ms_[kind] : last_key_ && f.dts_ms <= last_key_->dts_ms;
}

std::vector<frame> splice::follow(frame f) {
  std::vector<frame> out;
  if (joined_) {
    auto& free = caught_up_[index(f.kind)];
    free = free || !continuous_ || !is_delivered(f);
    if (free) out.push_back(std::move(f));
    return out;
  }
  if (is_head(f)) {
    keep_head(std::move(f));
    return out;
  }
  // Without video any frame is a good start.
  if (f.kind == frame_kind::video ? !f.key : seen_[index(frame_kind::video)]) return out;
  joined_ = true;
  continuous_ = f.key && last_key_ && last_key_->dts_ms == f.dts_ms && base::as_text(last_key_->payload) == base::as_text(f.payload);
  if (continuous_) {
    forget_heads();  // in effect already
    return out;
  }
  for (auto& head : heads_) {
    head.dts_ms = f.dts_ms;
    out.push_back(std::move(head));
  }
  forget_heads();
  out.push_back(std::move(f));
  return out;
}

// The newest stay; data goes before a configuration, which is said once, and what is not metadata before what is.
void splice::keep_head(frame f) {
  if (f.payload.size() > limits_.splice_head_bytes) return;
  head_bytes_ += f.payload.size();
  heads_.push_back(std::move(f));
  while (heads_.size() > limits_.splice_heads || head_bytes_ > limits_.splice_head_bytes) {
    auto gone = std::find_if(heads_.begin(), heads_.end(), [](const frame& each) { return !stream_heads::is_head(each); });
    if (gone == heads_.end()) gone = std::find_if(heads_.begin(), heads_.end(), [](const frame& each) { return !each.config; });
    if (gone == heads_.end()) gone = heads_.begin();
    head_bytes_ -= gone->payload.size();
    heads_.erase(gone);
  }
}

std::vector<frame> splice::take_heads() {
  std::vector<frame> out(std::make_move_iterator(heads_.begin()), std::make_move_iterator(heads_.end()));
  forget_heads();
  return out;
}

void splice::forget_heads() {
  heads_.clear();
  head_bytes_ = 0;
}

void splice::restart() {
  forget_heads();
  caught_up_ = {};
  joined_ = continuous_ = false;
}

}  // namespace millrace::client
