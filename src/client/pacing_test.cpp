#include "client/pacing.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace millrace::client {
namespace {
using media::frame_kind;
using std::chrono::milliseconds;

media::frame at(frame_kind kind, std::int64_t dts_ms, bool config = false) {
  media::frame f;
  f.kind = kind;
  f.dts_ms = dts_ms;
  f.config = config;
  return f;
}
const base::instant t0 = base::instant{} + std::chrono::hours(1);

TEST(pacer, spreads_frames_by_their_times) {
  pacer p;
  EXPECT_EQ(p.due(at(frame_kind::video, 5000), t0), t0);
  EXPECT_EQ(p.due(at(frame_kind::video, 5040), t0), t0 + milliseconds(40));
  EXPECT_EQ(p.due(at(frame_kind::video, 5040), t0 + milliseconds(10)), t0 + milliseconds(40)) << "asking again changes nothing";
  EXPECT_EQ(p.due(at(frame_kind::video, 5020), t0 + milliseconds(41)), t0 + milliseconds(20)) << "a small step back is an interleaved track";
  EXPECT_EQ(p.due(at(frame_kind::video, 6000), t0 + milliseconds(5000)), t0 + milliseconds(1000)) << "late frames are due in the past: at once";
}

TEST(pacer, does_not_sit_out_a_jump) {
  pacer p;
  EXPECT_EQ(p.due(at(frame_kind::video, 0), t0), t0);
  EXPECT_EQ(p.due(at(frame_kind::video, 3'600'000), t0 + milliseconds(7)), t0 + milliseconds(7));
  EXPECT_EQ(p.due(at(frame_kind::video, 3'600'040), t0 + milliseconds(7)), t0 + milliseconds(47));
  EXPECT_EQ(p.due(at(frame_kind::video, 100), t0 + milliseconds(50)), t0 + milliseconds(50)) << "nor burst after a step back";
}

TEST(pacer, a_track_that_lies_seconds_behind_is_no_new_timeline) {
  pacer p;
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(p.due(at(frame_kind::video, 1'200 + i * 40), t0), t0 + milliseconds(i * 40));
    EXPECT_EQ(p.due(at(frame_kind::audio, 100 + i * 40), t0), t0 + milliseconds(i * 40 - 1'100)) << "late, so at once";
  }
  EXPECT_EQ(p.due(at(frame_kind::audio, 10), t0 + milliseconds(7)), t0 + milliseconds(7)) << "but its own step back is one";
}

TEST(pacer, starts_over_after_an_interruption) {
  pacer p;
  EXPECT_EQ(p.due(at(frame_kind::video, 0), t0), t0);
  p.restart();
  EXPECT_EQ(p.due(at(frame_kind::video, 400), t0 + milliseconds(9000)), t0 + milliseconds(9000));
}

media::frame read_at(std::int64_t dts_ms, std::int64_t arrival_ms) {
  auto f = at(frame_kind::video, dts_ms);
  f.arrival = t0 + milliseconds(arrival_ms);
  return f;
}

TEST(source_pace, an_encoder_in_front_of_a_pipe_is_live) {
  source_pace s;
  // What waited in the pipe comes at once, then everything at its time.
  for (int i = 0; i < 10; ++i) EXPECT_FALSE(s.live(read_at(i * 40, 400), 0)) << i;
  bool live = false;
  for (int i = 10; i < 30; ++i) live |= s.live(read_at(i * 40, 400 + (i - 9) * 40), 0);
  EXPECT_TRUE(live);
}

TEST(source_pace, a_file_in_a_pipe_is_not) {
  source_pace s;
  // As fast as it can, and then as fast as we take it.
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(s.live(read_at(i * 40, i), 0)) << i;
  for (int i = 100; i < 200; ++i) EXPECT_FALSE(s.live(read_at(i * 40, i * 40), static_cast<std::uint64_t>(i))) << i;
}

TEST(source_pace, starts_over_when_time_steps_back) {
  source_pace s;
  EXPECT_FALSE(s.live(read_at(10'000, 0), 0));
  EXPECT_FALSE(s.live(read_at(0, 5'000), 0));
  EXPECT_TRUE(s.live(read_at(400, 5'400), 0));
}

TEST(pacer, goes_by_the_anchor_it_is_given) {
  pacer p;
  EXPECT_EQ(p.due(at(frame_kind::video, 0), t0), t0);
  p.anchor_to(400, t0 + milliseconds(150));
  EXPECT_EQ(p.due(at(frame_kind::video, 440), t0 + milliseconds(160)), t0 + milliseconds(190));
}

TEST(loop_clock, starts_at_zero_and_keeps_distances) {
  loop_clock c;
  EXPECT_EQ(c.map(at(frame_kind::data, 0)), 0);
  EXPECT_EQ(c.map(at(frame_kind::video, 3'600'000)), 0);
  EXPECT_EQ(c.map(at(frame_kind::audio, 3'600'010)), 10);
  EXPECT_EQ(c.map(at(frame_kind::video, 3'600'040)), 40);
}

TEST(loop_clock, a_start_before_the_first_frame_is_clamped) {
  loop_clock c;
  EXPECT_EQ(c.map(at(frame_kind::video, 1000)), 0);
  EXPECT_EQ(c.map(at(frame_kind::audio, 980)), 0);
}

TEST(loop_clock, goes_on_when_the_clock_of_the_input_begins_anew) {
  loop_clock c;
  EXPECT_EQ(c.map(at(frame_kind::video, 3'600'000)), 0);
  EXPECT_EQ(c.map(at(frame_kind::video, 3'600'040)), 40);
  EXPECT_EQ(c.map(at(frame_kind::video, 0, true)), 40) << "a configuration may carry any time";
  EXPECT_EQ(c.map(at(frame_kind::video, 0)), 80) << "as a new pass does";
  EXPECT_EQ(c.map(at(frame_kind::audio, 10)), 90);
  for (int i = 1; i < 100; ++i) EXPECT_EQ(c.map(at(frame_kind::video, i * 40)), 80 + i * 40);
  EXPECT_EQ(c.map(at(frame_kind::video, 2'960)), 3'040) << "less than a second back is the order of tracks";
  EXPECT_EQ(c.map(at(frame_kind::video, 500)), 4'080) << "and anew, behind the newest";
}

// Muxers may write the tracks with seconds between them.
TEST(loop_clock, a_track_that_lies_seconds_behind_begins_no_pass) {
  loop_clock c;
  EXPECT_EQ(c.map(at(frame_kind::video, 0)), 0);
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(c.map(at(frame_kind::video, 1'200 + i * 40)), 1'200 + i * 40);
    EXPECT_EQ(c.map(at(frame_kind::audio, 100 + i * 40)), 100 + i * 40);
    EXPECT_EQ(c.map(at(frame_kind::video, 0, true)), 1'200 + i * 40) << "a configuration goes where the newest media is";
  }
  EXPECT_EQ(c.map(at(frame_kind::video, 0)), 5'200) << "the clock begins anew";
  EXPECT_EQ(c.map(at(frame_kind::audio, 10)), 5'210);
}

TEST(loop_clock, one_time_that_is_far_ahead_counts_once) {
  loop_clock c;
  c.map(at(frame_kind::video, 0));
  c.map(at(frame_kind::video, 40));
  EXPECT_EQ(c.map(at(frame_kind::video, 3'600'000)), 3'600'000);
  EXPECT_EQ(c.map(at(frame_kind::video, 80)), 3'600'040);
  EXPECT_EQ(c.map(at(frame_kind::video, 120)), 3'600'080);
}

TEST(loop_clock, passes_join_by_the_longest_track_and_its_frame_duration) {
  loop_clock c;
  std::vector<std::int64_t> video;
  std::int64_t last = -1;
  for (int pass = 0; pass < 3; ++pass) {
    if (pass > 0) c.next_pass();
    for (int i = 0; i < 25; ++i) {
      for (const auto kind : {frame_kind::video, frame_kind::audio}) {
        const auto mapped = c.map(at(kind, 200 + i * 40));
        EXPECT_GE(mapped, last);
        last = mapped;
        if (kind == frame_kind::video) video.push_back(mapped);
      }
    }
  }
  ASSERT_EQ(video.size(), 75U);
  for (std::size_t i = 1; i < video.size(); ++i) EXPECT_EQ(video[i] - video[i - 1], 40) << i;
}

TEST(loop_clock, configuration_at_the_time_of_its_frame_does_not_shorten_the_pass) {
  loop_clock c;
  c.map(at(frame_kind::video, 0));
  c.map(at(frame_kind::video, 40, true));
  c.map(at(frame_kind::video, 40));
  c.next_pass();
  EXPECT_EQ(c.map(at(frame_kind::video, 0)), 80);
}

// One picture beside the sound, as of a logo: its distance to that of the next pass is no duration.
TEST(loop_clock, a_track_of_one_frame_leaves_no_hole) {
  loop_clock c;
  for (std::int64_t pass = 0; pass < 5; ++pass) {
    if (pass > 0) c.next_pass();
    for (int i = 0; i < 100; ++i) {
      EXPECT_EQ(c.map(at(frame_kind::audio, i * 20)), pass * 2'000 + i * 20);
      if (i != 50) continue;
      EXPECT_EQ(c.map(at(frame_kind::video, i * 20)), pass * 2'000 + i * 20);
    }
  }
}

TEST(loop_clock, a_pass_of_one_frame_still_moves_on) {
  loop_clock c;
  for (std::int64_t pass = 0; pass < 5; ++pass) {
    EXPECT_EQ(c.map(at(frame_kind::video, 77)), pass * 40);
    c.next_pass();
  }
}

TEST(loop_clock, configuration_in_front_with_time_0_is_no_origin) {
  loop_clock c;
  EXPECT_EQ(c.map(at(frame_kind::video, 0, true)), 0);
  EXPECT_EQ(c.map(at(frame_kind::video, 1400)), 0) << "a transport stream begins at 1.4 s";
  EXPECT_EQ(c.map(at(frame_kind::video, 1440)), 40);
}

TEST(joining_clock, moves_nothing_that_steps_nowhere) {
  joining_clock c;
  for (int i = -2; i < 100; ++i) {
    EXPECT_EQ(c.shift(0, i * 40), 0);
    EXPECT_EQ(c.shift(1, i * 40 - 1'500), 0) << "a track may lie behind";
  }
  EXPECT_EQ(c.shift(0, 3'940), 20) << "a small step back is held";
  EXPECT_EQ(c.shift(0, 4'000), 0);
}

TEST(joining_clock, both_tracks_go_on_behind_the_end_when_the_clock_begins_anew) {
  joining_clock c;
  EXPECT_EQ(c.shift(0, 10'000), 0);
  EXPECT_EQ(c.shift(1, 9'980), 0);
  EXPECT_EQ(c.shift(0, 0), 10'040);
  EXPECT_EQ(c.shift(1, 10'000), 0) << "still of the clock before";
  EXPECT_EQ(c.shift(1, 10), 10'040) << "as far from the other track as it was";
  EXPECT_EQ(c.shift(0, 40), 10'040);
  EXPECT_EQ(c.shift(1, 30), 10'040);
  for (int i = 2; i < 100; ++i) EXPECT_EQ(c.shift(0, i * 40), 10'040);
  EXPECT_EQ(c.shift(0, 0), 14'040) << "and once more: behind 14.0 s";
  EXPECT_EQ(c.shift(1, 20), 14'040) << "any step back joins, once the other track did";
}

TEST(joining_clock, a_track_that_was_silent_meanwhile_joins_whatever_its_time) {
  joining_clock c;
  for (int ms = 0; ms < 5'000; ms += 20) EXPECT_EQ(c.shift(1, ms), 0);
  for (int ms = 0; ms <= 3'600'000; ms += 40) ASSERT_EQ(c.shift(0, ms), 0);
  for (int ms = 0; ms < 6'000; ms += 40) EXPECT_EQ(c.shift(0, ms), 3'600'040);
  EXPECT_EQ(c.shift(1, 6'000), 3'600'040) << "above its last time of the clock before";
  EXPECT_EQ(c.shift(1, 6'020), 3'600'040);
}

TEST(joining_clock, a_track_that_comes_late_is_of_the_newest_clock) {
  joining_clock c;
  EXPECT_EQ(c.shift(0, 5'000), 0);
  EXPECT_EQ(c.shift(0, 100), 4'940);
  EXPECT_EQ(c.shift(1, 100), 4'940);
}

TEST(output_clock, configuration_in_front_with_time_0_is_no_origin) {
  output_clock c;
  EXPECT_EQ(c.map(at(frame_kind::video, 0, true)), 0);
  EXPECT_EQ(c.map(at(frame_kind::video, 5000)), 0);
  EXPECT_EQ(c.map(at(frame_kind::video, 5040)), 40);
  EXPECT_EQ(c.map(at(frame_kind::video, 0, true)), 40) << "nor a step back in the middle";
  EXPECT_EQ(c.map(at(frame_kind::video, 5080)), 80);
}

TEST(output_clock, starts_at_zero_and_follows) {
  output_clock c;
  EXPECT_EQ(c.map(at(frame_kind::data, 99'000)), 0);
  EXPECT_EQ(c.map(at(frame_kind::video, 100'000)), 0);
  EXPECT_EQ(c.map(at(frame_kind::audio, 99'990)), 0);
  EXPECT_EQ(c.map(at(frame_kind::video, 100'040)), 40);
  EXPECT_EQ(c.map(at(frame_kind::audio, 100'012)), 12);
}

TEST(output_clock, goes_on_behind_the_end_after_a_reconnect) {
  output_clock c;
  c.map(at(frame_kind::video, 500'000));
  EXPECT_EQ(c.map(at(frame_kind::video, 501'000)), 1000);
  c.restart();
  EXPECT_EQ(c.map(at(frame_kind::data, 0)), 1000);
  EXPECT_EQ(c.map(at(frame_kind::video, 0)), 1040) << "the restarted server's stream begins at 0";
  EXPECT_EQ(c.map(at(frame_kind::audio, 20)), 1060);
  c.restart();
  EXPECT_EQ(c.map(at(frame_kind::audio, 4'000'000'000)), 1100);
}

TEST(output_clock, T9_a_step_inside_a_session_joins_and_stays_monotonic) {
  output_clock c;
  c.map(at(frame_kind::video, 10'000));
  EXPECT_EQ(c.map(at(frame_kind::video, 10'040)), 40);
  EXPECT_EQ(c.map(at(frame_kind::video, 10'000)), 40) << "a small step back is held";
  EXPECT_EQ(c.map(at(frame_kind::video, 0)), 80) << "a large one joins";
  EXPECT_EQ(c.map(at(frame_kind::video, 40)), 120);
  EXPECT_EQ(c.map(at(frame_kind::video, 900'000)), 160) << "and so does a jump ahead";
}

// A publisher whose pictures wait for a bad network sends them behind the sound, and so do some muxers.
TEST(output_clock, a_track_that_lies_seconds_behind_joins_nothing) {
  output_clock c;
  EXPECT_EQ(c.map(at(frame_kind::video, 0)), 0);
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(c.map(at(frame_kind::video, 1'500 + i * 40)), 1'500 + i * 40);
    EXPECT_EQ(c.map(at(frame_kind::audio, i * 40)), i * 40);
  }
  EXPECT_EQ(c.map(at(frame_kind::audio, 10)), 5'500) << "but its own step back is another clock: behind the newest";
  EXPECT_EQ(c.map(at(frame_kind::video, 0)), 5'490) << "the other track follows with its distance";
  EXPECT_EQ(c.map(at(frame_kind::video, 40)), 5'530);
}

TEST(output_clock, another_clock_is_seen_in_a_track_that_was_not_there_before) {
  output_clock c;
  c.map(at(frame_kind::video, 500'000));
  EXPECT_EQ(c.map(at(frame_kind::video, 500'040)), 40);
  EXPECT_EQ(c.map(at(frame_kind::audio, 0)), 80) << "a publisher of sound alone follows one of pictures alone";
  EXPECT_EQ(c.map(at(frame_kind::audio, 20)), 100);
}

}  // namespace
}  // namespace millrace::client
