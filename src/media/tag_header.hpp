// What the first bytes of an audio or video message say (FLV 10.1 annex E.4.2/E.4.3; E-RTMP v2 "ExVideoTagHeader",
// "ExAudioTagHeader"). Only what the hub needs to know to treat a frame right; the payload is never changed.
#pragma once
#include <cstdint>
#include <string>

#include "base/slice.hpp"
#include "media/frame.hpp"

namespace millrace::media {

struct tag_info {
  bool valid = false;       // false: too short or malformed; the frame is passed on but never cached as config or key
  bool enhanced = false;    // E-RTMP header
  bool key = false;
  bool config = false;
  bool disposable = false;
  bool end_of_sequence = false;
  bool metadata = false;    // E-RTMP video Metadata packet (HDR); also `config`
  bool multichannel = false;  // E-RTMP MultichannelConfig; also `config`
  bool multitrack = false;  // E-RTMP Multitrack: what is said here is said of its first track
  std::uint8_t track_id = 0;  // of the first track; 0 is the default track and every message that is not multitrack
  std::uint8_t legacy_codec = 0;  // CodecID or SoundFormat when not enhanced
  std::uint32_t fourcc = 0;       // when enhanced; 0 for ManyTracksManyCodecs
  std::int32_t composition_ms = 0;  // signed 24 bit, legacy AVC and enhanced CodedFrames of avc1/hvc1/vvc1
};

// An empty audio message (a mark of silence, E-RTMP v2) names no codec, so it is not `valid` either: it is no error all the same.
tag_info inspect_video(base::bytes_view payload);
tag_info inspect_audio(base::bytes_view payload);

// Fills key, config and disposable of `f` from its payload; data frames get none.
void classify(frame& f);

// "H.264", "HEVC", "AAC", "Opus", …; "codec 12" or "fourcc 'abcd'" (escaped) for what has no name here.
std::string codec_name(frame_kind kind, const tag_info& info);

}  // namespace millrace::media
