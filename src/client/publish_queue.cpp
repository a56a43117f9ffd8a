#include "client/publish_queue.hpp"

#include <algorithm>
#include <utility>

namespace millrace::client {
namespace {

using media::frame;
using media::frame_kind;

bool is_head(const frame& f) { return stream_heads::is_head(f); }

}  // namespace

base::duration publish_queue::age(base::instant now) const {
  return frames_.empty() ? base::duration::zero() : std::max<base::duration>(base::duration::zero(), now - frames_.front().arrival);
}

void publish_queue::append(frame f) {
  bytes_ += f.payload.size();
  frames_.push_back(std::move(f));
}

void publish_queue::push(frame f, base::instant now) {
  f.arrival = now;
  if (f.kind == frame_kind::video) has_video_ = true;
  const bool head = is_head(f);
  if (head) heads_.remember(f);
  if (suspended_) {
    if (!head) ++frames_dropped_;
    return;
  }
  if (wait_for_key_ && !head) {
    if (f.kind == frame_kind::video && f.key) {
      wait_for_key_ = false;
    } else if (f.kind == frame_kind::video) {
      ++frames_dropped_;
      return;
    }
  }
  append(std::move(f));
  if (too_old(now)) cut(now);
}

void publish_queue::cut(base::instant now) {
  // The newest key frame is where a viewer can go on, if it is itself fresh enough to be worth sending.
  auto from = frames_.end();
  for (auto i = frames_.begin(); i != frames_.end(); ++i) {
    if (i->key && now - i->arrival <= limits_.age_max / 2) from = i;
  }
  std::deque<frame> kept;
  std::size_t kept_bytes = 0;
  for (auto i = frames_.begin(); i != frames_.end(); ++i) {
    const bool behind_key = from != frames_.end() && i >= from;
    if (behind_key || is_head(*i)) {
      // A configuration that outlives its time starts a new age, or it would cause the next cut at once.
      if (!behind_key) i->arrival = now;
      kept_bytes += i->payload.size();
      kept.push_back(std::move(*i));
    } else {
      ++frames_dropped_;
    }
  }
  wait_for_key_ = from == frames_.end() && has_video_;
  frames_ = std::move(kept);
  bytes_ = kept_bytes;
  ++cuts_;
  // A run of configurations only, or one GOP over the byte limit: memory comes first.
  if (bytes_ > limits_.bytes_max) {
    for (const auto& f : frames_) frames_dropped_ += is_head(f) ? 0U : 1U;
    frames_.clear();
    bytes_ = 0;
    wait_for_key_ = has_video_;
    for (const auto& h : heads_.frames()) {
      append(h);
      frames_.back().arrival = now;
    }
  }
}

std::optional<frame> publish_queue::pop() {
  if (frames_.empty()) return std::nullopt;
  auto f = std::move(frames_.front());
  frames_.pop_front();
  bytes_ -= f.payload.size();
  return f;
}

void publish_queue::suspend() {
  for (const auto& f : frames_) frames_dropped_ += is_head(f) ? 0U : 1U;
  frames_.clear();
  bytes_ = 0;
  suspended_ = true;
}

void publish_queue::resume(base::instant now) {
  suspend();
  suspended_ = false;
  wait_for_key_ = has_video_;
  for (const auto& h : heads_.frames()) {
    append(h);
    frames_.back().arrival = now;
  }
}

}  // namespace millrace::client
