// Media from a file or pipe, read on a thread of its own into a bounded queue.
#pragma once
#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/result.hpp"
#include "media/frame.hpp"

namespace millrace::client {

struct input_options {
  std::string path;   // a file, "-" for FLV on standard input, or a URL that libavformat opens
  bool loop = false;  // begin again at the end; times go on (loop_clock)
};

// The input for people: a URL has its user, its query and all of its path but the first part left out, since they may be secrets.
std::string shown_input(const std::string& path);

// FLV, from a file or standard input, is passed on bit for bit (also what E-RTMP puts into it); everything else is remuxed by
// libavformat without transcoding. Frames come out with times from 0 (loop_clock).
// Everything here is called on the io_context's thread; `on_change` is called there too, when front(), ended() or failure() became
// something else while nothing was in the queue. The destructor stops the thread and waits for it: at most for one read of a file, never
// for a pipe.
class input {
 public:
  input(boost::asio::io_context& io, input_options options, std::function<void()> on_change);
  ~input();
  input(const input&) = delete;
  input& operator=(const input&) = delete;

  // The next frame, or null: nothing there yet, ended or failed. Valid until pop().
  [[nodiscard]] const media::frame* front();
  media::frame pop();
  // All frames were taken and no more will come; failure() says whether that was the end of the file.
  [[nodiscard]] bool ended();
  // Kind input: missing, no media, a codec that RTMP cannot carry, broken in the middle.
  [[nodiscard]] std::optional<base::error> failure();
  // How often the reader had to wait because the queue was full.
  [[nodiscard]] std::uint64_t times_held_back();
  // "clip.mp4: H.264 1280x720, AAC 48000 Hz"; empty until it is known.
  [[nodiscard]] std::string description();

  struct shared;

 private:
  std::shared_ptr<shared> shared_;
};

}  // namespace millrace::client
