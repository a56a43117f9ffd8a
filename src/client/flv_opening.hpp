// What a stream brings before its FLV header can be written. Pure.
#pragma once
#include <deque>

#include "base/time.hpp"
#include "client/limits.hpp"
#include "media/frame.hpp"

namespace millrace::client {

// The header says whether there is audio and video, and players believe it: it waits for the second kind, though not for long. A stream
// may also bring nothing but data for hours: then the newest metadata is kept and some of the rest.
class flv_opening {
 public:
  explicit flv_opening(const client_limits& limits = {}) : limits_(limits) {}

  void push(media::frame f, base::instant now);
  // The header can be written: both kinds have come, or one has and there is enough of it or it has waited for long.
  [[nodiscard]] bool decided(base::instant now) const;
  [[nodiscard]] bool has_audio() const noexcept { return audio_; }
  [[nodiscard]] bool has_video() const noexcept { return video_; }
  // What goes behind the header, in order; afterwards nothing is here any more.
  std::deque<media::frame> take();

 private:
  [[nodiscard]] bool any_media() const noexcept { return audio_ || video_; }
  void forget(std::deque<media::frame>::iterator at);
  void bound_data();

  client_limits limits_;
  std::deque<media::frame> frames_;
  std::size_t bytes_ = 0;
  base::instant media_since_{};
  bool audio_ = false, video_ = false;
};

}  // namespace millrace::client
