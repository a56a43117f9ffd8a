#include "media/tag_header.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "media/ex_header_cases.hpp"

namespace millrace::media {
namespace {

using bytes = std::vector<std::uint8_t>;

bytes join(std::initializer_list<bytes> parts) {
  bytes out;
  for (const auto& part : parts) out.insert(out.end(), part.begin(), part.end());
  return out;
}
bytes text(std::string_view value) { return {value.begin(), value.end()}; }

TEST(tag_header, M1_legacy_avc_configuration_and_frames) {
  auto info = inspect_video(bytes{0x17, 0, 0, 0, 0, 1, 2});
  EXPECT_TRUE(info.valid && info.config);
  EXPECT_FALSE(info.key || info.enhanced);
  EXPECT_EQ(info.legacy_codec, 7);
  info = inspect_video(bytes{0x17, 1, 0, 0, 0x28, 9});
  EXPECT_TRUE(info.valid && info.key);
  EXPECT_EQ(info.composition_ms, 40);
  info = inspect_video(bytes{0x27, 1, 0, 0, 0, 9});
  EXPECT_TRUE(info.valid);
  EXPECT_FALSE(info.key || info.config || info.disposable);
  EXPECT_TRUE(inspect_video(bytes{0x37, 1, 0, 0, 0, 9}).disposable);
  EXPECT_TRUE(inspect_video(bytes{0x47, 1, 0, 0, 0, 9}).key);
  EXPECT_FALSE(inspect_video(bytes{0x17, 0, 0, 0, 0}).valid) << "an empty record configures nothing";
}

TEST(tag_header, M2_end_of_sequence_is_neither_key_nor_config) {
  for (const auto& body : {bytes{0x17, 2, 0, 0, 0}, bytes{0x17, 2}, join({{0x92}, text("avc1")})}) {
    const auto info = inspect_video(body);
    EXPECT_TRUE(info.valid && info.end_of_sequence);
    EXPECT_FALSE(info.key || info.config);
  }
  EXPECT_TRUE(inspect_audio(join({{0x92}, text("mp4a")})).end_of_sequence);
}

TEST(tag_header, M3_command_frame_is_no_media) {
  for (const auto& body : {bytes{0x57, 0, 0, 0, 0, 1}, bytes{0x52, 1}}) {
    const auto info = inspect_video(body);
    EXPECT_TRUE(info.valid);
    EXPECT_FALSE(info.key || info.config);
  }
}

TEST(tag_header, M4_ids_of_old_forks_are_read_like_avc_and_named) {
  for (const std::uint8_t id : bytes{12, 13}) {
    const auto first = static_cast<std::uint8_t>(0x10 | id);
    auto info = inspect_video(bytes{first, 0, 0, 0, 0, 1});
    EXPECT_TRUE(info.valid && info.config);
    EXPECT_EQ(codec_name(frame_kind::video, info), id == 12 ? "HEVC" : "AV1");
    EXPECT_EQ(codec_of(frame_kind::video, info), id == 12 ? codecs::hevc : codecs::av1);
    info = inspect_video(bytes{first, 1, 0, 0, 0x28, 9});
    EXPECT_TRUE(info.key);
    EXPECT_EQ(info.composition_ms, 40);
    EXPECT_TRUE(inspect_video(bytes{first, 2, 0, 0, 0}).end_of_sequence);
  }
}

TEST(tag_header, M4_opus_of_old_forks_is_passed_and_its_header_kept) {
  auto info = inspect_audio(bytes{0xdf, 0, 0x78, 1});
  EXPECT_TRUE(info.valid);
  EXPECT_FALSE(info.config) << "a frame of a fork without packet types may begin with 0";
  EXPECT_EQ(codec_name(frame_kind::audio, info), "Opus");
  EXPECT_TRUE(inspect_audio(join({{0xdf, 0}, text("OpusHead"), {1, 2}})).config);
  EXPECT_FALSE(inspect_audio(join({{0xdf, 0}, text("OpusHead")})).config);
}

TEST(tag_header, M1_M9_what_is_wrong_with_legacy_messages) {
  const auto fault = [](const tag_info& info) { return info.valid ? "valid" : fault_text(info); };
  EXPECT_EQ(fault(inspect_video({})), "the message ends inside a field, at byte 0");
  EXPECT_EQ(fault(inspect_video(bytes{0x17})), "the message ends inside a field, at byte 1");
  EXPECT_EQ(fault(inspect_video(bytes{0x17, 1, 0, 0})), "the message ends inside a field, at byte 2");
  EXPECT_EQ(fault(inspect_video(bytes{0x17, 0, 0, 0, 0})), "a picture or configuration without bytes, at byte 5");
  EXPECT_EQ(fault(inspect_video(bytes{0x17, 1, 0, 0, 0})), "a picture or configuration without bytes, at byte 5");
  EXPECT_EQ(fault(inspect_video(bytes{0x17, 3, 0, 0, 0, 1})), "reserved packet type, at byte 1");
  EXPECT_EQ(fault(inspect_video(bytes{0x12})), "the message ends inside a field, at byte 1");
  EXPECT_EQ(fault(inspect_video(bytes{0x57})), "the message ends inside a field, at byte 1") << "a command";
  EXPECT_EQ(fault(inspect_audio(bytes{0xaf})), "the message ends inside a field, at byte 1");
  EXPECT_EQ(fault(inspect_audio(bytes{0xaf, 0})), "a picture or configuration without bytes, at byte 2");
  EXPECT_EQ(fault(inspect_audio(bytes{0xaf, 2, 1})), "reserved packet type, at byte 1");
  EXPECT_EQ(inspect_video(bytes{0x17, 1, 0, 0, 0, 9}).fault, header_fault::none);
}

TEST(tag_header, M8_empty_audio_is_silence_and_no_fault) {
  const auto info = inspect_audio({});
  EXPECT_EQ(info.fault, header_fault::none);
  EXPECT_FALSE(info.valid || info.config);
}

TEST(tag_header, X6_a_codec_is_the_same_whichever_header_it_has) {
  EXPECT_EQ(codec_of(frame_kind::audio, inspect_audio(bytes{0xaf, 0, 0x12, 0x10})),
            codec_of(frame_kind::audio, inspect_audio(join({{0x90}, text("mp4a"), {0x12, 0x10}}))));
  EXPECT_EQ(codec_of(frame_kind::audio, inspect_audio(bytes{0x2f, 1})), codecs::mp3);
  EXPECT_EQ(codec_of(frame_kind::video, inspect_video(bytes{0x17, 1, 0, 0, 0, 9})), codecs::avc);
  EXPECT_EQ(codec_of(frame_kind::video, inspect_video(bytes{0x22, 9})), 2u) << "has no FourCC";
}

TEST(tag_header, D4_metadata_names_codecs_by_either_number) {
  EXPECT_EQ(codec_name(frame_kind::video, static_cast<std::uint32_t>(1635135537.0)), "AV1");
  EXPECT_EQ(codec_name(frame_kind::audio, static_cast<std::uint32_t>(1332770163.0)), "Opus");
  EXPECT_EQ(codec_name(frame_kind::video, 7), "H.264");
  EXPECT_EQ(codec_name(frame_kind::audio, 10), "AAC");
  EXPECT_EQ(codec_name(frame_kind::audio, 7), "G.711 A-law");
  EXPECT_EQ(codec_name(frame_kind::audio, 12), "codec 12");
}

TEST(tag_header, V7_trailing_bytes_are_a_fault_that_changes_nothing) {
  const auto info = inspect_video(join({{0x92}, text("avc1"), {0, 0, 0}}));
  EXPECT_TRUE(info.valid && info.end_of_sequence);
  EXPECT_EQ(info.fault, header_fault::trailing_bytes);
}

TEST(tag_header, M6_unknown_codec_is_named_and_escaped) {
  EXPECT_EQ(codec_name(frame_kind::video, inspect_video(bytes{0x19, 1})), "codec 9");
  EXPECT_EQ(codec_name(frame_kind::video, inspect_video(bytes{0x91, 'a', '\n', 'c', 'd', 1})), "fourcc 'a\\x0acd'");
  EXPECT_EQ(codec_name(frame_kind::audio, inspect_audio(bytes{0xaf, 1, 1})), "AAC");
  EXPECT_EQ(codec_name(frame_kind::audio, inspect_audio(join({{0x91}, text("Opus"), {1}}))), "Opus");
}

TEST(tag_header, legacy_audio) {
  EXPECT_TRUE(inspect_audio(bytes{0xaf, 0, 0x12, 0x10}).config);
  auto info = inspect_audio(bytes{0xaf, 1, 0x21});
  EXPECT_TRUE(info.valid);
  EXPECT_FALSE(info.config);
  EXPECT_FALSE(inspect_audio(bytes{0xaf, 0}).valid);
  EXPECT_TRUE(inspect_audio(bytes{0x2f, 0, 0}).valid) << "MP3 has no packet type byte";
  EXPECT_FALSE(inspect_audio(bytes{0x2f, 0, 0}).config);
  EXPECT_FALSE(inspect_audio({}).config);
}

TEST(tag_header, V1_top_bit_switches_to_the_enhanced_header) {
  const auto info = inspect_video(join({{0x90}, text("hvc1"), {1}}));
  EXPECT_TRUE(info.valid && info.enhanced && info.config);
  EXPECT_FALSE(info.key) << "a sequence start comes with the key frame type, but decodes to nothing";
  EXPECT_EQ(info.fourcc, fourcc("hvc1"));
  EXPECT_EQ(codec_name(frame_kind::video, info), "HEVC");
}

TEST(tag_header, V2_reserved_packet_types_are_not_valid) {
  for (std::uint8_t type = 8; type < 16; ++type) {
    const auto info = inspect_video(join({{static_cast<std::uint8_t>(0x90 | type)}, text("hvc1"), {1, 2, 3, 4}}));
    EXPECT_FALSE(info.valid || info.key || info.config) << int{type};
  }
  EXPECT_TRUE(inspect_video(join({{0x95}, text("av01"), {1}})).config);
}

TEST(tag_header, V3_composition_time_belongs_to_three_codecs_and_coded_frames) {
  for (const char* codec : {"avc1", "hvc1", "vvc1"}) {
    EXPECT_EQ(inspect_video(join({{0x91}, text(codec), {0xff, 0xff, 0xfe, 1}})).composition_ms, -2) << codec;
    EXPECT_EQ(inspect_video(join({{0x93}, text(codec), {0xff, 0xff, 0xfe, 1}})).composition_ms, 0) << codec;
    EXPECT_FALSE(inspect_video(join({{0x91}, text(codec), {0, 0}})).valid) << codec;
  }
  for (const char* codec : {"vp08", "vp09", "av01"}) {
    const auto info = inspect_video(join({{0xa1}, text(codec), {0xff, 0xff, 0xfe, 1}}));
    EXPECT_TRUE(info.valid) << codec;
    EXPECT_EQ(info.composition_ms, 0) << codec;
    EXPECT_FALSE(info.key) << codec;
  }
}

TEST(tag_header, T12_composition_time_is_signed) {
  EXPECT_EQ(inspect_video(bytes{0x27, 1, 0x80, 0, 0, 1}).composition_ms, -0x800000);
  EXPECT_EQ(inspect_video(bytes{0x27, 1, 0x7f, 0xff, 0xff, 1}).composition_ms, 0x7fffff);
}

TEST(tag_header, V5_command_frame_has_no_fourcc) {
  EXPECT_TRUE(inspect_video(bytes{0xd1, 0}).valid);
  EXPECT_FALSE(inspect_video(bytes{0xd1}).valid);
  EXPECT_FALSE(inspect_video(bytes{0xd0, 1}).config);
}

TEST(tag_header, V6_metadata_packet_is_kept_and_its_frame_type_ignored) {
  for (const std::uint8_t first : bytes{0x94, 0xa4, 0xd4}) {
    const auto info = inspect_video(join({{first}, text("hvc1"), ex_cases::hdr_metadata()}));
    EXPECT_TRUE(info.valid && info.config && info.metadata) << int{first};
    EXPECT_FALSE(info.key);
  }
  const auto other = inspect_video(join({{0x94}, text("hvc1"), {2, 0, 1, 'x', 5}}));
  EXPECT_TRUE(other.valid && other.metadata);
  EXPECT_FALSE(other.config) << "says nothing of colours, so there is nothing to keep";
}

TEST(tag_header, X1_audio_packet_types) {
  EXPECT_TRUE(inspect_audio(join({{0x90}, text("mp4a"), {0x12}})).config);
  EXPECT_TRUE(inspect_audio(join({{0x91}, text("mp4a"), {0x12}})).valid);
  const auto channels = inspect_audio(join({{0x94}, text("Opus"), {1, 2, 0, 0, 0, 3}}));
  EXPECT_TRUE(channels.config && channels.multichannel);
  for (const std::uint8_t type : bytes{3, 6, 8, 15}) {
    EXPECT_FALSE(inspect_audio(join({{static_cast<std::uint8_t>(0x90 | type)}, text("mp4a"), {1}})).valid) << int{type};
  }
}

TEST(tag_header, X3_only_opus_starts_empty) {
  EXPECT_TRUE(inspect_audio(join({{0x90}, text("Opus")})).config);
  EXPECT_FALSE(inspect_audio(join({{0x90}, text("fLaC")})).config);
}

TEST(tag_header, R1_R4_multitrack_says_what_its_lowest_track_is) {
  auto info = inspect_video(join({{0x96, 0x01}, text("avc1"), {3, 0, 0, 5, 9}}));
  EXPECT_TRUE(info.valid && info.multitrack && info.key);
  EXPECT_EQ(info.track_id, 3);
  EXPECT_EQ(info.composition_ms, 5);
  info = inspect_video(join({{0x96, 0x10}, text("hvc1"), {0, 0, 0, 2, 1, 1, 7, 0, 0, 1, 1}}));
  EXPECT_TRUE(info.valid && info.config);
  EXPECT_EQ(info.track_id, 0);
  info = inspect_video(join({{0x96, 0x23}, text("vp09"), {4, 0, 0, 1, 1}, text("av01"), {5, 0, 0, 2, 1, 1}}));
  EXPECT_TRUE(info.valid && info.key);
  EXPECT_EQ(info.fourcc, fourcc("vp09"));
  EXPECT_EQ(info.track_id, 4);
  info = inspect_video(join({{0x96, 0x21}, text("av01"), {7, 0, 0, 1, 1}, text("avc1"), {0, 0, 0, 4, 0, 0, 9, 1}}));
  EXPECT_EQ(info.track_id, 0) << "the default track, wherever it stands";
  EXPECT_EQ(info.fourcc, fourcc("avc1"));
  EXPECT_EQ(info.composition_ms, 9);
  EXPECT_TRUE(inspect_audio(join({{0x95, 0x00}, text("mp4a"), {1, 0x12}})).config);
  EXPECT_FALSE(inspect_video(join({{0x96, 0x06}, text("avc1"), {0, 0, 0, 0, 1}})).valid) << "multitrack in multitrack";
  EXPECT_FALSE(inspect_video(join({{0x96, 0x31}, text("avc1"), {0, 0, 0, 0, 1}})).valid) << "reserved multitrack type";
}

TEST(tag_header, R3_track_sizes_are_held_against_the_message) {
  EXPECT_FALSE(inspect_video(join({{0x96, 0x10}, text("hvc1"), {0, 0xff, 0xff, 0xff, 1}})).valid);
  EXPECT_FALSE(inspect_video(join({{0x96, 0x10}, text("hvc1"), {0, 0, 0, 1, 1, 1, 0, 0, 2, 1}})).valid) << "the second track is short";
  EXPECT_FALSE(inspect_video(join({{0x96, 0x10}, text("hvc1"), {0, 0, 0, 0}})).config) << "size 0";
  bytes many = join({{0x96, 0x13}, text("hvc1")});
  for (int track = 0; track < 256; ++track) many = join({many, {static_cast<std::uint8_t>(track), 0, 0, 1, 1}});
  EXPECT_TRUE(inspect_video(many).key);
}

TEST(tag_header, R7_mod_ex_is_skipped_also_several_in_a_row_and_large) {
  EXPECT_TRUE(inspect_video(join({{0x97, 2, 1, 2, 3, 0x03}, text("av01"), {1}})).key);
  EXPECT_TRUE(inspect_video(join({{0x97, 2, 1, 2, 3, 0x07, 0, 9, 0xf0}, text("av01"), {1}})).config);
  bytes large = {0x97, 0xff, 0x01, 0x2b};
  large.resize(large.size() + 300, 5);
  EXPECT_TRUE(inspect_video(join({large, {0x03}, text("av01"), {1}})).key);
  EXPECT_TRUE(inspect_audio(join({{0x97, 2, 1, 2, 3, 0x00}, text("mp4a"), {1}})).config);
  EXPECT_TRUE(inspect_video(join({{0x97, 0, 1, 0x06, 0x00}, text("av01"), {1, 1}})).multitrack);
}

// M9: every proper start of a valid message is looked at without reading past it; under the address sanitizer an
// over-read of the exactly sized copy would end the test.
TEST(tag_header, M9_cut_short_anywhere) {
  const std::vector<bytes> whole = {{0x17, 0, 0, 0, 0, 1},
                                    join({{0x91}, text("avc1"), {0, 0, 0, 1}}),
                                    join({{0x97, 2, 1, 2, 3, 0x07, 0, 9, 0x06, 0x20}, text("av01"), {1, 0, 0, 1, 7}}),
                                    join({{0x97, 0xff, 0, 2, 1, 2, 3, 0x05, 0x11}, text("mp4a"), {1, 0, 0, 1, 7}})};
  for (const auto& message : whole) {
    for (std::size_t size = 0; size < message.size(); ++size) {
      const bytes cut(message.begin(), message.begin() + static_cast<std::ptrdiff_t>(size));
      const auto video = inspect_video(cut);
      const auto audio = inspect_audio(cut);
      EXPECT_FALSE(!video.valid && (video.key || video.config)) << size;
      EXPECT_FALSE(!audio.valid && audio.config) << size;
    }
  }
  for (std::size_t size = 1; size < 5; ++size) {
    EXPECT_FALSE(inspect_video(bytes(whole[0].begin(), whole[0].begin() + static_cast<std::ptrdiff_t>(size))).valid);
  }
}

TEST(tag_header, classify_sets_the_frame_flags_by_kind) {
  frame f;
  f.kind = frame_kind::video;
  f.payload = base::slice(bytes{0x17, 1, 0, 0, 0, 9});
  classify(f);
  EXPECT_TRUE(f.key);
  f.kind = frame_kind::data;
  classify(f);
  EXPECT_FALSE(f.key || f.config || f.disposable);
  f.kind = frame_kind::audio;
  f.payload = base::slice(bytes{0xaf, 0, 0x12});
  classify(f);
  EXPECT_TRUE(f.config);
  EXPECT_FALSE(f.key);
}

}  // namespace
}  // namespace millrace::media
