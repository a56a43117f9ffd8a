// How a viewer joins, what it gets again, and what it loses when it is slow.
#include <gtest/gtest.h>

#include "hub/hub_fixture.hpp"

namespace millrace::hub {
namespace {

using namespace testing;

struct cursor_test : ::testing::Test {
  std::shared_ptr<stream> s = std::make_shared<stream>("live/a", base::hub_limits{});
  std::unique_ptr<publication> p = std::move(*s->publish());
};

TEST_F(cursor_test, L1_joins_at_the_newest_key_frame_after_metadata_and_configuration) {
  append(*p, {data(0, "onMetaData"), video_config(0), audio_config(0), key(0), audio(10), inter(40), key(80), audio(90), inter(120),
              audio(130)});
  watcher w(s);
  EXPECT_EQ(w.read(130), "*onMetaData@80 *V1@80 *A1@80 K@80 a@90 v@120 a@130");
  append(*p, {inter(160)});
  EXPECT_EQ(w.read(160), "v@160");
  EXPECT_EQ(w.place.stats().delivered, 8u);
  EXPECT_EQ(w.place.stats().dropped_slow(), 0u);
}

TEST_F(cursor_test, L1_the_configuration_of_the_key_frame_and_not_a_later_one) {
  append(*p, {video_config(0, 1), key(0), inter(40), video_config(80, 2), inter(80)});
  watcher w(s);
  EXPECT_EQ(w.read(80), "*V1@0 K@0 v@40 V2@80 v@80");
}

TEST_F(cursor_test, viewers_that_join_at_one_key_frame_share_what_goes_ahead) {
  append(*p, {video_config(0), key(0)});
  watcher a(s), b(s);
  const auto first = a.place.next(at_ms(0));
  const auto second = b.place.next(at_ms(0));
  EXPECT_TRUE(first->prelude);
  EXPECT_EQ(first->item, second->item);
}

TEST_F(cursor_test, L2_configuration_again_only_when_it_changes) {
  watcher w(s);
  append(*p, {video_config(0), audio_config(0), key(0)});
  EXPECT_EQ(w.read(0), "*V1@0 *A1@0 K@0");
  append(*p, {video_config(40), audio_config(40), key(40), audio(50)});
  EXPECT_EQ(w.read(50), "K@40 a@50");
  append(*p, {video_config(80, 2), key(80)});
  EXPECT_EQ(w.read(80), "V2@80 K@80");
  append(*p, {video_config(120, 1), key(120)});
  EXPECT_EQ(w.read(120), "V1@120 K@120") << "back to the first one is a change too";
}

TEST_F(cursor_test, M2_after_an_end_of_sequence_the_same_configuration_is_news) {
  watcher w(s);
  append(*p, {video_config(0), key(0), make(media::frame_kind::video, 40, 40, {0x17, 2, 0, 0, 0}), video_config(80), key(80)});
  EXPECT_EQ(w.read(80), "*V1@80 K@80");
  watcher slow(s, std::chrono::milliseconds(10'000));
  append(*p, {make(media::frame_kind::video, 90, 90, {0x17, 2, 0, 0, 0}), video_config(100), inter(110)});
  EXPECT_EQ(w.read(110), "v@90 V1@100 v@110");
}

TEST_F(cursor_test, M5_audio_only_starts_from_now) {
  append(*p, {data(0, "onMetaData"), audio_config(0), audio(0), audio(20)});
  watcher w(s);
  EXPECT_EQ(w.read(20), "");
  append(*p, {audio(40), audio(60)});
  EXPECT_EQ(w.read(60), "*onMetaData@40 *A1@40 a@40 a@60");
}

TEST_F(cursor_test, M5_who_waits_for_an_audio_only_publisher_misses_nothing) {
  p.reset();
  watcher w(s);
  EXPECT_EQ(w.read(0), "");
  p = std::move(*s->publish());
  EXPECT_EQ(w.back, 1);
  append(*p, {audio_config(0), audio(0), audio(20)});
  EXPECT_EQ(w.read(20), "A1@0 a@0 a@20");
}

TEST_F(cursor_test, M5_late_video_and_late_audio) {
  watcher w(s);
  append(*p, {audio_config(0), audio(0)});
  EXPECT_EQ(w.read(0), "A1@0 a@0");
  append(*p, {inter(40), video_config(40), inter(60), audio(60), key(80), inter(120)});
  EXPECT_EQ(w.read(120), "V1@40 a@60 K@80 v@120");
  append(*p, {audio_config(130, 2), audio(140)});
  EXPECT_EQ(w.read(140), "A2@130 a@140");
}

TEST_F(cursor_test, M5_video_only) {
  append(*p, {video_config(0), key(0), inter(40)});
  watcher w(s);
  EXPECT_EQ(w.read(40), "*V1@0 K@0 v@40");
}

TEST_F(cursor_test, L2_no_key_frame_yet_audio_at_once_and_video_from_the_key_frame) {
  append(*p, {video_config(0), audio_config(0), inter(0), audio(10)});
  watcher w(s);
  EXPECT_EQ(w.read(10), "");
  append(*p, {inter(40), audio(50), key(80), inter(120)});
  EXPECT_EQ(w.read(120), "*V1@50 *A1@50 a@50 K@80 v@120");
}

TEST_F(cursor_test, L4_pause_resumes_at_a_key_frame_near_live) {
  watcher w(s);
  append(*p, {video_config(0), key(0), inter(40)});
  EXPECT_EQ(w.read(40), "*V1@0 K@0 v@40");
  w.place.set_paused(true);
  const int told = w.frames;
  append(*p, {inter(80), key(120), inter(160), key(200), inter(240)});
  EXPECT_EQ(w.read(240), "");
  EXPECT_EQ(w.frames, told);
  w.place.set_paused(false);
  EXPECT_EQ(w.read(240), "K@200 v@240") << "no backlog, and the configuration is known";
  EXPECT_EQ(w.place.stats().dropped_slow(), 0u);
}

TEST_F(cursor_test, L4_short_pause_within_a_gop_goes_on_where_it_was) {
  watcher w(s);
  append(*p, {key(0), inter(40)});
  EXPECT_EQ(w.read(40), "K@0 v@40");
  w.place.set_paused(true);
  append(*p, {inter(80)});
  w.place.set_paused(false);
  EXPECT_EQ(w.read(80), "v@80");
}

TEST_F(cursor_test, L4_long_pause_within_a_gop_gives_audio_from_now_and_video_from_the_next_key_frame) {
  watcher w(s);
  append(*p, {video_config(0), key(0), inter(40)});
  EXPECT_EQ(w.read(40), "*V1@0 K@0 v@40");
  w.place.set_paused(true);
  append(*p, {inter(80), audio(90), video_config(100, 2), inter(4000), audio(4010)});
  w.place.set_paused(false);
  EXPECT_EQ(w.read(4010), "");
  append(*p, {inter(4040), audio(4050), key(4080)});
  EXPECT_EQ(w.read(4080), "*V2@4050 a@4050 K@4080");
}

// Found by the model: the position was exactly where the next publisher began.
TEST_F(cursor_test, L4_resuming_at_the_seam_of_two_publishers_waits_for_the_new_key_frame) {
  watcher w(s);
  append(*p, {key(0), inter(40)});
  EXPECT_EQ(w.read(40), "K@0 v@40");
  w.place.set_paused(true);
  p.reset();
  p = std::move(*s->publish());
  append(*p, {inter(80)});
  w.place.set_paused(false);
  EXPECT_EQ(w.read(80), "");
  append(*p, {key(120)});
  EXPECT_EQ(w.read(120), "K@120");
}

TEST_F(cursor_test, L6_video_stops_at_once_and_returns_at_a_key_frame_with_its_configuration) {
  watcher w(s);
  append(*p, {video_config(0), audio_config(0), key(0), audio(10)});
  EXPECT_EQ(w.read(10), "*V1@0 *A1@0 K@0 a@10");
  w.place.set_tracks(true, false);
  append(*p, {inter(40), audio(50), video_config(60, 2), key(80), audio(90)});
  EXPECT_EQ(w.read(90), "a@50 a@90");
  w.place.set_tracks(true, true);
  append(*p, {inter(120), audio(130), key(160), inter(200)});
  EXPECT_EQ(w.read(200), "*V2@130 a@130 K@160 v@200");
}

TEST_F(cursor_test, L6_audio_off_and_on_leaves_video_alone) {
  watcher w(s);
  append(*p, {video_config(0), audio_config(0), key(0), audio(10)});
  EXPECT_EQ(w.read(10), "*V1@0 *A1@0 K@0 a@10");
  w.place.set_tracks(false, true);
  append(*p, {inter(40), audio(50)});
  EXPECT_EQ(w.read(50), "v@40");
  w.place.set_tracks(true, true);
  append(*p, {inter(80), audio(90)});
  EXPECT_EQ(w.read(90), "*A1@80 v@80 a@90");
}

TEST_F(cursor_test, L6_a_track_switched_on_amid_what_goes_ahead_still_gets_its_configuration) {
  append(*p, {data(0, "onMetaData"), video_config(0), audio_config(0), key(0), audio(10)});
  watcher w(s);
  w.place.set_tracks(true, false);
  EXPECT_EQ(w.read(10, 1), "*onMetaData@10");
  w.place.set_tracks(true, true);
  EXPECT_EQ(w.read(10), "*A1@10 *V1@10 a@10");
}

TEST_F(cursor_test, L10_too_slow_jumps_to_the_newest_key_frame_and_counts) {
  watcher w(s);
  append(*p, {video_config(0), audio_config(0), key(0), inter(40)});
  EXPECT_EQ(w.read(40), "*V1@0 *A1@0 K@0 v@40");
  append(*p, {inter(80), audio(90), key(1000), inter(1040), key(2000), audio(2010)});
  EXPECT_EQ(w.read(2080, 1), "v@80") << "2000 ms old: just in time";
  EXPECT_EQ(w.read(2091), "K@2000 a@2010");
  EXPECT_EQ(w.place.stats().jumps, 1u);
  EXPECT_EQ(w.place.stats().dropped_slow(), 3u);
}

TEST_F(cursor_test, L10_a_jump_brings_what_changed_in_what_was_jumped_over_and_nothing_else) {
  watcher w(s);
  append(*p, {data(0, "onMetaData", 1), video_config(0), audio_config(0), key(0)});
  EXPECT_EQ(w.read(0), "*onMetaData@0 *V1@0 *A1@0 K@0");
  append(*p, {inter(40), video_config(900, 2), data(950, "onMetaData", 1), key(1000), key(5000), video_config(5010, 3), inter(5020)});
  EXPECT_EQ(w.read(5020), "*V2@5000 K@5000 V3@5010 v@5020");
}

TEST_F(cursor_test, L10_without_a_newer_key_frame_video_is_left_out_and_the_rest_goes_on) {
  watcher w(s);
  append(*p, {video_config(0), audio_config(0), key(0)});
  EXPECT_EQ(w.read(0), "*V1@0 *A1@0 K@0");
  append(*p, {inter(40), audio(50), inter(80), data(90, "onMetaData"), audio_config(95, 2), audio(100), inter(2990)});
  EXPECT_EQ(w.read(3000), "a@50 onMetaData@90 A2@95 a@100");
  append(*p, {inter(3040), key(3080), inter(3120)});
  EXPECT_EQ(w.read(3120), "K@3080 v@3120");
  EXPECT_EQ(w.place.stats().dropped_slow(), 4u);
}

TEST_F(cursor_test, L10_a_gop_older_than_the_limit_may_be_joined_and_caught_up_with) {
  append(*p, {key(0)});
  for (int ms = 1000; ms <= 8000; ms += 1000) append(*p, {inter(ms)});
  watcher w(s);
  EXPECT_EQ(w.read(8000, 2), "K@0 v@1000");
  EXPECT_EQ(w.read(8100), "v@2000 v@3000 v@4000 v@5000 v@6000 v@7000 v@8000");
  append(*p, {inter(9000)});
  EXPECT_EQ(w.read(11'100), "") << "caught up once: from then on the limit holds";
  EXPECT_EQ(w.place.stats().dropped_slow(), 1u);
}

TEST_F(cursor_test, L10_falling_further_behind_while_catching_up_is_slow) {
  append(*p, {key(0)});
  for (int ms = 1000; ms <= 8000; ms += 1000) append(*p, {inter(ms)});
  watcher w(s);
  EXPECT_EQ(w.read(8000, 2), "K@0 v@1000");
  EXPECT_EQ(w.read(12'500), "");
  append(*p, {key(13'000)});
  EXPECT_EQ(w.read(13'000), "K@13000");
}

TEST_F(cursor_test, L10_a_newer_key_frame_ends_the_catching_up) {
  append(*p, {key(0), inter(1000), inter(2000)});
  watcher w(s);
  EXPECT_EQ(w.read(5000, 1), "K@0");
  append(*p, {key(5000)});
  EXPECT_EQ(w.read(5000), "K@5000");
}

TEST_F(cursor_test, L10_audio_only_jumps_to_the_live_edge) {
  watcher w(s);
  append(*p, {audio_config(0), audio(0)});
  EXPECT_EQ(w.read(0), "A1@0 a@0");
  append(*p, {audio(20), audio_config(30, 2), audio(5000)});
  EXPECT_EQ(w.read(5000), "");
  append(*p, {audio(5020)});
  EXPECT_EQ(w.read(5020), "*A2@5020 a@5020");
  EXPECT_EQ(w.place.stats().dropped_slow(), 3u);
}

TEST_F(cursor_test, L10_where_pictures_have_stopped_no_key_frame_is_waited_for) {
  watcher w(s);
  append(*p, {key(0), audio(0)});
  EXPECT_EQ(w.read(0), "K@0 a@0");
  for (int ms = 1000; ms <= 15'000; ms += 1000) append(*p, {audio(ms)});
  EXPECT_EQ(w.read(15'000), "");
  append(*p, {audio(15'020)});
  EXPECT_EQ(w.read(15'020), "a@15020");
  append(*p, {inter(15'040), key(15'080)});
  EXPECT_EQ(w.read(15'080), "K@15080");
}

TEST(cursor, L10_an_evicted_position_counts_as_too_slow) {
  base::hub_limits limits;
  limits.ring_frames = 4;
  auto s = std::make_shared<stream>("live/a", limits);
  auto p = std::move(*s->publish());
  watcher w(s);
  append(*p, {video_config(0), key(0)});
  EXPECT_EQ(w.read(0), "*V1@0 K@0");
  append(*p, {inter(1), inter(2), video_config(3, 2), key(4), inter(5), inter(6), inter(7), inter(8)});
  EXPECT_EQ(w.read(8), "*V2@4 K@4 v@5 v@6 v@7 v@8");
  EXPECT_EQ(w.place.stats().jumps, 1u);
  EXPECT_EQ(w.place.stats().dropped_slow(), 3u);
}

TEST_F(cursor_test, L10_one_slow_viewer_is_no_matter_to_another) {
  watcher slow(s), quick(s);
  append(*p, {key(0)});
  std::string seen = quick.read(0);
  for (int ms = 40; ms <= 4000; ms += 40) {
    append(*p, {ms % 1000 == 0 ? key(ms) : inter(ms)});
    EXPECT_EQ(quick.read(ms), (ms % 1000 == 0 ? "K@" : "v@") + std::to_string(ms));
  }
  EXPECT_EQ(quick.place.stats().dropped_slow(), 0u);
  EXPECT_EQ(slow.read(4000), "K@4000");
}

}  // namespace
}  // namespace millrace::hub
