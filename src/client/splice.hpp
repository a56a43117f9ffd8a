// A player moves from one session to another: which frames of the new one follow those of the old. Pure.
#pragma once
#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "client/limits.hpp"
#include "media/frame.hpp"

namespace millrace::client {

// A server begins a play with the newest key frame, which the old session usually has delivered already. When both have that very frame,
// they carry the same stream with the same times: the new session goes on, frame by frame, where the old one stopped. Otherwise
// the new one begins at its key frame and its times mean something else.
class splice {
 public:
  explicit splice(const client_limits& limits = {}) : limits_(limits) {}

  // A frame of the session in use, as it came.
  void note(const media::frame& f);

  // A frame of the new session: what of it is to be delivered now, in order. Nothing until joined().
  std::vector<media::frame> follow(media::frame f);
  // The new session has begun to be delivered: the old one is of no more use.
  [[nodiscard]] bool joined() const noexcept { return joined_; }
  // Its times go on where the old ones were.
  [[nodiscard]] bool continuous() const noexcept { return continuous_; }
  // What came ahead of the new session's first key frame, for one that is the only one now.
  [[nodiscard]] std::vector<media::frame> take_heads();
  // The new session is the one in use now, or it came to nothing.
  void restart();

 private:
  static std::size_t index(media::frame_kind kind) {
    return kind == media::frame_kind::audio ? 0 : kind == media::frame_kind::video ? 1 : 2;
  }
  [[nodiscard]] bool is_delivered(const media::frame& f) const;
  void keep_head(media::frame f);
  void forget_heads();

  client_limits limits_;
  std::optional<media::frame> last_key_;
  std::array<std::int64_t, 3> last_ms_{};  // by kind
  std::array<bool, 3> seen_{};
  std::array<bool, 3> caught_up_{};  // continuous: the new session has passed what the old one delivered
  std::deque<media::frame> heads_;  // metadata and configurations ahead of the new session's first key frame
  std::size_t head_bytes_ = 0;
  bool joined_ = false;
  bool continuous_ = false;
};

}  // namespace millrace::client
