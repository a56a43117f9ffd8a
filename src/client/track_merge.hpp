// Sound and pictures that came on streams of their own, in one order by time again: what a file and an RTMP player expect (live profile,
// "Receiver"). Pure: time is passed in.
#pragma once
#include <array>
#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>

#include "base/time.hpp"
#include "media/frame.hpp"

namespace millrace::client {

// A frame goes on once nothing earlier can come of the other track, or after `wait`: whoever waits longer has no more in common with live.
// Until both tracks were seen, or for the first `wait`, both are expected, so that a picture's configuration is not left behind sound. Data
// goes with the next frame of its time. Within a kind nothing changes its place.
class track_merge {
 public:
  explicit track_merge(std::chrono::milliseconds wait = std::chrono::milliseconds(200)) : wait_(wait) {}

  void push(base::instant now, media::frame f);
  // The next frame whose turn it is; nothing: wait for more, or for poll_timeout().
  std::optional<media::frame> poll(base::instant now);
  // Everything at once from here on, in the same order: nothing more comes of what is being waited for.
  void release() { released_ = true; }
  [[nodiscard]] std::optional<base::instant> poll_timeout() const;

 private:
  struct waiting {
    base::instant since;
    media::frame f;
  };
  static constexpr std::size_t kinds = 3;
  static std::size_t index(media::frame_kind kind);
  [[nodiscard]] bool expected(std::size_t kind, base::instant now) const;
  [[nodiscard]] const std::deque<waiting>* earliest() const;

  const std::chrono::milliseconds wait_;
  std::array<std::deque<waiting>, kinds> queues_;  // data, video, audio: the order of equals
  std::array<std::optional<base::instant>, kinds> seen_;
  std::optional<base::instant> first_;
  bool released_ = false;  // until the next push
};

}  // namespace millrace::client
