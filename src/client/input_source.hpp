// The two ways to read media, used by the input's thread only.
#pragma once
#include <functional>
#include <string>

#include "base/result.hpp"
#include "base/slice.hpp"

namespace millrace::client {

// Where a reader puts FLV bytes, and how it learns that nobody wants them any more.
struct flv_target {
  std::function<base::result<void>(base::bytes_view)> receive;  // may block; an error ends the pass with it
  std::function<bool()> stopped;                                // asked while waiting
  std::function<void(std::string)> describe;
};

// Whether the file (or what is readable on `fd`) begins as FLV does; the bytes read go into `head`.
base::result<bool> begins_as_flv(int fd, std::string& head);

// Copies FLV from `fd` until its end. `wake_fd` becomes readable when the reader shall stop (eventfd): a pipe may be silent for ever.
base::result<void> copy_flv(int fd, int wake_fd, base::bytes_view head, const flv_target& target);

// Opens `path` with libavformat, picks the best video and audio track, and writes them as FLV without transcoding.
base::result<void> remux_to_flv(const std::string& path, const flv_target& target);

// libavformat's own messages: dropped, or passed to base::log at debug level. Call once at start.
void quiet_libav(bool verbose);

}  // namespace millrace::client
