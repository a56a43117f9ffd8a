#include "client/splice.hpp"

#include <algorithm>
#include <utility>

namespace millrace::client {
namespace {

using media::frame;
using media::frame_kind;

constexpr std::size_t heads_max = 64;

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
    if (heads_.size() < heads_max) heads_.push_back(std::move(f));
    return out;
  }
  // Without video any frame is a good start.
  if (f.kind == frame_kind::video ? !f.key : seen_[index(frame_kind::video)]) return out;
  joined_ = true;
  continuous_ = f.key && last_key_ && last_key_->dts_ms == f.dts_ms && base::as_text(last_key_->payload) == base::as_text(f.payload);
  if (continuous_) {
    heads_.clear();  // in effect already
    return out;
  }
  out = std::exchange(heads_, {});
  for (auto& head : out) head.dts_ms = f.dts_ms;
  out.push_back(std::move(f));
  return out;
}

void splice::restart() {
  heads_.clear();
  caught_up_ = {};
  joined_ = continuous_ = false;
}

}  // namespace millrace::client
