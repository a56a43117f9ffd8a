// The times of a viewer that catches up: a backlog of old frames shown in fast motion, then the live stream as it is.
#pragma once
#include <chrono>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace millrace::hub {

// A viewer starts at the newest key frame K and gets what came since then in one burst. With the times as they are its player
// would show K first, in real time, and stay behind by K's age for ever. Here the times of the backlog, from K up to the live edge E, are
// squeezed into the last `w` milliseconds ahead of E, so that the player's clock starts `w` behind the live edge; from E on
// every time is what it was.
//
// The map is monotonic over all times, linear but for rounding, never earlier than the time itself, and strictly increasing among decoding
// times and among presentation times: mapping both keeps the order of display, B-frames included. For that `w` is the wanted
// delay, or more if the backlog has more frames than the delay has milliseconds, but never more than E - K.
class time_squeeze {
 public:
  // Decoding and presentation times of the backlog's video in any order; the first decoding time is K, the live edge is `edge_ms`.
  // Nothing when there is nothing to squeeze: the backlog is not longer than the wanted delay.
  static std::optional<time_squeeze> make(const std::vector<std::int64_t>& decoded_ms, const std::vector<std::int64_t>& shown_ms,
                                          std::int64_t edge_ms, std::chrono::milliseconds wanted);

  [[nodiscard]] std::int64_t map(std::int64_t time_ms) const;
  [[nodiscard]] std::int64_t start_ms() const noexcept { return points_.front().second; }  // of K: E - w
  [[nodiscard]] std::int64_t edge_ms() const noexcept { return edge_ms_; }

 private:
  std::vector<std::pair<std::int64_t, std::int64_t>> points_;  // from, to: ascending, all below the edge
  std::int64_t edge_ms_ = 0;
};

}  // namespace millrace::hub
