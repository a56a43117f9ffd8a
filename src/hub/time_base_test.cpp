// How publishers' clocks become the time of a stream: the policy that time_base.hpp writes down.
#include "hub/time_base.hpp"

#include <gtest/gtest.h>

#include <map>

#include "hub/hub_fixture.hpp"

namespace millrace::hub {
namespace {

using namespace testing;
using media::frame_kind;

media::frame at_arrival(media::frame f, std::int64_t arrival_ms) {
  f.arrival = at_ms(arrival_ms);
  return f;
}

struct time_base_test : ::testing::Test {
  time_base clock;
  void SetUp() override { clock.begin(false); }
  std::int64_t video(std::int64_t dts, std::int64_t arrival, std::uint8_t track = 0) {
    return clock.stamp(at_arrival(inter(dts), arrival), track);
  }
  std::int64_t sound(std::int64_t dts, std::int64_t arrival) { return clock.stamp(at_arrival(audio(dts), arrival), 0); }
};

TEST_F(time_base_test, T9_a_small_step_back_is_held_and_the_offset_stays) {
  EXPECT_EQ(video(1000, 0), 1000);
  EXPECT_EQ(sound(1000, 0), 1000);
  EXPECT_EQ(video(1040, 40), 1040);
  EXPECT_EQ(video(900, 80), 1040);
  EXPECT_EQ(sound(1080, 80), 1080) << "another track is not held";
  EXPECT_EQ(video(940, 120), 1040);
  EXPECT_EQ(video(40, 160), 1040) << "900 ms";
  EXPECT_EQ(video(1160, 160), 1160) << "exact again";
}

TEST_F(time_base_test, T9_a_long_step_back_goes_on_where_the_stream_is) {
  EXPECT_EQ(video(600'000, 0), 600'000);
  EXPECT_EQ(sound(600'010, 0), 600'010);
  EXPECT_EQ(video(0, 40), 600'050) << "as long after the newest frame as it arrived after it";
  EXPECT_EQ(sound(600'030, 40), 600'030) << "still on the old clock";
  EXPECT_EQ(sound(10, 60), 600'060) << "10 ms after the picture, as its source has it";
  EXPECT_EQ(video(40, 80), 600'090);
}

TEST_F(time_base_test, a_configuration_far_ahead_of_its_media_does_not_hold_it) {
  EXPECT_EQ(clock.stamp(at_arrival(audio_config(0), 0), 0), 0);
  EXPECT_EQ(clock.stamp(at_arrival(video_config(500'000), 0), 0), 500'000);
  EXPECT_EQ(clock.stamp(at_arrival(data(900'000, "onMetaData"), 0), 0), 900'000) << "nor does metadata decide anything";
  EXPECT_EQ(video(0, 0), 500'000);
  EXPECT_EQ(sound(10, 10), 500'010) << "all tracks by one offset";
  EXPECT_EQ(video(40, 40), 500'040);
}

TEST_F(time_base_test, T9_a_reset_after_a_silence_keeps_the_silence) {
  EXPECT_EQ(video(600'000, 0), 600'000);
  EXPECT_EQ(video(0, 7'000), 607'000);
}

TEST_F(time_base_test, T9_a_leap_forward_is_a_clock_too_unless_it_took_that_long) {
  EXPECT_EQ(video(1000, 0), 1000);
  EXPECT_EQ(sound(1000, 0), 1000);
  EXPECT_EQ(video(100'000, 99'000), 100'000) << "a source that was silent";
  EXPECT_EQ(sound(100'000, 99'000), 100'000);
  EXPECT_EQ(video(130'000, 99'040), 130'000) << "sent in a burst";
  EXPECT_EQ(sound(130'000, 99'040), 130'000);
  EXPECT_EQ(video(1'400'000'000, 99'080), 130'040);
  EXPECT_EQ(sound(1'400'000'020, 99'080), 130'060);
}

TEST_F(time_base_test, T11_a_stray_time_parts_nothing_for_good) {
  EXPECT_EQ(video(10'000, 0), 10'000);
  EXPECT_EQ(sound(10'000, 0), 10'000);
  EXPECT_EQ(sound(3'000, 20), 10'033);
  EXPECT_EQ(video(10'040, 40), 10'040);
  EXPECT_EQ(sound(10'040, 40), 10'040) << "back on the clock that it had";
  EXPECT_EQ(sound(10'060, 60), 10'060);
}

// The tracks' own distances make the step longer in one of them.
TEST_F(time_base_test, T11_a_step_that_is_jitter_in_one_track_only_parts_nothing) {
  EXPECT_EQ(sound(10'000, 0), 10'000);
  EXPECT_EQ(video(9'900, 0), 9'900);
  EXPECT_EQ(sound(8'950, 40), 10'040) << "1050 ms back: a clock";
  EXPECT_EQ(video(8'950, 40), 10'040) << "950 ms back, at the time of the sound";
  EXPECT_EQ(video(8'990, 80), 10'080);
  EXPECT_EQ(video(7'980, 120), 10'120) << "and the other way round";
  EXPECT_EQ(sound(8'000, 140), 10'140);
  EXPECT_EQ(sound(8'020, 160), 10'160);
}

TEST_F(time_base_test, T11_tracks_with_bases_of_their_own_keep_them) {
  EXPECT_EQ(video(5'000'000, 0), 5'000'000);
  EXPECT_EQ(sound(0, 0), 0);
  EXPECT_EQ(video(5'000'040, 40), 5'000'040);
  EXPECT_EQ(sound(40, 40), 40);
}

TEST_F(time_base_test, T9_metadata_and_configuration_decide_nothing) {
  EXPECT_EQ(clock.stamp(data(0, "onMetaData"), 0), 0);
  EXPECT_EQ(clock.stamp(video_config(0), 0), 0);
  EXPECT_EQ(video(50'000, 0), 50'000);
  EXPECT_EQ(clock.stamp(at_arrival(data(0, "onMetaData"), 10), 0), 50'000);
  EXPECT_EQ(clock.stamp(at_arrival(video_config(0), 10), 0), 50'000);
  EXPECT_EQ(clock.stamp(at_arrival(data(50'020, "onCuePoint"), 20), 0), 50'020);
  EXPECT_EQ(video(50'040, 40), 50'040);
}

TEST_F(time_base_test, R6_tracks_that_lag_are_not_held_by_others) {
  EXPECT_EQ(video(80, 0, 0), 80);
  EXPECT_EQ(video(40, 0, 1), 40);
  EXPECT_EQ(video(120, 40, 0), 120);
  EXPECT_EQ(video(80, 40, 1), 80);
}

TEST_F(time_base_test, T10_after_another_publisher_all_tracks_share_one_offset) {
  EXPECT_EQ(video(5'000, 0), 5'000);
  clock.begin(true);
  EXPECT_EQ(clock.stamp(at_arrival(data(0, "onMetaData"), 500), 0), 5'500);
  EXPECT_EQ(video(90'000, 501), 5'500);
  EXPECT_EQ(sound(89'990, 501), 5'500) << "held at the seam";
  EXPECT_EQ(sound(90'010, 521), 5'510);
  clock.begin(false);
  EXPECT_EQ(video(7, 600), 7) << "nobody stayed";
}

}  // namespace
}  // namespace millrace::hub
