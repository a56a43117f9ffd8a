// Why a viewer does not get a frame that it would have got, and how often that happened.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace millrace::hub {

enum class loss : unsigned char {
  viewer_too_slow,
  video_until_key_frame,
  ring_overrun,
  paused,
  catching_up,
  count,
};

std::string_view name(loss reason);      // "viewer_too_slow"
std::string_view sentence(loss reason);  // what happened, for operators and players

struct cursor_stats {
  std::uint64_t delivered = 0;
  std::uint64_t jumps = 0;  // times that the viewer was found too slow
  std::array<std::uint64_t, static_cast<std::size_t>(loss::count)> lost{};  // frames, by reason

  [[nodiscard]] std::uint64_t of(loss reason) const noexcept { return lost[static_cast<std::size_t>(reason)]; }
  // Frames that this viewer lost because it does not read fast enough; the other reasons are its own wish.
  [[nodiscard]] std::uint64_t dropped_slow() const noexcept {
    return of(loss::viewer_too_slow) + of(loss::video_until_key_frame) + of(loss::ring_overrun);
  }
};

}  // namespace millrace::hub
