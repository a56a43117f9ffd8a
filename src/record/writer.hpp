// A file of one format in the making: frames go in, bytes to append come out. No files here: who has one writes what comes out.
#pragma once
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/send_chain.hpp"
#include "media/frame.hpp"
#include "record/settings.hpp"

namespace millrace::record {

// What a file says of itself, so that the list of recordings can be made anew from the files alone.
struct file_mark {
  std::string stream;
  std::chrono::system_clock::time_point start;
};

struct patch {
  std::uint64_t at = 0;
  base::slice bytes;
};

// One file. Metadata and configurations that are in effect go in first, then frames as they come; the first one of media should be one
// that decoding can start with. Times of the file begin at 0 with it. Reads no clock; not thread-safe.
class writer {
 public:
  virtual ~writer() = default;
  // True if `f` cannot go on in this file, as another codec configuration cannot in MP4: finish, and begin another one with it.
  [[nodiscard]] virtual bool needs_new_file(const media::frame& f) const = 0;
  virtual void push(const media::frame& f) = 0;
  // No more frames. `next_ms` is the time of the frame that the next file begins with, up to which the last picture lasts; nothing: there is none.
  virtual void finish(std::optional<std::int64_t> next_ms) = 0;
  // What is to be appended. What is taken at once belongs together: half of it is worth nothing.
  virtual base::send_chain take() = 0;
  // At the end of a file that has come to this size and length, which is less than what was taken when the disk failed: what is to be written over
  // bytes that are there. Without it the file plays all the same, but a player does not see its length and cannot seek well.
  [[nodiscard]] virtual std::vector<patch> patches(std::uint64_t file_bytes, std::int64_t duration_ms) const = 0;
  // What this format cannot carry, in words, once each. The other tracks go on.
  virtual std::optional<base::error> poll_error() = 0;

  [[nodiscard]] std::int64_t duration_ms() const noexcept { return duration_ms_; }
  [[nodiscard]] std::uint64_t not_carried() const noexcept { return not_carried_; }  // frames

 protected:
  std::int64_t duration_ms_ = 0;
  std::uint64_t not_carried_ = 0;
};

std::unique_ptr<writer> make_flv_writer(const file_mark& mark);
std::unique_ptr<writer> make_fmp4_writer(const file_mark& mark);
inline std::unique_ptr<writer> make_writer(format f, const file_mark& mark) { return f == format::flv ? make_flv_writer(mark) : make_fmp4_writer(mark); }

// RFC 3339 in UTC with milliseconds, and back.
std::string utc_text(std::chrono::system_clock::time_point t);
std::optional<std::chrono::system_clock::time_point> parse_utc(std::string_view text);

}  // namespace millrace::record
