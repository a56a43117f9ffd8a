// The boxes of a fragmented MP4 that say where its fragments lie and when their key frames are (ISO/IEC 14496-12, 8.8). Pure.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "record/block_reader.hpp"

namespace millrace::record {

struct mp4_box {
  std::string type;
  std::uint64_t at = 0, bytes = 0;  // the header included
  std::uint64_t head_bytes = 8;
  [[nodiscard]] std::uint64_t end() const noexcept { return at + bytes; }
};
// The box at `at` (section 4.2); nothing where none is, or where it runs past the end of the file.
std::optional<mp4_box> box_at(block_reader& in, std::uint64_t at);
// What is larger is not from here, and is not read.
constexpr std::uint64_t mp4_header_box_max = 16u << 20;

// What a fragment needs to know of the moov.
struct mp4_tracks {
  struct track {
    bool video = false;
    std::uint32_t scale = 0;                          // units of a second
    std::uint32_t usual_duration = 0, usual_flags = 0;  // of trex
  };
  std::map<std::uint32_t, track> by_id;
  std::uint32_t main = 0;  // what is seeked in: the first of video, else the first; 0: there is none
};
// Error (input): no movie of fragments. What has samples in its moov is refused: its tables could announce any number of them.
base::result<mp4_tracks> read_moov(base::bytes_view moov);

struct mp4_fragment_times {
  std::optional<std::int64_t> begin_ms;  // of the main track, as all times here: the container's
  std::vector<std::int64_t> keys_ms;     // of its sync samples, at most
};
// Nothing for a moof that announces more samples than it describes, or more than a fragment can have.
std::optional<mp4_fragment_times> read_moof(const mp4_tracks& tracks, base::bytes_view moof);

}  // namespace millrace::record
