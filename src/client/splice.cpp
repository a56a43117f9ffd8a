#include "client/splice.hpp"

#include <algorithm>
#include <utility>

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

void splice::keep_head(frame f) {
  head_bytes_ += f.payload.size();
  heads_.push_back(std::move(f));
  while (heads_.size() > limits_.splice_heads || head_bytes_ > limits_.splice_head_bytes) {
    head_bytes_ -= heads_.front().payload.size();
    heads_.pop_front();
  }
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
