// Why a stream, a publisher or a viewer stopped or stuttered: a code for machines, a sentence for people, and the last events of each stream.
#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <optional>
#include <vector>

#include "hub/loss.hpp"
#include "server/newest.hpp"

namespace millrace::server {

enum class reason : unsigned char {
  publish_began,
  publish_ended,
  publish_refused,
  publish_taken_over,
  publish_resumed,
  publisher_lost,
  publisher_silent,
  publisher_fault,
  allowance_spent,
  play_began,
  play_ended,
  play_refused,
  viewer_lost,
  viewer_too_slow,
  viewer_stuck,
  viewer_video_wait,
  viewer_overrun,
  publisher_missing,
  codec_refused,
  path_changed,
  fell_back,
  kicked,
  memory_short,
  shutting_down,
  count,
};

std::string_view code(reason r);      // "viewer_too_slow"
std::string_view sentence(reason r);  // what happened and what can be done, one sentence
// Nothing for what a viewer wished itself (a pause, a late start).
std::optional<reason> reason_of(hub::loss why);

struct reason_event {
  std::uint64_t number = 0;  // of all events of this process, from 1
  std::chrono::system_clock::time_point at;
  reason why = reason::count;
  std::uint64_t connection = 0;
  std::string remote;
  std::string detail;        // peer text is in it as it came, but valid UTF-8
};

// Any thread; a lock held for a look. Events are rare: nothing here is called per frame.
class reason_log {
 public:
  // Kept per stream; less while there are so many streams that it would be more than that in all, some megabytes.
  static constexpr std::size_t events_max = 200, events_min = 20, events_total = 50'000;
  static constexpr std::size_t streams_max = 2'000;  // the one with the oldest news is forgotten first

  void note(std::string_view stream, reason why, std::uint64_t connection, std::string_view remote, std::string detail);
  // Oldest first.
  [[nodiscard]] std::vector<reason_event> of(std::string_view stream) const;
  // How often each reason came up, all streams since the start.
  [[nodiscard]] std::vector<std::uint64_t> counts() const;

 private:
  struct history {
    newest<reason_event> events{};
  };
  mutable std::mutex lock_;
  std::map<std::string, history, std::less<>> streams_;
  std::uint64_t number_ = 0;
  std::vector<std::uint64_t> counts_ = std::vector<std::uint64_t>(static_cast<std::size_t>(reason::count), 0);
};

}  // namespace millrace::server
