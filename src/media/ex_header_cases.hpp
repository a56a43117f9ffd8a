// One table of enhanced messages and what they mean. Unit tests read and write by it, the fuzzer takes its seeds from it, and conformance
// checks borrow its messages. Not part of any library.
#pragma once
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/written_bytes.hpp"
#include "media/ex_header.hpp"

namespace millrace::media::ex_cases {

using base::bytes_of;

inline constexpr std::uint32_t video_codecs[] = {codecs::avc, codecs::hevc, codecs::vvc, codecs::av1, codecs::vp8, codecs::vp9};
inline constexpr std::uint32_t audio_codecs[] = {codecs::opus, codecs::flac, codecs::ac3, codecs::eac3, codecs::mp3, codecs::aac};

// A configuration as SequenceStart carries it, short but in the codec's own format; empty for AC-3, E-AC-3 and MP3, which have none.
inline std::vector<std::uint8_t> sample_record(std::uint32_t codec) {
  switch (codec) {
    case codecs::avc: return bytes_of("01 64001f ff e1 0004 6764001f 01 0004 68ee3c80");
    case codecs::hevc: return bytes_of("01 01 60000000 900000000000 5d f000 fc fd f8 f8 0000 0f 01 a1 0001 0002 4201");
    case codecs::vvc: return bytes_of("fe 01 8f 0001 0003 790001");
    case codecs::av1: return bytes_of("81 05 0c 00 0a0b 0000002c");
    case codecs::vp8: return bytes_of("00 0a 82 02 02 02 0000");
    case codecs::vp9: return bytes_of("00 1f 82 02 02 02 0000");
    case codecs::opus: return bytes_of("'OpusHead' 01 02 3801 80bb0000 0000 00");
    case codecs::flac:
      return bytes_of("'fLaC' 80 000022 1000 1000 000000 000000 0bb802f0 00000000 00000000000000000000000000000000");
    case codecs::aac: return bytes_of("1210");
    default: return {};
  }
}

// A message of one track without multitrack.
inline ex_message single(frame_kind kind, ex_packet packet, std::uint32_t codec, std::vector<std::uint8_t> body,
                         std::int32_t composition_ms = 0, std::uint8_t frame_type = frame_type_key) {
  ex_message m;
  m.kind = kind;
  m.packet = packet;
  m.frame_type = frame_type;
  m.tracks.push_back({0, codec, std::move(body), composition_ms});
  return m;
}

// A multitrack message.
inline ex_message multitrack(frame_kind kind, ex_form form, ex_packet packet, std::vector<ex_message::track> tracks,
                             std::uint8_t frame_type = frame_type_key) {
  ex_message m;
  m.kind = kind;
  m.packet = packet;
  m.frame_type = frame_type;
  m.form = form;
  m.tracks = std::move(tracks);
  return m;
}

// Metadata bodies (E-RTMP v2 "Metadata Frame"): HDR as a publisher says it, and the two ways to take it back.
inline std::vector<std::uint8_t> hdr_metadata() {
  return bytes_of(
      "02 0009 'colorInfo' 03 "
      "000b 'colorConfig' 03 0008 'bitDepth' 00 4024000000000000 000e 'colorPrimaries' 00 4022000000000000 0000 09 "
      "0006 'hdrCll' 03 0007 'maxFall' 00 4059000000000000 0006 'maxCLL' 00 408f400000000000 0000 09 "
      "0007 'hdrMdcv' 03 0004 'redX' 00 3fe5c28f5c28f5c3 0000 09 "
      "0000 09");
}
inline std::vector<std::uint8_t> undefined_metadata() { return bytes_of("02 0009 'colorInfo' 06"); }
inline std::vector<std::uint8_t> empty_metadata() { return bytes_of("02 0009 'colorInfo' 03 0000 09"); }

// A message that can be read.
struct good {
  const char* name;  // letters, digits and '_': also names a file of the fuzzer
  std::vector<std::uint8_t> bytes;
  ex_message meaning;
  bool canonical = true;  // encode() writes exactly these bytes
  header_fault fault = header_fault::none;
  std::size_t fault_at = 0;
};

inline std::vector<good> all_good() {
  constexpr auto video = frame_kind::video, audio = frame_kind::audio;
  using p = ex_packet;
  using f = ex_form;
  std::vector<good> out;
  const auto add = [&](const char* name, std::string_view written, ex_message meaning) -> good& {
    out.push_back({name, bytes_of(written), std::move(meaning)});
    return out.back();
  };
  const auto odd = [](good& g, header_fault fault, std::size_t at, bool canonical = true) {
    g.fault = fault;
    g.fault_at = at;
    g.canonical = canonical;
  };
  // V2, V3, V4: each packet type.
  odd(add("video_start", "90 'hvc1' 010203", single(video, p::sequence_start, codecs::hevc, {1, 2, 3})), header_fault::odd_record, 5);
  add("video_frames", "a1 'avc1' 000028 0908", single(video, p::coded_frames, codecs::avc, {9, 8}, 40, frame_type_inter));
  add("video_frames_back", "a1 'hvc1' fffffe 09", single(video, p::coded_frames, codecs::hevc, {9}, -2, frame_type_inter));
  add("video_frames_least", "b1 'vvc1' 800000 09", single(video, p::coded_frames, codecs::vvc, {9}, -0x800000, frame_type_disposable));
  add("video_frames_av1", "91 'av01' 000028 09", single(video, p::coded_frames, codecs::av1, {0, 0, 40, 9}));
  add("video_frames_vp8", "91 'vp08' 09", single(video, p::coded_frames, codecs::vp8, {9}));
  add("video_frames_vp9", "c1 'vp09' 09", single(video, p::coded_frames, codecs::vp9, {9}, 0, frame_type_generated_key));
  add("video_frames_x", "a3 'hvc1' 000028 09", single(video, p::coded_frames_x, codecs::hevc, {0, 0, 40, 9}, 0, frame_type_inter));
  add("video_end", "92 'avc1'", single(video, p::sequence_end, codecs::avc, {}));
  odd(add("video_end_behind", "92 'avc1' 000000", single(video, p::sequence_end, codecs::avc, {0, 0, 0})), header_fault::trailing_bytes, 5);
  add("video_start_frame_type_0", "80 'av01' 81050c00", single(video, p::sequence_start, codecs::av1, {0x81, 5, 12, 0}, 0, 0));
  add("video_ts_start", "95 'av01' 8004", single(video, p::mpeg2ts_sequence_start, codecs::av1, {0x80, 4}));
  add("video_unknown_codec", "91 'abcd' 09", single(video, p::coded_frames, fourcc("abcd"), {9}));
  // V5: commands have no FourCC.
  {
    ex_message m;
    m.packet = p::command;
    m.frame_type = frame_type_command;
    m.command = 1;
    add("video_command", "d0 01", m);
    odd(add("video_command_behind", "d1 01 0203", m), header_fault::trailing_bytes, 2, false);
    m.command = 0;
    m.nano_offset = 1000;
    add("video_command_mod_ex", "d7 02 0003e8 00 00", m);
  }
  // V6: the frame type of metadata means nothing, not even that of a command.
  {
    auto& hdr = add("video_hdr", "94 'hvc1'", single(video, p::metadata, codecs::hevc, hdr_metadata()));
    const auto body = hdr_metadata();
    hdr.bytes.insert(hdr.bytes.end(), body.begin(), body.end());
  }
  add("video_hdr_reset", "d4 'hvc1' 02 0009 'colorInfo' 06",
      single(video, p::metadata, codecs::hevc, undefined_metadata(), 0, frame_type_command));
  add("video_hdr_empty", "84 'av01' 02 0009 'colorInfo' 03 0000 09", single(video, p::metadata, codecs::av1, empty_metadata(), 0, 0));
  // X1, X2: audio.
  add("audio_start", "90 'mp4a' 1210", single(audio, p::sequence_start, codecs::aac, {0x12, 0x10}));
  add("audio_start_opus_empty", "90 'Opus'", single(audio, p::sequence_start, codecs::opus, {}));
  add("audio_frames", "91 'fLaC' fff8", single(audio, p::coded_frames, codecs::flac, {0xff, 0xf8}));
  add("audio_frames_silent", "91 'ec-3'", single(audio, p::coded_frames, codecs::eac3, {}));
  add("audio_end", "92 '.mp3'", single(audio, p::sequence_end, codecs::mp3, {}));
  add("audio_native_channels", "94 'Opus' 01 06 0000003f", single(audio, p::multichannel_config, codecs::opus, {1, 6, 0, 0, 0, 0x3f}));
  add("audio_custom_channels", "94 'ac-3' 02 03 00 fe ff", single(audio, p::multichannel_config, codecs::ac3, {2, 3, 0, 0xfe, 0xff}));
  add("audio_unspecified_channels", "94 'mp4a' 00 08", single(audio, p::multichannel_config, codecs::aac, {0, 8}));
  odd(add("audio_channels_behind", "94 'mp4a' 00 08 07", single(audio, p::multichannel_config, codecs::aac, {0, 8, 7})),
      header_fault::trailing_bytes, 7);
  // R1, R2: each form.
  add("one_track", "96 01 'avc1' 03 000005 09", multitrack(video, f::one_track, p::coded_frames, {{3, codecs::avc, {9}, 5}}));
  add("many_tracks", "a6 11 'hvc1' 00 000004 000005 09 01 000005 fffffb 0908",
      multitrack(video, f::many_tracks, p::coded_frames, {{0, codecs::hevc, {9}, 5}, {1, codecs::hevc, {9, 8}, -5}}, frame_type_inter));
  add("many_codecs", "96 21 'av01' 00 000001 09 'avc1' ff 000004 000028 08",
      multitrack(video, f::many_tracks_many_codecs, p::coded_frames, {{0, codecs::av1, {9}}, {255, codecs::avc, {8}, 40}}));
  odd(add("many_starts", "96 20 'vp09' 04 000001 01 'av01' 05 000002 0101",
          multitrack(video, f::many_tracks_many_codecs, p::sequence_start, {{4, codecs::vp9, {1}}, {5, codecs::av1, {1, 1}}})),
      header_fault::odd_record, 19);
  add("one_audio_track", "95 00 'mp4a' 01 1210", multitrack(audio, f::one_track, p::sequence_start, {{1, codecs::aac, {0x12, 0x10}}}));
  add("many_audio_tracks", "95 21 'Opus' 00 000002 f8ff 'mp4a' 01 000000",
      multitrack(audio, f::many_tracks_many_codecs, p::coded_frames, {{0, codecs::opus, {0xf8, 0xff}}, {1, codecs::aac, {}}}));
  add("many_metadata", "96 14 'hvc1' 00 00000d 02 0009 'colorInfo' 06 01 000010 02 0009 'colorInfo' 03 0000 09",
      multitrack(video, f::many_tracks, p::metadata, {{0, codecs::hevc, undefined_metadata()}, {1, codecs::hevc, empty_metadata()}}));
  // R3: a track without bytes has nothing, the others have all the same.
  odd(add("track_empty", "96 13 'av01' 00 000000 01 000001 09",
          multitrack(video, f::many_tracks, p::coded_frames_x, {{0, codecs::av1, {}}, {1, codecs::av1, {9}}})),
      header_fault::empty_body, 10);
  odd(add("track_without_composition", "96 11 'avc1' 00 000002 0000 01 000004 00000009",
          multitrack(video, f::many_tracks, p::coded_frames, {{0, codecs::avc, {0, 0}}, {1, codecs::avc, {9}}})),
      header_fault::empty_body, 10, false);
  odd(add("track_twice", "96 13 'av01' 01 000001 09 01 000001 08",
          multitrack(video, f::many_tracks, p::coded_frames_x, {{1, codecs::av1, {9}}, {1, codecs::av1, {8}}})),
      header_fault::repeated_track, 11);
  // R7, R8: ModEx.
  {
    auto m = single(video, p::coded_frames_x, codecs::av1, {9}, 0, frame_type_inter);
    m.nano_offset = 999'999;
    add("nano_offset", "a7 02 0f423f 03 'av01' 09", m);
    m.extensions.push_back({14, {7}});
    m.extensions.push_back({1, {5, 5}});
    add("nano_offset_and_unknown", "a7 02 0f423f 07 00 07 e7 01 0505 13 'av01' 09", m);
    m.nano_offset.reset();
    m.extensions.clear();
    odd(add("nano_offset_too_large", "a7 02 0f4240 03 'av01' 09", m), header_fault::bad_nano_offset, 2, false);
    odd(add("nano_offset_too_short", "a7 01 0f42 03 'av01' 09", m), header_fault::bad_nano_offset, 2, false);
    m.nano_offset = 7;
    auto& longer = add("nano_offset_longer", "a7 03 000007ff 03 'av01' 09", m);
    longer.canonical = false;
    m.nano_offset.reset();
    const auto add_sized = [&](const char* name, const char* head, std::size_t size) {
      m.extensions.assign(1, {2, std::vector<std::uint8_t>(size, 0xa5)});
      auto& bytes = add(name, head, m).bytes;
      bytes.insert(bytes.end(), size, 0xa5);
      const auto rest = bytes_of("23 'av01' 09");
      bytes.insert(bytes.end(), rest.begin(), rest.end());
    };
    add_sized("mod_ex_255", "a7 fe", 255);
    add_sized("mod_ex_256", "a7 ff 00ff", 256);
    add_sized("mod_ex_257", "a7 ff 0100", 257);
    add_sized("mod_ex_65536", "a7 ff ffff", 65536);
    auto tracks = multitrack(audio, f::one_track, p::coded_frames, {{2, codecs::aac, {9}}});
    tracks.nano_offset = 100;
    add("mod_ex_and_multitrack", "97 02 000064 05 01 'mp4a' 02 09", tracks);
  }
  return out;
}

// A message that cannot be read, or holds nothing to use.
struct bad {
  const char* name;
  frame_kind kind;
  std::vector<std::uint8_t> bytes;
  header_fault fault;
  std::size_t fault_at;
};

inline std::vector<bad> all_bad() {
  constexpr auto video = frame_kind::video, audio = frame_kind::audio;
  using h = header_fault;
  std::vector<bad> out;
  const auto add = [&](const char* name, frame_kind kind, std::string_view written, header_fault fault, std::size_t at) {
    out.push_back({name, kind, bytes_of(written), fault, at});
  };
  add("no_fourcc", video, "90", h::cut_short, 1);
  add("fourcc_cut", video, "90 'hvc'", h::cut_short, 1);
  add("fourcc_cut_audio", audio, "91 'mp4'", h::cut_short, 1);
  add("composition_cut", video, "91 'avc1' 0000", h::cut_short, 5);
  add("composition_missing", video, "91 'vvc1'", h::cut_short, 5);
  add("command_missing", video, "d1", h::cut_short, 1);
  add("frame_type_0", video, "81 'avc1' 000000 09", h::reserved_frame_type, 0);
  add("frame_type_7", video, "f3 'avc1' 09", h::reserved_frame_type, 0);
  add("packet_8", video, "98 'hvc1' 01020304", h::reserved_packet_type, 0);
  add("packet_15", video, "9f 'hvc1' 01020304", h::reserved_packet_type, 0);
  add("packet_3_audio", audio, "93 'mp4a' 01", h::reserved_packet_type, 0);
  add("packet_6_audio", audio, "96 'mp4a' 01", h::reserved_packet_type, 0);
  add("packet_behind_mod_ex", video, "97 00 01 09 'av01' 01", h::reserved_packet_type, 3);
  add("no_picture", video, "91 'avc1' 000000", h::empty_body, 5);
  add("no_picture_x", video, "93 'av01'", h::empty_body, 5);
  add("no_record", video, "90 'hvc1'", h::empty_body, 5);
  add("no_record_flac", audio, "90 'fLaC'", h::empty_body, 5);
  add("no_record_ts", video, "95 'av01'", h::empty_body, 5);
  add("no_metadata", video, "94 'hvc1'", h::empty_body, 5);
  add("metadata_cut", video, "94 'hvc1' 02 0009 'color'", h::broken_body, 5);
  add("metadata_open", video, "94 'hvc1' 02 0009 'colorInfo' 03 0001 'a' 05", h::broken_body, 5);
  add("metadata_no_name", video, "94 'hvc1' 03 0000 09", h::broken_body, 5);
  add("no_channels", audio, "94 'Opus'", h::empty_body, 5);
  add("channels_cut", audio, "94 'Opus' 01 02 0000", h::broken_body, 5);
  add("channels_custom_cut", audio, "94 'Opus' 02 03 0001", h::broken_body, 5);
  add("channels_reserved", audio, "94 'Opus' 03 02", h::broken_body, 5);
  add("channels_none", audio, "94 'Opus' 00 00", h::broken_body, 5);
  // R1
  add("multitrack_no_types", video, "96", h::cut_short, 1);
  add("multitrack_reserved", video, "96 31 'avc1' 00 000000 01", h::reserved_multitrack_type, 1);
  add("multitrack_reserved_15", audio, "95 f1 'mp4a' 00 01", h::reserved_multitrack_type, 1);
  add("multitrack_nested", video, "96 06 'avc1' 00 000000 01", h::nested_multitrack, 1);
  add("multitrack_nested_audio", audio, "95 15 'mp4a' 00 000001 01", h::nested_multitrack, 1);
  add("multitrack_mod_ex", video, "96 07 'avc1' 00 01", h::reserved_packet_type, 1);
  add("multitrack_packet_9", video, "96 09 'avc1' 00 01", h::reserved_packet_type, 1);
  add("multitrack_no_track", video, "96 11 'avc1'", h::cut_short, 6);
  add("multitrack_no_codec", video, "96 21 'avc'", h::cut_short, 2);
  // R3
  add("track_size_cut", video, "96 10 'hvc1' 00 0000", h::cut_short, 7);
  add("track_size_huge", video, "96 10 'hvc1' 00 ffffff 01", h::track_too_long, 7);
  add("track_size_one_more", video, "96 10 'hvc1' 00 000002 01", h::track_too_long, 7);
  add("second_track_too_long", video, "96 10 'hvc1' 00 000001 01 01 000002 01", h::track_too_long, 12);
  add("bytes_behind_tracks", video, "96 10 'hvc1' 00 000001 01 01", h::cut_short, 12);
  add("all_tracks_empty", video, "96 13 'av01' 00 000000 01 000000", h::empty_body, 10);
  // R7
  add("mod_ex_no_size", video, "97", h::cut_short, 1);
  add("mod_ex_size_16_cut", video, "97 ff 01", h::cut_short, 2);
  add("mod_ex_data_cut", video, "97 05 0102", h::cut_short, 2);
  add("mod_ex_no_next", video, "97 00 01", h::cut_short, 2);
  add("mod_ex_chain_cut", audio, "97 00 01 07 00 01 07", h::cut_short, 7);
  return out;
}

}  // namespace millrace::media::ex_cases
