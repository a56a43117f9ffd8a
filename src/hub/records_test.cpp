// What late viewers are told of E-RTMP tracks: per track, newest only, in the order that decoders need.
#include "hub/records.hpp"

#include <gtest/gtest.h>

#include "hub/hub_fixture.hpp"
#include "media/ex_header_cases.hpp"

namespace millrace::hub {
namespace {

using namespace testing;
using media::ex_form;
using media::ex_packet;
using media::frame_kind;
using track = media::ex_message::track;
namespace ex = media::ex_cases;
namespace codecs = media::codecs;
using bytes = std::vector<std::uint8_t>;

media::frame of(std::int64_t ms, const media::ex_message& m) {
  const auto payload = media::encode(m);
  return make(m.kind, ms, ms, bytes(payload.view().begin(), payload.view().end()));
}
media::frame single(std::int64_t ms, frame_kind kind, ex_packet packet, std::uint32_t codec, bytes body) {
  return of(ms, ex::single(kind, packet, codec, std::move(body)));
}
media::frame many(std::int64_t ms, frame_kind kind, ex_packet packet, std::vector<track> tracks) {
  return of(ms, ex::multitrack(kind, ex_form::many_tracks_many_codecs, packet, std::move(tracks)));
}
media::frame side(std::int64_t ms, frame_kind kind, ex_packet packet, std::uint8_t id, std::uint32_t codec, bytes body) {
  return of(ms, ex::multitrack(kind, ex_form::one_track, packet, {{id, codec, std::move(body)}}));
}

// What a viewer gets that comes now: "V0:hvc1=1" for a sequence start of video track 0 with its last byte, "H" for HDR metadata, "C" for a
// channel layout, and in lower case what is no configuration.
std::string late(const std::shared_ptr<stream>& s) {
  watcher w(s);
  std::string out;
  while (const auto got = w.place.next(at_ms(1000))) {
    const auto& f = *got->item->frame();
    if (!out.empty()) out += ' ';
    if (!media::is_enhanced(f.kind, f.payload)) {
      out += f.config ? (f.kind == frame_kind::video ? "V=" : "A=") + std::to_string(f.payload.view().back()) : f.key ? "key" : "frame";
      continue;
    }
    media::ex_walk walk(f.kind, f.payload);
    const auto& head = walk.head();
    while (const auto* t = walk.next()) {
      if (!out.empty() && out.back() != ' ') out += '+';
      const char mark = head.packet == ex_packet::metadata ? 'H' : head.packet == ex_packet::multichannel_config ? 'C'
                        : f.kind == frame_kind::video ? 'V' : 'A';
      out += f.config ? mark : 'f';
      if (head.form != ex_form::single) out += std::to_string(t->id);
      if (f.config) out += ":" + media::codec_name(f.kind, t->codec);
      if (f.config && !t->body.empty()) out += "=" + std::to_string(t->body.back());
    }
  }
  return out;
}

class records_test : public ::testing::Test {
 protected:
  std::shared_ptr<stream> s = std::make_shared<stream>("live/a", base::hub_limits{});
  std::unique_ptr<publication> p = std::move(*s->publish());
};

TEST_F(records_test, V6_X5_hdr_and_channels_are_kept_beside_the_sequence_start) {
  append(*p, {single(0, frame_kind::video, ex_packet::metadata, codecs::hevc, ex::hdr_metadata()),
              single(0, frame_kind::video, ex_packet::sequence_start, codecs::hevc, {1}),
              single(0, frame_kind::audio, ex_packet::multichannel_config, codecs::opus, {1, 2, 0, 0, 0, 3}),
              single(0, frame_kind::audio, ex_packet::sequence_start, codecs::opus, {4}),
              single(0, frame_kind::video, ex_packet::coded_frames, codecs::hevc, {0})});
  EXPECT_EQ(late(s), "V:HEVC=1 H:HEVC=9 A:Opus=4 C:Opus=3 f");
  // Another codec makes what belonged to the old one void.
  append(*p, {single(1, frame_kind::video, ex_packet::sequence_start, codecs::av1, {5}),
              single(1, frame_kind::video, ex_packet::coded_frames, codecs::av1, {0})});
  EXPECT_EQ(late(s), "V:AV1=5 A:Opus=4 C:Opus=3 f");
  EXPECT_EQ(s->facts().video_codec, "AV1");
  EXPECT_EQ(s->facts().audio_codec, "Opus");
}

TEST(records, V4_X2_X3_X4_the_record_of_every_codec_reaches_late_viewers_to_the_byte) {
  const auto check = [](frame_kind kind, std::uint32_t codec) {
    SCOPED_TRACE(media::codec_name(kind, codec));
    const auto s = std::make_shared<stream>("live/a", base::hub_limits{});
    auto p = std::move(*s->publish());
    const auto start = single(0, kind, ex_packet::sequence_start, codec, ex::sample_record(codec));
    append(*p, {start, single(1, kind, ex_packet::coded_frames, codec, {1, 2, 3}), key(1)});
    watcher w(s);
    const auto got = w.place.next(at_ms(1));
    ASSERT_TRUE(got && got->prelude);
    EXPECT_EQ(got->item->frame()->payload.data(), start.payload.data()) << "shared, not copied";
    EXPECT_EQ(kind == frame_kind::video ? s->facts().video_codec : s->facts().audio_codec, media::codec_name(kind, codec));
  };
  for (const auto codec : ex::video_codecs) check(frame_kind::video, codec);
  for (const auto codec : ex::audio_codecs) check(frame_kind::audio, codec);
}

TEST_F(records_test, V6_hdr_said_again_is_no_news_and_a_reset_takes_its_place) {
  const auto hdr = [](std::int64_t ms, bytes body) {
    return single(ms, frame_kind::video, ex_packet::metadata, codecs::hevc, std::move(body));
  };
  const auto start = single(0, frame_kind::video, ex_packet::sequence_start, codecs::hevc, {1});
  const auto key_frame = [](std::int64_t ms) { return single(ms, frame_kind::video, ex_packet::coded_frames, codecs::hevc, {0}); };
  append(*p, {start, hdr(0, ex::undefined_metadata()), key_frame(0)});
  EXPECT_EQ(late(s), "V:HEVC=1 f") << "a reset of nothing is not kept";
  append(*p, {hdr(1, ex::hdr_metadata()), key_frame(1)});
  watcher w(s);
  EXPECT_EQ(w.read(1), "*V1@1 *V9@1 K@1");
  append(*p, {hdr(2, ex::hdr_metadata()), key_frame(2)});
  EXPECT_EQ(w.read(2), "K@2") << "said again";
  // A viewer that jumps over the reset had the colours, so it must be told.
  append(*p, {hdr(3, ex::empty_metadata()), key_frame(4)});
  for (int ms = 5; ms < 40; ++ms) append(*p, {key_frame(ms * 100)});
  EXPECT_EQ(w.read(10'000, 2), "*V9@3900 K@3900");
  EXPECT_EQ(w.place.stats().jumps, 1u);
  EXPECT_EQ(late(s), "V:HEVC=1 H:HEVC=9 f") << "the reset, which means nothing to who comes now; 9 ends its empty object";
  append(*p, {hdr(4000, {2, 0, 1, 'x', 5}), key_frame(4000)});
  EXPECT_EQ(late(s), "V:HEVC=1 H:HEVC=9 f") << "pairs of no known meaning replace nothing";
  append(*p, {hdr(4001, {2, 0, 9, 'c'}), key_frame(4001)});
  EXPECT_EQ(late(s), "V:HEVC=1 H:HEVC=9 f") << "nor does what is broken";
  EXPECT_EQ(s->facts().malformed, 2u) << "and the start, which is no record of HEVC";
  EXPECT_EQ(s->facts().malformed_text, "video message of 9 bytes: a body that breaks its own format, at byte 5");
}

TEST_F(records_test, R4_R6_each_track_of_one_message_has_a_record_of_its_own) {
  const auto video = frame_kind::video;
  append(*p, {many(0, video, ex_packet::sequence_start, {{0, codecs::avc, {1}}, {1, codecs::hevc, {2}}, {2, codecs::av1, {3}}}),
              many(0, video, ex_packet::coded_frames, {{0, codecs::avc, {0}}, {1, codecs::hevc, {0}}})});
  EXPECT_EQ(late(s), "V0:H.264=1 V1:HEVC=2 V2:AV1=3 f0+f1");
  // One of them changes: what is kept of the others stays, and nothing old comes behind something new.
  append(*p, {side(1, video, ex_packet::sequence_start, 0, codecs::avc, {7}),
              many(1, video, ex_packet::coded_frames, {{0, codecs::avc, {0}}, {1, codecs::hevc, {0}}})});
  EXPECT_EQ(late(s), "V0:H.264=7 V1:HEVC=2 V2:AV1=3 f0+f1");
  EXPECT_EQ(s->facts().video_codec, "H.264");
}

TEST_F(records_test, M2_R6_a_repeat_is_a_repeat_in_any_form_and_an_end_is_of_its_track) {
  const auto video = frame_kind::video;
  const auto both = [&](std::int64_t ms) {
    return many(ms, video, ex_packet::sequence_start, {{0, codecs::avc, {1}}, {1, codecs::hevc, {2}}});
  };
  const auto frames = [&](std::int64_t ms) {
    return many(ms, video, ex_packet::coded_frames, {{0, codecs::avc, {0}}, {1, codecs::hevc, {0}}});
  };
  append(*p, {both(0), frames(0)});
  watcher w(s);
  EXPECT_EQ(w.read(0), "*V1@0 *V2@0 K@0");
  append(*p, {both(1), side(1, video, ex_packet::sequence_start, 1, codecs::hevc, {2}), frames(1)});
  EXPECT_EQ(w.read(1), "K@1");
  append(*p, {side(2, video, ex_packet::sequence_end, 1, codecs::hevc, {}), side(3, video, ex_packet::sequence_start, 1, codecs::hevc, {2}),
              side(3, video, ex_packet::sequence_end, 0, codecs::avc, {}), both(4), frames(4)});
  EXPECT_EQ(w.read(4), "v@2 V2@3 v@3 V2@4 K@4") << "track 1 again after its end; both again because of track 0";
}

TEST_F(records_test, X5_channel_layouts_per_track) {
  const auto audio_kind = frame_kind::audio;
  append(*p, {side(0, audio_kind, ex_packet::multichannel_config, 1, codecs::opus, {0, 6}),
              single(0, audio_kind, ex_packet::multichannel_config, codecs::ac3, {0, 8}),
              side(0, audio_kind, ex_packet::sequence_start, 1, codecs::opus, {}), key(0)});
  EXPECT_EQ(late(s), "A1:Opus C:AC-3=8 C1:Opus=6 key");
  append(*p, {single(1, audio_kind, ex_packet::multichannel_config, codecs::ac3, {3, 8}), key(1)});
  EXPECT_EQ(late(s), "A1:Opus C:AC-3=8 C1:Opus=6 key") << "a reserved order is not kept";
  EXPECT_EQ(s->facts().malformed, 1u);
}

TEST_F(records_test, X6_legacy_and_enhanced_configurations_of_a_track_replace_each_other) {
  append(*p, {audio_config(0, 5), single(0, frame_kind::audio, ex_packet::sequence_start, codecs::aac, {0x12, 6}), key(0)});
  EXPECT_EQ(late(s), "A:AAC=6 key");
  append(*p, {video_config(1, 1), single(1, frame_kind::video, ex_packet::sequence_start, codecs::avc, {2}), video_config(1, 3), key(1)});
  EXPECT_EQ(late(s), "V=3 A:AAC=6 key");
}

TEST_F(records_test, X2_audio_that_describes_itself_makes_the_old_configuration_void) {
  append(*p, {audio_config(0, 5), key(0)});
  EXPECT_EQ(late(s), "A=5 key");
  append(*p, {single(1, frame_kind::audio, ex_packet::coded_frames, codecs::ac3, {0x0b, 0x77}), key(1)});
  EXPECT_EQ(late(s), "key");
  append(*p, {audio_config(2, 5), make(frame_kind::audio, 2, 2, {}), key(2)});
  EXPECT_EQ(late(s), "A=5 key") << "silence is of no codec";
}

TEST_F(records_test, R3_records_are_bounded_by_number_and_size) {
  base::hub_limits limits;
  limits.kept_configs = 4;
  limits.kept_record_bytes = 12;
  s = std::make_shared<stream>("live/a", limits);
  p = std::move(*s->publish());
  append(*p, {many(0, frame_kind::video, ex_packet::sequence_start,
                   {{0, codecs::av1, {1}}, {1, codecs::av1, bytes(20)}, {2, codecs::av1, {3}}, {3, codecs::av1, {4}}, {4, codecs::av1, {5}},
                    {5, codecs::av1, {6}}}),
              side(0, frame_kind::video, ex_packet::coded_frames, 0, codecs::av1, {0})});
  EXPECT_EQ(late(s), "V0:AV1=1 V2:AV1=3 V3:AV1=4 V4:AV1=5 f0") << "the large one is not kept, the last not either";
}

TEST_F(records_test, R3_R7_what_is_kept_of_a_message_is_no_more_than_it_brought) {
  auto m = ex::multitrack(frame_kind::audio, ex_form::many_tracks, ex_packet::sequence_start, {});
  m.extensions.push_back({1, bytes(60'000)});
  for (int id = 0; id < 256; ++id) m.tracks.push_back({static_cast<std::uint8_t>(id), codecs::opus, {static_cast<std::uint8_t>(id)}});
  const auto sent = of(0, m);
  append(*p, {sent, key(0)});
  watcher w(s);
  std::size_t kept = 0, count = 0;
  while (const auto got = w.place.next(at_ms(0))) {
    if (!got->prelude) continue;
    kept += got->item->frame()->payload.size();
    ++count;
  }
  EXPECT_EQ(count, base::hub_limits{}.kept_configs);
  EXPECT_LE(kept, sent.payload.size());
}

TEST_F(records_test, R3_of_a_track_that_is_in_a_message_twice_the_first_is_kept) {
  append(*p, {many(0, frame_kind::video, ex_packet::sequence_start, {{0, codecs::av1, {1}}, {1, codecs::av1, {2}}, {1, codecs::av1, {3}}}),
              side(0, frame_kind::video, ex_packet::coded_frames, 0, codecs::av1, {0})});
  EXPECT_EQ(late(s), "V0:AV1=1 V1:AV1=2 f0");
}

TEST_F(records_test, V2_R1_M9_unreadable_messages_pass_counted_and_change_nothing) {
  append(*p, {video_config(0, 1), key(0)});
  watcher w(s);
  EXPECT_EQ(w.read(0), "*V1@0 K@0");
  EXPECT_EQ(s->facts().malformed_text, "video message of 6 bytes: a configuration record that its codec does not allow, at byte 5");
  append(*p, {make(frame_kind::video, 1, 1, {0x98, 'a', 'v', 'c', '1', 1}), make(frame_kind::video, 1, 1, {0x17, 0, 0, 0, 0}),
              make(frame_kind::video, 1, 1, base::bytes_of("96 10 'avc1' 00 ffffff 01")), make(frame_kind::audio, 1, 1, {0xaf}),
              make(frame_kind::audio, 1, 1, {})});
  EXPECT_EQ(w.read(1), "v@1 v@1 v@1 a@1 a@1");
  EXPECT_EQ(s->facts().malformed, 5u) << "silence is none";
  EXPECT_EQ(s->facts().malformed_text, "audio message of 1 bytes: the message ends inside a field, at byte 1");
  append(*p, {key(2)});
  EXPECT_EQ(late(s), "V=1 key");
  p.reset();
  p = std::move(*s->publish());
  EXPECT_EQ(s->facts().malformed, 0u) << "the next publisher is not to blame";
  EXPECT_EQ(s->facts().malformed_text, "");
}

TEST_F(records_test, R8_a_nanosecond_offset_is_relayed_and_not_summed_into_the_time) {
  auto m = ex::single(frame_kind::video, ex_packet::coded_frames, codecs::avc, {9}, 40);
  m.nano_offset = 999'999;
  const auto sent = of(77, m);
  append(*p, {sent});
  watcher w(s);
  const auto got = w.place.next(at_ms(77));
  ASSERT_TRUE(got);
  EXPECT_EQ(got->item->frame()->dts_ms, 77);
  EXPECT_EQ(got->item->frame()->payload.data(), sent.payload.data());
}

TEST_F(records_test, D5_track_maps_of_the_metadata_reach_late_viewers_to_the_byte) {
  const auto metadata = base::bytes_of(
      "02 000a 'onMetaData' 08 00000002 "
      "0013 'audioTrackIdInfoMap' 03 0001 '1' 03 000c 'audiocodecid' 00 41d3dc1d4c000000 "
      "0008 'channels' 00 4018000000000000 0000 09 0000 09 "
      "0013 'videoTrackIdInfoMap' 03 0001 '2' 03 0005 'width' 00 4094000000000000 0000 09 0000 09 0000 09");
  append(*p, {make(frame_kind::data, 0, 0, metadata), video_config(0), key(0)});
  watcher w(s);
  const auto got = w.place.next(at_ms(0));
  ASSERT_TRUE(got && got->prelude);
  const auto kept = got->item->frame()->payload.view();
  EXPECT_EQ(bytes(kept.begin(), kept.end()), metadata);
}

}  // namespace
}  // namespace millrace::hub
