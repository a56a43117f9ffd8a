// The last ten minutes of each stream of a shard, a sample a second: what the console draws.
#pragma once
#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "hub/directory.hpp"
#include "server/facts.hpp"
#include "server/newest.hpp"

namespace millrace::server {

// One thread: its shard's.
class stream_history {
 public:
  static constexpr std::size_t seconds_max = 600;
  static constexpr std::size_t streams_max = 2'000;

  // Once a second: begin(), then what connections know, each with its stream's name.
  // `backlogs`: of streams whose publisher is on this shard, how late what it sent in the last second was, in ms.
  void begin(std::int64_t unix_seconds, const hub::directory& streams, const std::map<std::string, float, std::less<>>& backlogs);
  void of_publisher(std::string_view stream, const net::transport_facts& transport, std::optional<std::chrono::milliseconds> queue);
  void of_viewer(std::string_view stream, std::chrono::milliseconds delay, std::chrono::milliseconds queued_age);
  // Some that nothing else is known of.
  void of_viewers(std::string_view stream, std::size_t count);
  // Streams that are there, and those that ended in the last ten minutes, with their newest seconds.
  [[nodiscard]] std::map<std::string, stream_entry> entries(const hub::directory& streams, std::size_t seconds) const;

 private:
  struct record {
    std::uint64_t bytes = 0, pictures = 0;
    std::uint64_t packets = 0, lost = 0;
    newest<stream_sample> seconds{};
    hub::stream_facts last;
  };
  stream_sample* present(std::string_view stream, record** of = nullptr);
  std::map<std::string, record, std::less<>> records_;
  std::int64_t now_ = 0;
};

}  // namespace millrace::server
