#include "client/track_merge.hpp"

#include <utility>

namespace millrace::client {
namespace {

// A track that is silent for so long is not waited for.
constexpr std::chrono::seconds silent{1};

constexpr std::size_t data = 0;

}  // namespace

std::size_t track_merge::index(media::frame_kind kind) {
  switch (kind) {
    case media::frame_kind::video: return 1;
    case media::frame_kind::audio: return 2;
    default: return data;
  }
}

void track_merge::push(base::instant now, media::frame f) {
  if (!first_) first_ = now;
  released_ = false;
  const auto kind = index(f.kind);
  seen_[kind] = now;
  queues_[kind].push_back({now, std::move(f)});
}

bool track_merge::expected(std::size_t kind, base::instant now) const {
  return seen_[kind] ? now - *seen_[kind] < silent : now - *first_ < wait_;
}

const std::deque<track_merge::waiting>* track_merge::earliest() const {
  const std::deque<waiting>* best = nullptr;
  for (const auto& queue : queues_) {
    if (!queue.empty() && (best == nullptr || queue.front().f.dts_ms < best->front().f.dts_ms)) best = &queue;
  }
  return best;
}

std::optional<media::frame> track_merge::poll(base::instant now) {
  const auto* const best = earliest();
  if (best == nullptr) return std::nullopt;
  bool waits = false;
  for (std::size_t kind = data + 1; kind < kinds; ++kind) waits |= queues_[kind].empty() && expected(kind, now);
  if (waits && !released_ && now - best->front().since < wait_) return std::nullopt;
  auto& queue = queues_[index(best->front().f.kind)];
  auto f = std::move(queue.front().f);
  queue.pop_front();
  return f;
}

std::optional<base::instant> track_merge::poll_timeout() const {
  const auto* const best = earliest();
  if (best == nullptr) return std::nullopt;
  return best->front().since + wait_;
}

}  // namespace millrace::client
