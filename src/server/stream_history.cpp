#include "server/stream_history.hpp"

#include <algorithm>
#include <cstdlib>

namespace millrace::server {
namespace {

// Either way: the clock may have been set back.
bool within(const stream_sample& one, std::int64_t now) { return std::abs(now - one.at) <= static_cast<std::int64_t>(stream_history::seconds_max); }

}  // namespace

void stream_history::begin(std::int64_t unix_seconds, const hub::directory& streams,
                           const std::map<std::string, float, std::less<>>& backlogs) {
  now_ = unix_seconds;
  for (const auto& stream : streams.all()) {
    if (records_.size() >= streams_max && !records_.contains(stream->name())) continue;
    auto& one = records_[stream->name()];
    auto facts = stream->facts();
    const auto at = backlogs.find(stream->name());
    stream_sample second;
    second.at = unix_seconds;
    // A stream that is new here has no second before this one to compare with.
    if (!one.seconds.empty() && facts.bytes >= one.bytes && facts.pictures >= one.pictures) {
      second.kbps = static_cast<float>(facts.bytes - one.bytes) * 8 / 1000;
      second.fps = static_cast<float>(facts.pictures - one.pictures);
    }
    if (at != backlogs.end()) second.backlog_ms = at->second;
    one.bytes = facts.bytes;
    one.pictures = facts.pictures;
    one.last = std::move(facts);
    push_newest(one.seconds, second, seconds_max);
    // What is from before a break, or from before the clock was set.
    drop_oldest(one.seconds, [&](const stream_sample& each) { return !within(each, unix_seconds); });
  }
  std::erase_if(records_, [&](const auto& each) {
    return each.second.seconds.empty() || !within(each.second.seconds.back(), unix_seconds);
  });
}

stream_sample* stream_history::present(std::string_view stream, record** of) {
  const auto found = records_.find(stream);
  if (found == records_.end() || found->second.seconds.back().at != now_) return nullptr;
  if (of != nullptr) *of = &found->second;
  return &found->second.seconds.back();
}

void stream_history::of_publisher(std::string_view stream, const net::transport_facts& transport, std::optional<std::chrono::milliseconds> queue) {
  record* one = nullptr;
  auto* const second = present(stream, &one);
  if (second == nullptr) return;
  if (queue) second->publisher_queue_ms = static_cast<float>(queue->count());
  if (transport.rtt) second->rtt_ms = static_cast<float>(transport.rtt->count()) / 1000;
  const auto packets = transport.packets_sent.value_or(0), lost = transport.packets_lost.value_or(0);
  if (packets > one->packets && lost >= one->lost) {
    second->loss_per_cent = 100 * static_cast<float>(lost - one->lost) / static_cast<float>(packets - one->packets);
  }
  one->packets = packets;
  one->lost = lost;
}

void stream_history::of_viewer(std::string_view stream, std::chrono::milliseconds delay, std::chrono::milliseconds queued_age) {
  auto* const second = present(stream);
  if (second == nullptr) return;
  ++second->viewers;
  second->viewer_delay_ms = std::max(second->viewer_delay_ms, static_cast<float>(delay.count()));
  second->queue_ms = std::max(second->queue_ms, static_cast<float>(queued_age.count()));
}

void stream_history::of_viewers(std::string_view stream, std::size_t count) {
  if (auto* const second = present(stream)) second->viewers += static_cast<float>(count);
}

std::map<std::string, stream_entry> stream_history::entries(const hub::directory& streams, std::size_t seconds) const {
  std::map<std::string, stream_entry> out;
  for (const auto& [name, one] : records_) {
    auto& entry = out[name];
    const auto count = std::min(seconds, one.seconds.size());
    entry.seconds.assign(one.seconds.end() - static_cast<std::ptrdiff_t>(count), one.seconds.end());
    entry.hub = one.last;
    // What does not outlive the stream.
    entry.hub.published = false;
    entry.hub.viewers = entry.hub.ring_bytes = entry.hub.ring_frames = 0;
  }
  for (const auto& stream : streams.all()) out[stream->name()].hub = stream->facts();
  return out;
}

}  // namespace millrace::server
