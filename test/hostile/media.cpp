// Media and metadata of before E-RTMP that no encoder sends, on an accepted publication.
#include "hostile/attack.hpp"

namespace millrace::hostile {
namespace {

using enum message_type;

void tag(const striker& s, message_type type, std::string_view text) { s.media(type, 0, written(text)); }
void data(const striker& s, base::bytes_view payload) { s.message(data_amf0, payload, s.msid); }
const bytes& on_metadata() {
  static const bytes head = written("02 000a 'onMetaData'");
  return head;
}
bytes member(std::string_view key, base::bytes_view value) { return written("00") + bytes{static_cast<std::uint8_t>(key.size())} + base::as_bytes(key) + value; }

const std::vector<attack>& table() {
  static const std::vector<attack> all{
      {"each first byte of video, alone", from::publishing, expect::either, [](auto& s) { for (unsigned i = 0; i < 256; ++i) s.media(video, i, bytes{static_cast<std::uint8_t>(i)}); }},
      {"each first byte of audio, alone", from::publishing, expect::either, [](auto& s) { for (unsigned i = 0; i < 256; ++i) s.media(audio, i, bytes{static_cast<std::uint8_t>(i)}); }},
      {"each first byte of video, and 0xFF behind it", from::publishing, expect::either, [](auto& s) { for (unsigned i = 0; i < 256; ++i) s.media(video, i, bytes{static_cast<std::uint8_t>(i)} + bytes(40, 0xFF)); }},
      {"each first byte of audio, and 0xFF behind it", from::publishing, expect::either, [](auto& s) { for (unsigned i = 0; i < 256; ++i) s.media(audio, i, bytes{static_cast<std::uint8_t>(i)} + bytes(40, 0xFF)); }},
      {"H.264 configuration without a record", from::publishing, expect::lives, [](auto& s) { tag(s, video, "17 00 000000"); }},
      {"H.264 configuration, cut behind each byte", from::publishing, expect::lives, [](auto& s) { const auto whole = conform::avc_config(); for (std::size_t i = 1; i < whole.size(); ++i) s.media(video, 0, base::bytes_view(whole).first(i)); }},
      {"H.264 configuration with 31 parameter sets of 65,535", from::publishing, expect::lives, [](auto& s) { s.media(video, 0, written("17 00 000000 01 42c00d ff ff") + repeated(written("ffff"), 31)); }},
      {"H.264 parameter set of zeros", from::publishing, expect::lives, [](auto& s) { s.media(video, 0, written("17 00 000000 01 42c00d ff e1 0400") + bytes(1024, 0) + written("00")); }},
      {"H.264 configurations, 2000 that differ", from::publishing, expect::lives, [](auto& s) { for (unsigned i = 0; i < 2000; ++i) { auto one = conform::avc_config(); one.back() = static_cast<std::uint8_t>(i); s.media(video, i, one); } }},
      {"H.264 configuration of 250 kB", from::publishing, expect::lives, [](auto& s) { s.media(video, 0, conform::avc_config() + bytes(250'000, 0)); }},
      {"H.264 NAL unit longer than its message", from::publishing, expect::lives, [](auto& s) { tag(s, video, "17 01 000000 ffffffff 65"); }},
      {"H.264 composition time 2^23-1", from::publishing, expect::lives, [](auto& s) { tag(s, video, "17 01 7fffff 00000001 65"); }},
      {"AAC configuration without a record", from::publishing, expect::lives, [](auto& s) { tag(s, audio, "af 00"); }},
      {"AAC configuration of ones", from::publishing, expect::lives, [](auto& s) { s.media(audio, 0, written("af 00") + bytes(64, 0xFF)); }},
      {"a key frame of 4 MB", from::publishing, expect::lives, [](auto& s) { s.media(video, 0, conform::avc_frame(true, 4u << 20)); }},
      {"5000 frames at one time", from::publishing, expect::lives, [](auto& s) { for (int i = 0; i < 5000; ++i) s.media(video, 0, conform::avc_frame(false, 20)); }},
      {"5000 key frames", from::publishing, expect::lives, [](auto& s) { for (std::uint32_t i = 0; i < 5000; ++i) s.media(video, i * 40, conform::avc_frame(true, 20)); }},
      {"5000 frames without a key frame", from::publishing, expect::lives, [](auto& s) { for (std::uint32_t i = 0; i < 5000; ++i) s.media(video, i * 40, conform::avc_frame(false, 20)); }},
      {"sound and pictures 2^31 apart", from::publishing, expect::lives, [](auto& s) { for (std::uint32_t i = 0; i < 100; ++i) { s.media(audio, i, conform::aac_frame()); s.media(video, i + 0x80000000u, conform::avc_frame(true)); } }},
      {"times at random", from::publishing, expect::lives, [](auto& s) { std::uint32_t time = 1; for (int i = 0; i < 1000; ++i) s.media(video, time = time * 1664525u + 1013904223u, conform::avc_frame(true)); }},
      {"video info frames", from::publishing, expect::lives, [](auto& s) { for (int i = 0; i < 100; ++i) tag(s, video, "57 00"); }},
      {"metadata of no bytes", from::publishing, expect::either, [](auto& s) { data(s, {}); }},
      {"metadata that is a number", from::publishing, expect::either, [](auto& s) { data(s, written("00 3ff0000000000000")); }},
      {"@setDataFrame without anything", from::publishing, expect::lives, [](auto& s) { data(s, written("02 000d '@setDataFrame'")); }},
      {"@setDataFrame without a value", from::publishing, expect::lives, [](auto& s) { data(s, written("02 000d '@setDataFrame' 02 000a 'onMetaData'")); }},
      {"@setDataFrame in @setDataFrame, a hundred times", from::publishing, expect::lives, [](auto& s) { data(s, repeated(written("02 000d '@setDataFrame'"), 100)); }},
      {"@clearDataFrame of what is not there", from::publishing, expect::lives, [](auto& s) { data(s, written("02 000f '@clearDataFrame' 02 0001 'x'")); }},
      {"metadata of 250 kB", from::publishing, expect::either, [](auto& s) { data(s, on_metadata() + written("08 00000001") + member("a", written("0c 0003d090") + bytes(250'000, 'x')) + written("0000 09")); }},
      {"metadata 2000 times", from::publishing, expect::either, [](auto& s) { for (int i = 0; i < 2000; ++i) data(s, on_metadata() + written("08 00000001") + member("a", written("00 4000000000000000")) + written("0000 09")); }},
      {"metadata under 2000 names", from::publishing, expect::either, [](auto& s) { for (unsigned i = 0; i < 2000; ++i) { auto one = written("02 0004 'n000' 05"); one[5] = static_cast<std::uint8_t>('a' + i % 26); one[6] = static_cast<std::uint8_t>('a' + i / 26 % 26); one[4] = static_cast<std::uint8_t>('a' + i / 676); data(s, one); } }},
      {"metadata with infinite width and NaN rates", from::publishing, expect::lives, [](auto& s) { data(s, on_metadata() + written("08 00000003") + member("width", written("00 7ff0000000000000")) + member("framerate", written("00 7ff8000000000000")) + member("videodatarate", written("00 ffefffffffffffff")) + written("0000 09")); }},
      {"metadata whose codecs are objects", from::publishing, expect::lives, [](auto& s) { data(s, on_metadata() + written("08 00000002") + member("videocodecid", written("03 0000 09")) + member("audiocodecid", written("08 ffffffff 0000 09")) + written("0000 09")); }},
      {"metadata with 200 members of control bytes", from::publishing, expect::either, [](auto& s) { data(s, on_metadata() + written("08 00000000") + repeated(member("\x1b[2J\r\n", written("02 0003 001b0a")), 200) + written("0000 09")); }},
      {"data messages of a viewer", from::playing, expect::lives, [](auto& s) { for (int i = 0; i < 100; ++i) data(s, on_metadata() + written("05")); }},
  };
  return all;
}

}  // namespace

void add_media(cases& to) { add_attacks(to, "media", all_ways, table()); }

}  // namespace millrace::hostile
