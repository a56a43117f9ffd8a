#include "server/stream_feed.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

namespace millrace::server {
namespace {

// Memory that a shard may owe another one. The frames themselves are shared with the ring they come from.
constexpr std::size_t under_way_max = 16u << 20;
// As for most viewers: the ring keeps no more for another shard than for them.
constexpr std::chrono::seconds age_max{2};

}  // namespace

stream_feed::stream_feed(std::shared_ptr<hub::stream> source, std::function<void(frame_batch&&)> deliver)
    : deliver_(std::move(deliver)), cursor_(std::move(source), *this, hub::cursor_policy{.age_max = age_max, .wanted_delay = {}, .video_track = {}, .audio_track = {}}) {}

void stream_feed::pull(bool all, bool even_nothing) {
  if (ended_) return;
  const auto now = std::chrono::steady_clock::now();
  frame_batch batch;
  while (all || under_way_ + batch.bytes < under_way_max) {
    const auto next = cursor_.next(now);
    if (!next) break;
    if (const auto before = std::exchange(publication_, next->publication); before != 0 && before != publication_) {
      if (!batch.frames.empty()) hand_over(std::exchange(batch, {}));
      batch.begins = true;
    }
    batch.bytes += next->item->frame()->payload.size();
    batch.frames.push_back(next->item);
  }
  ended_ = batch.end = all;
  if (!batch.frames.empty() || batch.end || even_nothing) hand_over(std::move(batch));
}

void stream_feed::hand_over(frame_batch&& batch) {
  under_way_ += batch.bytes;
  deliver_(std::move(batch));
}

void stream_feed::taken(std::size_t bytes) {
  const bool full = under_way_ >= under_way_max;
  under_way_ -= std::min(under_way_, bytes);
  if (full) pull(false);
}

void stream_feed::finish() { pull(true); }

// The message takes a kept one away from late viewers, there as well as here, and no viewer gets it.
void stream_feed::on_cleared(const hub::entry_ptr& clear) {
  if (ended_) return;
  pull(false);
  deliver_({{clear}, 0, false, false});
}

}  // namespace millrace::server
