// Reading and writing by one table (ex_header_cases.hpp), and what no table can show: every cut, hostile sizes, linear time.
#include "media/ex_header.hpp"

#include <gtest/gtest.h>

#include <memory>

#include "media/ex_header_cases.hpp"
#include "media/tag_header.hpp"
#include "media/track.hpp"

namespace millrace::media {
namespace {

using bytes = std::vector<std::uint8_t>;

bytes copy(base::bytes_view view) { return {view.begin(), view.end()}; }

struct walked {
  ex_head head;
  std::vector<ex_track> tracks;
  header_fault fault = header_fault::none;
  std::size_t fault_at = 0;
};

walked walk_all(frame_kind kind, base::bytes_view payload) {
  ex_walk walk(kind, payload);
  walked all;
  while (const auto* track = walk.next()) all.tracks.push_back(*track);
  EXPECT_FALSE(walk.next()) << "the end is the end";
  all.head = walk.head();
  all.fault = walk.fault();
  all.fault_at = walk.fault_at();
  return all;
}

TEST(ex_header, V1_V2_V3_V4_V5_V6_X1_X2_R1_R2_R7_R8_read) {
  for (const auto& c : ex_cases::all_good()) {
    SCOPED_TRACE(c.name);
    ASSERT_TRUE(is_enhanced(c.meaning.kind, c.bytes));
    const auto all = walk_all(c.meaning.kind, c.bytes);
    EXPECT_EQ(text_of(all.fault), text_of(c.fault));
    EXPECT_EQ(all.fault_at, c.fault_at);
    EXPECT_FALSE(is_unreadable(all.fault));
    EXPECT_EQ(all.head.packet, c.meaning.packet);
    EXPECT_EQ(all.head.form, c.meaning.form);
    EXPECT_EQ(all.head.frame_type, c.meaning.kind == frame_kind::video ? c.meaning.frame_type : 0);
    EXPECT_EQ(all.head.nano_offset, c.meaning.nano_offset);
    EXPECT_EQ(all.head.command, c.meaning.command);
    ASSERT_EQ(all.tracks.size(), c.meaning.tracks.size());
    for (std::size_t i = 0; i < all.tracks.size(); ++i) {
      const auto& got = all.tracks[i];
      const auto& meant = c.meaning.tracks[i];
      EXPECT_EQ(got.id, meant.id);
      EXPECT_EQ(got.codec, meant.codec);
      EXPECT_EQ(got.composition_ms, meant.composition_ms);
      EXPECT_EQ(copy(got.body), meant.body);
      EXPECT_EQ(got.content.data(), c.bytes.data() + got.content_at);
      EXPECT_EQ(got.usable, c.fault != header_fault::empty_body || i > 0);
    }
  }
}

TEST(ex_header, V1_V2_V3_V4_V5_V6_X1_X2_R1_R2_R7_R8_written) {
  for (const auto& c : ex_cases::all_good()) {
    SCOPED_TRACE(c.name);
    const auto written = encode(c.meaning);
    if (c.canonical) {
      EXPECT_EQ(copy(written), c.bytes);
    } else {
      EXPECT_EQ(walk_all(c.meaning.kind, written).tracks.size(), c.meaning.tracks.size()) << "says the same in other bytes";
    }
  }
}

TEST(ex_header, V2_M9_R1_R3_R7_what_is_wrong_and_where) {
  for (const auto& c : ex_cases::all_bad()) {
    SCOPED_TRACE(c.name);
    const auto all = walk_all(c.kind, c.bytes);
    EXPECT_EQ(text_of(all.fault), text_of(c.fault));
    EXPECT_EQ(all.fault_at, c.fault_at);
    for (const auto& track : all.tracks) EXPECT_TRUE(is_unreadable(c.fault) || !track.usable);
    const auto info = inspect(c.kind, c.bytes);
    EXPECT_FALSE(info.valid || info.key || info.config || info.disposable || info.end_of_sequence);
    EXPECT_EQ(info.fault, c.fault);
    EXPECT_EQ(fault_text(info), std::string(text_of(c.fault)) + ", at byte " + std::to_string(c.fault_at));
    EXPECT_NE(text_of(c.fault), "unknown fault");
    EXPECT_FALSE(single_track(c.kind, base::slice(c.bytes), 0) && info.multitrack) << "nothing for a peer without multitrack";
  }
}

// In memory of its own and exactly as long as the cut: the address sanitizer would see one byte too many.
TEST(ex_header, M9_R3_cut_at_every_byte) {
  const auto look = [](frame_kind kind, base::bytes_view whole) {
    for (std::size_t size = 0; size < std::min<std::size_t>(whole.size(), 400); ++size) {
      const std::unique_ptr<std::uint8_t[]> own(new std::uint8_t[size]);
      std::copy_n(whole.begin(), size, own.get());
      const base::bytes_view cut(own.get(), size);
      const auto info = inspect(kind, cut);
      if (!info.enhanced) continue;
      const auto all = walk_all(kind, cut);
      EXPECT_LE(all.fault_at, size);
      for (const auto& track : all.tracks) EXPECT_LE(track.content_at + track.content.size(), size);
      EXPECT_EQ(info.fault, all.fault);
      EXPECT_FALSE(is_unreadable(all.fault) && info.valid);
    }
  };
  for (const auto& c : ex_cases::all_good()) look(c.meaning.kind, c.bytes);
  for (const auto& c : ex_cases::all_bad()) look(c.kind, c.bytes);
}

TEST(ex_header, V4_X2_every_codec_starts_and_goes_on) {
  const auto check = [](frame_kind kind, std::uint32_t codec) {
    SCOPED_TRACE(codec_name(kind, codec));
    const auto start = encode(ex_cases::single(kind, ex_packet::sequence_start, codec, ex_cases::sample_record(codec)));
    EXPECT_TRUE(inspect(kind, start).config);
    const auto frames = encode(ex_cases::single(kind, ex_packet::coded_frames, codec, {1, 2, 3}, -7));
    const auto info = inspect(kind, frames);
    EXPECT_TRUE(info.valid);
    EXPECT_EQ(info.fourcc, codec);
    EXPECT_EQ(info.key, kind == frame_kind::video);
    EXPECT_EQ(info.composition_ms, kind == frame_kind::video && has_composition_time(codec) ? -7 : 0);
    EXPECT_TRUE(inspect(kind, encode(ex_cases::single(kind, ex_packet::sequence_end, codec, {}))).end_of_sequence);
  };
  for (const auto codec : ex_cases::video_codecs) check(frame_kind::video, codec);
  for (const auto codec : ex_cases::audio_codecs) check(frame_kind::audio, codec);
}

TEST(ex_header, X2_codecs_that_describe_themselves_may_start_without_a_record) {
  for (const auto codec : ex_cases::audio_codecs) {
    const auto info = inspect_audio(encode(ex_cases::single(frame_kind::audio, ex_packet::sequence_start, codec, {})));
    EXPECT_EQ(info.config, codec != codecs::flac && codec != codecs::aac) << codec_name(frame_kind::audio, codec);
  }
}

TEST(ex_header, R3_256_tracks) {
  auto m = ex_cases::multitrack(frame_kind::video, ex_form::many_tracks, ex_packet::coded_frames, {});
  for (int id = 0; id < 256; ++id) m.tracks.push_back({static_cast<std::uint8_t>(id), codecs::hevc, {static_cast<std::uint8_t>(id)}, id});
  const auto payload = encode(m);
  const auto all = walk_all(frame_kind::video, payload);
  ASSERT_EQ(all.tracks.size(), 256u);
  EXPECT_EQ(all.fault, header_fault::none);
  EXPECT_EQ(all.tracks[255].composition_ms, 255);
  EXPECT_EQ(tracks_of(frame_kind::video, payload).count(), 256u);
  m.tracks.back() = m.tracks[7];
  EXPECT_EQ(walk_all(frame_kind::video, encode(m)).fault, header_fault::repeated_track);
  m.tracks.push_back(m.tracks[8]);
  EXPECT_EQ(walk_all(frame_kind::video, encode(m)).fault, header_fault::too_many_tracks) << "more than there are ids";
  EXPECT_EQ(tracks_of(frame_kind::video, encode(m)).count(), 1u);
  EXPECT_FALSE(inspect_video(encode(m)).valid);
}

// As many tracks and ModEx prefixes as bytes allow: the walk ends long before they do.
TEST(ex_header, R3_R7_steps_are_bounded_whatever_the_bytes) {
  bytes many = base::bytes_of("96 13 'av01'");
  many.resize(many.size() + 4u * 100'000u);  // id 0, size 0
  ex_walk walk(frame_kind::video, many);
  std::size_t steps = 0;
  while (walk.next()) ++steps;
  EXPECT_EQ(steps, tracks_max);
  EXPECT_EQ(walk.fault(), header_fault::too_many_tracks);
  EXPECT_EQ(walk.fault_at(), 6 + 4 * tracks_max);
  EXPECT_FALSE(single_track(frame_kind::video, base::slice(many), 0));

  const auto chain_of = [](std::size_t count) {
    bytes chain = {0xa7};
    for (std::size_t i = 1; i < count; ++i) chain.insert(chain.end(), {0, 9, 0x17});
    chain.insert(chain.end(), {0, 9, 0x13, 'a', 'v', '0', '1', 9});
    return chain;
  };
  EXPECT_EQ(walk_all(frame_kind::video, chain_of(extensions_max)).tracks.size(), 1u);
  const auto longer = walk_all(frame_kind::video, chain_of(extensions_max + 1));
  EXPECT_EQ(longer.tracks.size(), 0u);
  EXPECT_EQ(longer.fault, header_fault::too_many_extensions);
}

TEST(ex_header, what_no_message_can_say_is_not_written) {
  using p = ex_packet;
  constexpr auto video = frame_kind::video, audio = frame_kind::audio;
  EXPECT_TRUE(encode(ex_cases::single(audio, p::metadata, codecs::aac, {1})).empty());
  EXPECT_TRUE(encode(ex_cases::single(audio, p::command, codecs::aac, {})).empty());
  EXPECT_TRUE(encode(ex_cases::single(video, p::multichannel_config, codecs::avc, {1})).empty());
  EXPECT_TRUE(encode(ex_cases::single(frame_kind::data, p::coded_frames, codecs::avc, {1})).empty());
  EXPECT_TRUE(encode(ex_cases::multitrack(video, ex_form::many_tracks, p::coded_frames, {})).empty());
  const auto tracks = [](ex_form form, std::vector<ex_message::track> all) {
    return encode(ex_cases::multitrack(video, form, p::coded_frames_x, std::move(all))).empty();
  };
  EXPECT_TRUE(tracks(ex_form::one_track, {{0, codecs::av1, {1}}, {1, codecs::av1, {1}}}));
  EXPECT_TRUE(tracks(ex_form::many_tracks, {{0, codecs::av1, {1}}, {1, codecs::vp9, {1}}}));
  EXPECT_TRUE(tracks(ex_form::many_tracks, {{0, codecs::av1, bytes(0x1000000)}}));
  EXPECT_TRUE(encode(ex_cases::multitrack(video, ex_form::one_track, p::metadata, {{0, codecs::av1, {1}}}, frame_type_command)).empty());
  auto m = ex_cases::single(video, p::coded_frames, codecs::av1, {1});
  m.extensions.push_back({1, {}});
  EXPECT_TRUE(encode(m).empty());
  m.extensions[0].data.resize(65537);
  EXPECT_TRUE(encode(m).empty());
}

TEST(ex_header, legacy_and_empty_messages_have_nothing_to_walk) {
  for (const auto& payload : {bytes{}, bytes{0x17, 1, 0, 0, 0, 1}}) {
    EXPECT_FALSE(is_enhanced(frame_kind::video, payload));
    EXPECT_TRUE(walk_all(frame_kind::video, payload).tracks.empty());
  }
  EXPECT_FALSE(is_enhanced(frame_kind::audio, bytes{0xaf, 1}));
  EXPECT_FALSE(is_enhanced(frame_kind::data, bytes{0x91, 1}));
}

}  // namespace
}  // namespace millrace::media
