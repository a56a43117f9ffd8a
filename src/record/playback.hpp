// A recording as frames again, from any place of it: for playing it.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>

#include "base/result.hpp"
#include "media/frame.hpp"
#include "record/scan.hpp"
#include "record/settings.hpp"

namespace millrace::record {

// Frames of a recording in order. Blocks for the disk: not for a shard's thread. Not thread-safe.
class playback {
 public:
  virtual ~playback() = default;
  // Nothing: the end, which is the last whole tag or fragment of a file that nobody ended. An error (input) comes behind what could be read.
  virtual base::result<std::optional<media::frame>> next() = 0;
  // Goes to the last key frame at or before `ms`; without video to the last frame; where there is none before it, to the begin. What next() then
  // gives first are the metadata and configurations in effect, stamped with that frame's time, then that frame. Returns its time.
  virtual base::result<std::int64_t> seek(std::int64_t ms) = 0;
};

// Times of the frames start at 0. `read` as in scan.hpp: short at the end, nothing on an error. FLV passes through bit for bit; of MP4 the tracks
// that mux/demuxer.hpp names. Error (input): no file of this format, or nothing whole in it; with a text that says which.
base::result<std::unique_ptr<playback>> open_playback(format as, read_at read, std::uint64_t size);

// What open_playback chooses from.
base::result<std::unique_ptr<playback>> open_flv_playback(read_at read, std::uint64_t size);
base::result<std::unique_ptr<playback>> open_mp4_playback(read_at read, std::uint64_t size);

}  // namespace millrace::record
