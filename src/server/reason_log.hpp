// The last events of each stream, and how often each reason came up.
#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "server/event_block.hpp"
#include "server/reason.hpp"

namespace millrace::server {

// Any thread; a lock held for a look. Events are rare: nothing here is called per frame.
class reason_log {
 public:
  // Kept per stream; less while there are so many streams that it would be more than that in all, some megabytes.
  static constexpr std::size_t events_max = 200, events_min = 20, events_total = 50'000;
  static constexpr std::size_t detail_max = 512;  // bytes; the rest of a detail is cut off
  static constexpr std::size_t streams_max = 2'000;  // the one with the oldest news is forgotten first

  void note(std::string_view stream, reason why, std::uint64_t connection, std::string_view remote, std::string_view detail);
  // Oldest first.
  [[nodiscard]] std::vector<reason_event> of(std::string_view stream) const;
  // How often each reason came up, all streams since the start.
  [[nodiscard]] std::vector<std::uint64_t> counts() const;

 private:
  mutable std::mutex lock_;
  std::map<std::string, event_block, std::less<>> streams_;
  std::uint64_t number_ = 0;
  std::vector<std::uint64_t> counts_ = std::vector<std::uint64_t>(static_cast<std::size_t>(reason::count), 0);
};

}  // namespace millrace::server
