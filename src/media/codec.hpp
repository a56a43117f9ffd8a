// Codecs by their FourCC (E-RTMP v2 "VideoFourCc", "AudioFourCc"), and the rules of the format that hang on the codec.
#pragma once
#include <cstdint>
#include <string>

#include "media/frame.hpp"

namespace millrace::media {

// Big-endian, as it stands on the wire and as "videocodecid" and "audiocodecid" of onMetaData give it: 'av01' is 1635135537.
constexpr std::uint32_t fourcc(const char (&text)[5]) {
  std::uint32_t value = 0;
  for (int i = 0; i < 4; ++i) value = (value << 8) | static_cast<std::uint8_t>(text[i]);
  return value;
}

namespace codecs {
inline constexpr std::uint32_t avc = fourcc("avc1"), hevc = fourcc("hvc1"), vvc = fourcc("vvc1"), av1 = fourcc("av01");
inline constexpr std::uint32_t vp8 = fourcc("vp08"), vp9 = fourcc("vp09");
inline constexpr std::uint32_t opus = fourcc("Opus"), flac = fourcc("fLaC"), ac3 = fourcc("ac-3"), eac3 = fourcc("ec-3");
inline constexpr std::uint32_t mp3 = fourcc(".mp3"), aac = fourcc("mp4a");
}  // namespace codecs

// Pictures of these are reordered: CodedFrames, and no other packet, begin with a composition time (E-RTMP v2 "ExVideoTagBody").
constexpr bool has_composition_time(std::uint32_t codec) { return codec == codecs::avc || codec == codecs::hevc || codec == codecs::vvc; }

// A SequenceStart of these may be empty: the frames of AC-3, E-AC-3 and MP3 describe themselves, and Opus falls back to the
// multichannel configuration or to stereo (E-RTMP v2 "ExAudioTagBody").
constexpr bool may_start_empty(std::uint32_t codec) {
  return codec == codecs::opus || codec == codecs::ac3 || codec == codecs::eac3 || codec == codecs::mp3;
}

// The FourCC of a CodecID or SoundFormat, so that a codec is the same whichever header it came with; the number itself, which is
// below 16 and so no FourCC, for a codec that has none. 12 and 13 are HEVC, AV1 and Opus of forks that predate E-RTMP.
std::uint32_t codec_of_legacy(frame_kind kind, std::uint8_t id);

// "H.264", "HEVC", "AAC", "Opus", …; "codec 9" or "fourcc 'abcd'" (escaped) for what has no name here. Takes a FourCC or a legacy
// number, which is also what onMetaData may say.
std::string codec_name(frame_kind kind, std::uint32_t codec);

}  // namespace millrace::media
