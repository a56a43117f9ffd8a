// Headers of Enhanced RTMP v2 that no encoder writes: ModEx, multitrack, FourCC ("ExVideoTagHeader", "ExAudioTagHeader").
#include "hostile/attack.hpp"

namespace millrace::hostile {
namespace {

using enum message_type;

struct header {
  const char* what;
  message_type type;
  std::string text;  // as base::bytes_of reads it
  std::size_t filler = 0;  // bytes of 0xFF behind it
};

std::string often(std::string_view text, std::size_t times) {
  std::string out;
  for (std::size_t i = 0; i < times; ++i) out += text;
  return out;
}

// Video: 9 is a key frame with the extended header (0x90), the low half the packet type: 0 sequence start, 1 coded frames, 2 sequence end, 3 coded
// frames without composition time, 4 metadata, 5 MPEG-2 TS sequence start, 6 multitrack, 7 ModEx. Audio: 9 is the extended header, 0 start, 1 coded
// frames, 2 end, 4 channel configuration, 5 multitrack, 7 ModEx.
const std::vector<header>& headers() {
  static const std::vector<header> all{
      {"extended video without a FourCC", video, "90"},
      {"extended video with half a FourCC", video, "90 'hv'"},
      {"extended video with a FourCC that nobody knows", video, "90 'zzzz' 00"},
      {"extended video with a FourCC of zeros", video, "91 00000000 000000", 100},
      {"extended video with a FourCC of 0xFF", video, "91 ffffffff 000000", 100},
      {"extended audio without a FourCC", audio, "90"},
      {"extended audio with a FourCC that nobody knows", audio, "91 'zzzz'", 100},
      {"each reserved packet type of video: 8", video, "98 'hvc1'", 20},
      {"each reserved packet type of video: 15", video, "9f 'hvc1'", 20},
      {"each reserved packet type of audio: 3", audio, "93 'Opus'", 20},
      {"each reserved packet type of audio: 15", audio, "9f 'Opus'", 20},
      {"ModEx without a size", video, "97"},
      {"ModEx with a size and no data", video, "97 02"},
      {"ModEx of 256 bytes that are not there", video, "97 ff"},
      {"ModEx of 65,536 bytes that are not there", video, "97 ff ffff"},
      {"ModEx with its long size cut", video, "97 ff ff"},
      {"ModEx behind ModEx 20,000 times", video, often("97 00 00 07 ", 1) + often("00 00 07 ", 20'000)},
      {"ModEx behind ModEx 20,000 times, and a frame", video, "97 " + often("00 00 07 ", 20'000) + "00 00 01 'hvc1' 000000", 50},
      {"ModEx of a type that nobody knows", video, "97 00 00 f1 'hvc1' 000000", 50},
      {"a nanosecond offset of a second", video, "97 02 ffffff 01 'hvc1' 000000", 50},
      {"a nanosecond offset of one byte", video, "97 00 ff 01 'hvc1' 000000", 50},
      {"audio: ModEx behind ModEx 20,000 times", audio, "97 " + often("00 00 07 ", 20'000)},
      {"audio: ModEx of 65,536 bytes that are not there", audio, "97 ff ffff"},
      {"multitrack without anything", video, "96"},
      {"multitrack without a FourCC", video, "96 00"},
      {"multitrack in multitrack", video, "96 06 'hvc1' 00"},
      {"multitrack with ModEx in it", video, "96 07 'hvc1' 00"},
      {"multitrack of a kind that nobody knows", video, "96 f1 'hvc1' 00", 20},
      {"one track without its id", video, "96 01 'hvc1'"},
      {"many tracks with a size that is not there", video, "96 11 'hvc1' 00 ffffff", 20},
      {"many tracks with a size cut", video, "96 11 'hvc1' 00 ffff"},
      {"many tracks of size 0", video, "96 11 'hvc1' " + often("00 000000 ", 5000)},
      {"256 tracks", video, [] { std::string out = "96 11 'hvc1' "; for (int i = 0; i < 256; ++i) { const char* hex = "0123456789abcdef"; out += std::string{hex[i / 16], hex[i % 16]} + " 000003 000000 "; } return out; }()},
      {"the same track 5000 times", video, "96 11 'hvc1' " + often("07 000004 000000ff ", 5000)},
      {"many tracks of many codecs, one unknown", video, "96 21 'hvc1' 00 000003 000000 'zzzz' 01 000003 000000"},
      {"many tracks of many codecs, the FourCC cut", video, "96 21 'hvc1' 00 000003 000000 'zz'"},
      {"audio: many tracks of size 0", audio, "95 11 'Opus' " + often("00 000000 ", 5000)},
      {"audio: many tracks with a size that is not there", audio, "95 11 'Opus' 00 7fffff"},
      {"audio: multitrack in multitrack", audio, "95 05 'Opus' 00"},
      {"HEVC configuration without a record", video, "90 'hvc1'"},
      {"HEVC configuration with 255 arrays of 65,535 units", video, "90 'hvc1' 01" + often("00", 21) + "ff a0 ffff ffff"},
      {"HEVC configuration of 0xFF", video, "90 'hvc1'", 200},
      {"AV1 configuration of 0xFF", video, "90 'av01'", 200},
      {"AV1 frame whose unit's size never ends", video, "91 'av01' 12", 64},
      {"VP9 configuration of one byte", video, "90 'vp09' 01"},
      {"VVC configuration of 0xFF", video, "90 'vvc1'", 200},
      {"MPEG-2 TS start of AV1, which is not there", video, "95 'av01'", 40},
      {"coded frames without their composition time", video, "91 'hvc1' 00"},
      {"an end of sequence without a sequence", video, "92 'hvc1'"},
      {"video metadata that is no AMF", video, "94 'hvc1'", 100},
      {"video metadata 5000 objects deep", video, "94 'hvc1' 02 0009 'colorInfo' " + often("03 0001 'a' ", 5000)},
      {"video metadata with an array of 2^32-1", video, "94 'hvc1' 02 0009 'colorInfo' 0a ffffffff"},
      {"Opus head of 255 channels", audio, "90 'Opus' 'OpusHead' 01 ff 0000 0000bb80 0000 ff", 260},
      {"Opus head cut", audio, "90 'Opus' 'OpusHead' 01"},
      {"channel configuration without anything", audio, "94 'Opus'"},
      {"channel configuration of 255 channels in its own order, not there", audio, "94 'Opus' 02 ff"},
      {"channel configuration of an order that nobody knows", audio, "94 'Opus' 77 02 ffffffff"},
      {"FLAC head of 0xFF", audio, "90 'fLaC'", 60},
      {"AC-3 frame of 0xFF", audio, "91 'ac-3'", 60},
      {"a command frame of video", video, "d1 00"},
      {"a command frame that nobody knows", video, "d1 ff"},
      {"a frame type that nobody knows", video, "f1 'hvc1' 000000", 20},
  };
  return all;
}

std::vector<attack> table() {
  std::vector<attack> out;
  for (const auto& h : headers()) {
    out.push_back({h.what, from::publishing, expect::either,
                   [type = h.type, payload = written(h.text) + bytes(h.filler, 0xFF)](auto& s) { for (std::uint32_t i = 0; i < 3; ++i) s.media(type, i * 40, payload); }});
  }
  return out;
}

}  // namespace

void add_enhanced(cases& to) { add_attacks(to, "enhanced", all_ways, table()); }

}  // namespace millrace::hostile
