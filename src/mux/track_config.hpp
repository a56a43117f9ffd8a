// What a container has to know of a track, and how to take the frames out of the messages that carry them.
#pragma once
#include <cstdint>
#include <optional>
#include <string>

#include "base/slice.hpp"
#include "media/frame.hpp"

namespace millrace::mux {

struct track_config {
  media::frame_kind kind = media::frame_kind::video;
  std::uint32_t codec = 0;            // FourCC
  base::slice record;                 // avcC, hvcC, av1C, AudioSpecificConfig, OpusHead; empty for MP3
  std::uint32_t time_scale = 90'000;  // units of a second: the sampling rate of sound
  unsigned sample_rate = 0, channels = 0;
  unsigned samples_per_frame = 0;  // of sound, usually
  int width = 0, height = 0;
  double frame_rate = 0;

  [[nodiscard]] bool same_stream(const track_config& o) const;  // a decoder goes on from one to the other
};

// One track of a message, without its header.
struct track_body {
  std::uint32_t codec = 0;
  bool config = false;
  bool frame = false;  // neither: nothing for a container (end of sequence, metadata, silence)
  bool key = false;
  std::int32_t composition_ms = 0;
  base::slice bytes;
};
// Nothing for data, a message that cannot be read, or one without that track.
std::optional<track_body> body_of(const media::frame& f, std::uint8_t track);

// The configuration that a sequence header gives; nothing if its record is broken.
std::optional<track_config> config_of(media::frame_kind kind, const track_body& body);
// For a codec whose frames describe themselves (MP3; Opus without a header is stereo): the configuration that this frame is of.
std::optional<track_config> config_of_frame(media::frame_kind kind, const track_body& body);
// Samples of this frame of sound; 0 if it cannot be read.
unsigned samples_of(const track_config& config, base::bytes_view frame);

// RFC 6381 and the codecs' own documents: "avc1.64001f", "hvc1.1.6.L93.B0", "av01.0.04M.08", "mp4a.40.2", "opus".
std::string codecs_text(const track_config& config);

}  // namespace millrace::mux
