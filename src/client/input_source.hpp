// The two ways to read media, used by the input's thread only.
#pragma once
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/slice.hpp"

namespace millrace::client {

// Where a reader puts FLV bytes, and how it learns that nobody wants them any more.
struct flv_target {
  std::function<base::result<void>(base::bytes_view)> receive;  // may block; an error ends the pass with it
  std::function<bool()> stopped;                                // asked while waiting
  std::function<void(std::string)> describe;
};

// A file or pipe, read in a way that can be stopped: a pipe may be silent for ever, and a FIFO without anybody who writes into it.
class byte_source {
 public:
  // `wake_fd` becomes readable when the reader shall stop (eventfd). Neither is closed here.
  byte_source(int fd, int wake_fd) : fd_(fd), wake_fd_(wake_fd) {}

  // Waits for bytes and returns their number; 0: the end, or the wish to stop. Kind input: reading failed.
  base::result<std::size_t> read(std::span<std::uint8_t> into);
  // What read() is going to give begins so, or with less of it at the end.
  base::result<std::string> peek(std::size_t count);

 private:
  base::result<std::size_t> read_on(std::span<std::uint8_t> into);

  int fd_, wake_fd_;
  std::string peeked_;
};

// Whether `head`, the first bytes of something, is FLV.
bool begins_as_flv(std::string_view head);
inline constexpr std::size_t flv_signature_bytes = 4;

// Copies FLV from `source` until its end.
base::result<void> copy_flv(byte_source& source, const flv_target& target);

// Opens `path` with libavformat, picks the best video and audio track, and writes them as FLV without transcoding. A pipe is read through
// `pipe`; null: libavformat opens the path by itself.
base::result<void> remux_to_flv(const std::string& path, byte_source* pipe, const flv_target& target);

// libavformat's own messages: dropped, or passed to base::log at debug level. Call once at start.
void quiet_libav(bool verbose);

}  // namespace millrace::client
