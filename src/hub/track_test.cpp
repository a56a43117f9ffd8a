// Viewers that pick a track of an E-RTMP multitrack stream (conformance R5, R6).
#include <gtest/gtest.h>

#include "hub/hub_fixture.hpp"

namespace millrace::hub {
namespace {

using namespace testing;
using media::frame_kind;

// A part of a multitrack message: its track and its body.
struct part {
  std::uint8_t track = 0;
  std::vector<std::uint8_t> body;
};

// Messages of AV1 and Opus, so that bodies need no composition time. `packet`: 0 sequence start, 1 coded frames.
media::frame tracks(frame_kind kind, bool is_key, std::uint8_t packet, std::int64_t ms, const std::vector<part>& parts) {
  const bool video = kind == frame_kind::video;
  base::byte_writer out;
  out.u8(video ? (is_key ? 0x96 : 0xa6) : 0x95)
      .u8(static_cast<std::uint8_t>((parts.size() > 1 ? 0x10 : 0x00) | packet))
      .text(video ? "av01" : "Opus");
  for (const auto& p : parts) {
    out.u8(p.track);
    if (parts.size() > 1) out.u24(static_cast<std::uint32_t>(p.body.size()));
    out.bytes(p.body);
  }
  return make(kind, ms, ms, std::move(out).take());
}
media::frame start(const std::vector<part>& parts, std::int64_t ms = 0) { return tracks(frame_kind::video, true, 0, ms, parts); }
media::frame keys(std::int64_t ms, const std::vector<part>& parts) { return tracks(frame_kind::video, true, 1, ms, parts); }
media::frame inters(std::int64_t ms, const std::vector<part>& parts) { return tracks(frame_kind::video, false, 1, ms, parts); }
media::frame sounds(std::int64_t ms, const std::vector<part>& parts) { return tracks(frame_kind::audio, false, 1, ms, parts); }

// "=" ahead of a single-track message, "#" of a multitrack one; then as describe() with the last byte of the payload.
struct track_watcher : noting_viewer {
  track_watcher(const std::shared_ptr<stream>& s, const cursor_policy& policy) : place(s, *this, policy) {}
  std::string read(std::int64_t now_ms) {
    std::string out;
    while (const auto got = place.next(at_ms(now_ms))) {
      const auto& f = *got->item->frame();
      const auto info = f.kind == frame_kind::video ? media::inspect_video(f.payload) : media::inspect_audio(f.payload);
      EXPECT_TRUE(info.valid || f.kind == frame_kind::data);
      if (!out.empty()) out += ' ';
      out += got->prelude ? "*" : "";
      out += info.multitrack ? "#" : "=";
      out += f.kind == frame_kind::audio ? (f.config ? "A" : "a") : f.config ? "V" : f.key ? "K" : "v";
      out += std::to_string(f.payload.view().back()) + "@" + std::to_string(f.dts_ms);
    }
    return out;
  }
  cursor place;
};

cursor_policy pick(std::optional<std::uint8_t> video, std::optional<std::uint8_t> audio = std::nullopt) {
  cursor_policy policy;
  policy.video_track = video;
  policy.audio_track = audio;
  return policy;
}

struct track_test : ::testing::Test {
  std::shared_ptr<stream> s = std::make_shared<stream>("live/a", base::hub_limits{});
  std::unique_ptr<publication> p = std::move(*s->publish());
};

TEST_F(track_test, R5_many_tracks_in_one_message) {
  append(*p, {start({{0, {10}}, {1, {11}}}), keys(0, {{0, {20}}, {1, {21}}}), inters(40, {{0, {30}}, {1, {31}}}),
              sounds(40, {{0, {5}}, {2, {6}}})});
  track_watcher whole(s, pick({})), first(s, pick(0, 0)), second(s, pick(1, 2)), none(s, pick(9, 9));
  EXPECT_EQ(whole.read(40), "*#V10@0 *#V11@0 #K21@0 #v31@40 #a6@40") << "configurations are kept a track each";
  EXPECT_EQ(first.read(40), "*=V10@0 =K20@0 =v30@40 =a5@40");
  EXPECT_EQ(second.read(40), "*=V11@0 =K21@0 =v31@40 =a6@40");
  EXPECT_EQ(none.read(40), "");
}

TEST_F(track_test, R5_a_track_to_a_message) {
  append(*p, {start({{0, {10}}}), start({{1, {11}}}), keys(0, {{0, {20}}}), keys(0, {{1, {21}}}), inters(40, {{0, {30}}}),
              inters(40, {{1, {31}}})});
  track_watcher whole(s, pick({})), first(s, pick(0)), second(s, pick(1));
  EXPECT_EQ(whole.read(40), "*#V10@0 *#V11@0 #K20@0 #K21@0 #v30@40 #v31@40");
  EXPECT_EQ(first.read(40), "*=V10@0 =K20@0 =v30@40");
  EXPECT_EQ(second.read(40), "*=V11@0 =K21@0 =v31@40");
}

TEST_F(track_test, R5_an_ordinary_stream_is_track_0) {
  append(*p, {video_config(0, 7), audio_config(0, 8), key(0), audio(0)});
  track_watcher first(s, pick(0, 0)), second(s, pick(1, 1));
  EXPECT_EQ(first.read(0), "*=V7@0 *=A8@0 =K1@0 =a1@0");
  EXPECT_EQ(second.read(0), "");
}

TEST_F(track_test, R5_viewers_of_one_track_share_its_messages) {
  append(*p, {start({{0, {10}}, {1, {11}}}), keys(0, {{0, {20}}, {1, {21}}})});
  track_watcher a(s, pick(0)), b(s, pick(0));
  for (int i = 0; i < 2; ++i) EXPECT_EQ(a.place.next(at_ms(0))->item, b.place.next(at_ms(0))->item);
}

TEST_F(track_test, R6_each_track_has_its_own_key_frames) {
  append(*p, {start({{0, {10}}, {1, {11}}}), keys(0, {{0, {20}}}), keys(0, {{1, {21}}}), inters(40, {{0, {30}}}), inters(40, {{1, {31}}}),
              keys(80, {{1, {41}}}), inters(80, {{0, {40}}}), inters(120, {{0, {50}}}), inters(120, {{1, {51}}})});
  track_watcher first(s, pick(0)), second(s, pick(1));
  EXPECT_EQ(first.read(120), "*=V10@0 =K20@0 =v30@40 =v40@80 =v50@120");
  EXPECT_EQ(second.read(120), "*=V11@80 =K41@80 =v51@120");
}

TEST_F(track_test, R6_a_picked_track_that_comes_later_starts_at_its_key_frame) {
  append(*p, {start({{0, {10}}}), keys(0, {{0, {20}}}), inters(40, {{0, {30}}})});
  track_watcher second(s, pick(1));
  EXPECT_EQ(second.read(40), "");
  append(*p, {start({{1, {11}}}, 80), inters(80, {{1, {31}}}), keys(120, {{1, {41}}}), inters(160, {{1, {51}}})});
  EXPECT_EQ(second.read(160), "=V11@80 =K41@120 =v51@160");
}

TEST_F(track_test, R6_a_slow_viewer_jumps_to_the_key_frame_of_its_track) {
  append(*p, {start({{0, {10}}, {1, {11}}}), keys(0, {{0, {20}}, {1, {21}}})});
  track_watcher first(s, pick(0)), second(s, pick(1));
  EXPECT_EQ(first.read(0), "*=V10@0 =K20@0");
  EXPECT_EQ(second.read(0), "*=V11@0 =K21@0");
  append(*p, {inters(40, {{0, {30}}, {1, {31}}}), keys(3000, {{1, {41}}}), inters(3000, {{0, {40}}}), keys(3040, {{0, {50}}}),
              inters(3040, {{1, {51}}})});
  EXPECT_EQ(first.read(3040), "=K50@3040");
  EXPECT_EQ(second.read(3040), "=K41@3000 =v51@3040");
}

TEST_F(track_test, R6_a_new_configuration_of_one_track_is_no_news_to_the_others) {
  append(*p, {start({{0, {10}}, {1, {11}}}), keys(0, {{0, {20}}, {1, {21}}})});
  track_watcher first(s, pick(0)), second(s, pick(1));
  first.read(0);
  second.read(0);
  append(*p,
         {start({{1, {12}}}, 40), keys(40, {{0, {30}}, {1, {31}}}), start({{0, {10}}, {1, {12}}}, 80), keys(80, {{0, {40}}, {1, {41}}})});
  EXPECT_EQ(first.read(80), "=K30@40 =K40@80");
  EXPECT_EQ(second.read(80), "=V12@40 =K31@40 =K41@80");
  track_watcher late(s, pick(1));
  EXPECT_EQ(late.read(80), "*=V12@80 =K41@80");
}

TEST_F(track_test, R6_catching_up_with_a_picked_track) {
  append(*p, {start({{0, {10}}, {1, {11}}}), keys(0, {{0, {20}}, {1, {21}}})});
  for (int ms = 500; ms <= 2000; ms += 500) append(*p, {inters(ms, {{0, {30}}, {1, {31}}})});
  auto policy = pick(1);
  policy.wanted_delay = std::chrono::milliseconds(200);
  track_watcher second(s, policy);
  EXPECT_EQ(second.read(2000), "*=V11@1800 =K21@1800 =v31@1850 =v31@1900 =v31@1950 =v31@2000");
}

}  // namespace
}  // namespace millrace::hub
