// What the first bytes of an audio or video message say, legacy or enhanced (FLV 10.1 annex E.4.2/E.4.3; E-RTMP v2, read by
// media/ex_header.hpp). Only what a stream needs to know to treat a frame right; the payload is never changed.
#pragma once
#include <cstdint>
#include <string>

#include "base/slice.hpp"
#include "media/ex_header.hpp"
#include "media/frame.hpp"

namespace millrace::media {

struct tag_info {
  // False: nothing is concluded from the message. It is passed on, but never cached as config or key. Some faults leave it valid.
  bool valid = false;
  bool enhanced = false;    // E-RTMP header
  bool key = false;
  bool config = false;
  bool disposable = false;
  bool end_of_sequence = false;
  bool metadata = false;    // E-RTMP video Metadata packet; also `config` if it says something of the colours (HDR)
  bool multichannel = false;  // E-RTMP MultichannelConfig; also `config`
  bool multitrack = false;  // E-RTMP Multitrack. All tracks of a message share frame and packet type, so the flags above hold for all
  // The fields below are those of the lowest track that has something to use: the default track 0, if it is there. Every message that
  // is not multitrack is track 0.
  std::uint8_t track_id = 0;
  std::uint8_t legacy_codec = 0;  // CodecID or SoundFormat when not enhanced
  std::uint32_t fourcc = 0;       // when enhanced
  std::int32_t composition_ms = 0;  // signed 24 bit, legacy AVC and enhanced CodedFrames of avc1/hvc1/vvc1
  // What is wrong with the message, and where.
  header_fault fault = header_fault::none;
  std::size_t fault_at = 0;
};

// An empty audio message (a mark of silence, E-RTMP v2) names no codec, so it is not `valid` either, but it is no fault.
// CodecID 12 (HEVC) and 13 (AV1) and SoundFormat 13 (Opus), which forks used before E-RTMP, are passed on unchanged, as who understands
// them expects them; the video forks kept AVC's layout and are read by it. Of Opus only a header is known by its content.
tag_info inspect_video(base::bytes_view payload);
tag_info inspect_audio(base::bytes_view payload);
tag_info inspect(frame_kind kind, base::bytes_view payload);  // also data, of which nothing is said

// Fills key, config and disposable of `f` from its payload; data frames get none.
void classify(frame& f);

// The FourCC of what `info` was read from, whichever header it had; below 16 for a legacy codec that has none.
std::uint32_t codec_of(frame_kind kind, const tag_info& info);
std::string codec_name(frame_kind kind, const tag_info& info);

// "a track announces more bytes than follow, at byte 12": for logs and statuses; empty without a fault.
std::string fault_text(const tag_info& info);

}  // namespace millrace::media
