// Made-up media at a steady rate, and the mark in each frame by which a player knows when it was due. Pure.
#pragma once
#include <chrono>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/time.hpp"
#include "media/frame.hpp"

namespace millrace::load {

struct media_settings {
  unsigned pictures_per_second = 30;
  std::uint64_t video_bits_per_second = 2'450'000, audio_bits_per_second = 128'000;
  std::chrono::milliseconds key_every{2'000};
  unsigned key_factor = 8;  // a key frame is so many times as large as another picture
};

// In the first bytes of every frame but configuration. Sound and pictures are numbered apart.
struct mark {
  std::uint32_t number = 0;
  base::instant due;  // the clock of this machine
};
// Where `f` has none: it is somebody else's media.
std::optional<mark> mark_of(const media::frame& f);
// So much of a message's beginning holds the mark and what else a player looks at.
inline constexpr std::size_t marked_bytes = 64;

// AVC and AAC by their headers, noise in the rest.
class media_source {
 public:
  // `begin`: when the first frame is due.
  media_source(const media_settings& settings, base::instant begin);

  [[nodiscard]] std::vector<media::frame> heads() const;  // metadata and configurations, before anything else
  [[nodiscard]] base::instant next_due() const;
  media::frame next();  // the frame that is due at next_due()
  // Message bodies, on the average.
  [[nodiscard]] static double bytes_per_second(const media_settings& settings);
  [[nodiscard]] static double key_frame_bytes(const media_settings& settings);

 private:
  [[nodiscard]] base::duration video_at() const;
  [[nodiscard]] base::duration audio_at() const;

  media_settings settings_;
  base::instant begin_;
  std::uint32_t pictures_ = 0, sounds_ = 0;
  unsigned pictures_per_key_;
  std::size_t picture_bytes_, sound_bytes_;
};

}  // namespace millrace::load
