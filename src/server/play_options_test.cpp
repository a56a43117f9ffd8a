#include "server/play_options.hpp"

#include <gtest/gtest.h>

namespace millrace::server {
namespace {

using namespace std::chrono_literals;

struct row {
  std::string_view query;
  std::optional<std::chrono::milliseconds> delay;
  std::optional<int> video, audio;
  std::size_t ignored;
};

void check(const row& r, const viewer_settings& settings, bool multitrack) {
  SCOPED_TRACE(r.query);
  const auto got = read_play_options(r.query, settings, 2s, multitrack);
  EXPECT_EQ(got.policy.age_max, 2s);
  EXPECT_EQ(got.policy.wanted_delay, r.delay);
  EXPECT_EQ(got.policy.video_track ? std::optional<int>(*got.policy.video_track) : std::nullopt, r.video);
  EXPECT_EQ(got.policy.audio_track ? std::optional<int>(*got.policy.audio_track) : std::nullopt, r.audio);
  EXPECT_EQ(got.ignored.size(), r.ignored);
}

TEST(play_options, R5_what_a_player_may_ask_for) {
  for (const auto& r : {
           row{"", 200ms, 0, 0, 0},
           row{"token=x&delay", 200ms, 0, 0, 0},
           row{"delay=0", 0ms, 0, 0, 0},
           row{"delay=10000&token=x", 10'000ms, 0, 0, 0},
           row{"delay=10001", 200ms, 0, 0, 1},
           row{"delay=-1", 200ms, 0, 0, 1},
           row{"delay=1s", 200ms, 0, 0, 1},
           row{"delay=", 200ms, 0, 0, 1},
           row{"delay=300&delay=400", 300ms, 0, 0, 0},
           row{"catch_up=no", {}, 0, 0, 0},
           row{"catch_up=no&delay=300", {}, 0, 0, 0},
           row{"catch_up=yes&delay=300", 300ms, 0, 0, 0},
           row{"catch_up=maybe", 200ms, 0, 0, 1},
           row{"video_track=1", 200ms, 1, 0, 0},
           row{"video_track=255&audio_track=2", 200ms, 255, 2, 0},
           row{"video_track=256&audio_track=x", 200ms, 0, 0, 2},
           row{"video_track=all", 200ms, {}, 0, 0},
       }) {
    check(r, {}, false);
  }
}

TEST(play_options, E6_players_that_announced_multitrack_get_all_unless_they_pick) {
  check({"", 200ms, {}, {}, 0}, {}, true);
  check({"video_track=3", 200ms, 3, {}, 0}, {}, true);
  check({"audio_track=0", 200ms, {}, 0, 0}, {}, true);
}

TEST(play_options, the_operators_wish_holds_where_the_player_has_none) {
  viewer_settings off;
  off.catch_up = false;
  off.delay = 700ms;
  check({"", {}, 0, 0, 0}, off, false);
  check({"catch_up=yes", 700ms, 0, 0, 0}, off, false);
  check({"delay=100", 100ms, 0, 0, 0}, off, false);
}

TEST(play_options, what_is_ignored_is_said_and_escaped) {
  const auto got = read_play_options("delay=\n", {}, 2s, false);
  ASSERT_EQ(got.ignored.size(), 1u);
  EXPECT_EQ(got.ignored[0].find('\n'), std::string::npos);
  EXPECT_NE(got.ignored[0].find("whole number from 0 to 10000"), std::string::npos);
}

}  // namespace
}  // namespace millrace::server
