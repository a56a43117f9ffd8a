// What an operator says of recordings: `[record]` in the configuration file.
#pragma once
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "record/file_name.hpp"

namespace millrace::record {

enum class format : unsigned char { flv, mp4 };
constexpr std::string_view extension(format f) { return f == format::flv ? "flv" : "mp4"; }
constexpr std::string_view content_type(format f) { return f == format::flv ? "video/x-flv" : "video/mp4"; }

struct rule {
  std::string streams;                 // "live/*": '*' stands for any run of characters
  format as = format::mp4;
  name_template file;
  // A new file at the first key frame after so much of it; 0: never.
  std::chrono::milliseconds rotate_after{0};
  std::uint64_t rotate_bytes = 0;
  bool on_demand = false;              // only when somebody asks for it; the rule says how
};

struct settings {
  std::filesystem::path directory;     // empty: nothing is recorded, not even on demand
  std::vector<rule> rules;             // the first that fits a name counts
  rule otherwise{"*", format::mp4, {}, {}, 0, true};  // how what no rule names is recorded on demand
  // A publisher that is gone has so long to come back before its file is closed.
  std::chrono::milliseconds linger{10'000};
  // Recording stops while less than this is free, so that the machine has room for everything else. Bytes and no per cent: what a system needs
  // does not grow with its disk.
  std::uint64_t free_bytes_min = 1u << 30;
  // What waits for the disk, of each stream: more of it, or older, and pictures are left out up to the next key frame. The frames are shared with
  // the stream, so this is memory only for what viewers no longer need.
  std::size_t queue_bytes = 32u << 20;
  std::chrono::milliseconds queue_age{10'000};

  [[nodiscard]] bool enabled() const noexcept { return !directory.empty(); }
};

// How a stream of that name is recorded, if it is: by itself (`asked` false) or because somebody asked for it.
std::optional<rule> rule_for(const settings& s, std::string_view stream, bool asked);

}  // namespace millrace::record
