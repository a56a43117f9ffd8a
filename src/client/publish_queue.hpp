// What a publisher has not handed to its transport yet: bounded by age and bytes, cut at key frames. Pure.
#pragma once
#include <cstdint>
#include <deque>
#include <optional>

#include "base/time.hpp"
#include "client/stream_heads.hpp"
#include "media/frame.hpp"

namespace millrace::client {

// Remembers the stream's metadata and codec configurations, so that a new session can begin with them. Frames are dropped here, as
// whole messages, because what a transport has taken can no longer be taken back.
class publish_queue {
 public:
  struct limits {
    base::duration age_max = std::chrono::seconds(3);
    std::size_t bytes_max = 32U << 20;  // a bound on memory, not on delay: 3 s of 80 Mb/s
  };
  explicit publish_queue(limits bounds) : limits_(bounds) {}

  [[nodiscard]] bool empty() const noexcept { return frames_.empty(); }
  [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }
  [[nodiscard]] base::duration age(base::instant now) const;
  [[nodiscard]] std::uint64_t frames_dropped() const noexcept { return frames_dropped_; }
  [[nodiscard]] std::uint64_t cuts() const noexcept { return cuts_; }  // times that it fell too far behind
  [[nodiscard]] bool waiting_for_key() const noexcept { return wait_for_key_; }

  // Takes a frame in; too old or too many bytes: everything up to the newest key frame goes, or all and then up to the next one.
  void push(media::frame f, base::instant now);
  std::optional<media::frame> pop();
  // No session: media is dropped as it comes, metadata and configurations are remembered.
  void suspend();
  // A new session: what waits is dropped; metadata and configurations first, then media from the next key frame (or any audio where there is no video).
  void resume(base::instant now);

 private:
  void cut(base::instant now);
  void append(media::frame f);
  [[nodiscard]] bool too_old(base::instant now) const { return age(now) > limits_.age_max || bytes_ > limits_.bytes_max; }

  limits limits_;
  std::deque<media::frame> frames_;
  std::size_t bytes_ = 0;
  stream_heads heads_;
  bool suspended_ = false;
  bool has_video_ = false;
  bool wait_for_key_ = false;
  std::uint64_t frames_dropped_ = 0;
  std::uint64_t cuts_ = 0;
};

}  // namespace millrace::client
