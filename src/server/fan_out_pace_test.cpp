#include "server/fan_out_pace.hpp"

#include <gtest/gtest.h>

namespace millrace::server {
namespace {

using namespace std::chrono_literals;

// A shard with so many viewers: waking each costs 10 us a round, and each millisecond of media another 0.3 us.
class fan_out_pace_test : public testing::Test {
 protected:
  void run(base::duration length, int viewers, fan_out_pace& pace) {
    const auto begin = now_;
    const auto busy = busy_;
    rounds_ = 0;
    for (const auto end = now_ + length; now_ < end; now_ += 13ms) {  // a frame comes
      pace.count(static_cast<std::uint64_t>(1 + viewers));
      const auto due = std::max(now_, pace.next_round());
      if (due >= now_ + 13ms) continue;
      const auto media = std::chrono::duration<double, std::milli>(due - last_).count();
      pace.begin_round(due, [this] { return busy_; });
      busy_ += std::chrono::nanoseconds(static_cast<std::int64_t>(viewers * (10e3 + 300 * media)));
      last_ = due;
      ++rounds_;
    }
    load_ = static_cast<double>((busy_ - busy).count()) / static_cast<double>((now_ - begin).count());
  }

  base::instant now_{100s}, last_{100s};
  base::duration busy_{0};
  int rounds_ = 0;
  double load_ = 0;
};

TEST_F(fan_out_pace_test, few_viewers_get_every_frame_at_once) {
  fan_out_pace pace({100ms, 0.25});
  run(10s, 50, pace);
  EXPECT_GT(rounds_, 760);
  EXPECT_EQ(pace.window(), 0ms);
}

TEST_F(fan_out_pace_test, the_window_grows_as_far_as_the_load_asks) {
  fan_out_pace pace({100ms, 0.25});
  run(5s, 500, pace);
  run(10s, 500, pace);
  EXPECT_LT(load_, 0.31);
  EXPECT_GT(pace.window(), 20ms);
  EXPECT_LT(pace.window(), 80ms);
}

TEST_F(fan_out_pace_test, but_not_past_its_bound) {
  fan_out_pace pace({40ms, 0.25});
  run(5s, 1000, pace);
  run(10s, 1000, pace);
  EXPECT_LE(pace.window(), 40ms);
  EXPECT_GT(pace.window(), 30ms);
  EXPECT_GT(rounds_, 180);
}

TEST_F(fan_out_pace_test, and_leaves_room_for_what_a_round_takes) {
  fan_out_pace pace({100ms, 0.25});
  run(5s, 900, pace);
  run(5s, 900, pace);
  ASSERT_GT(load_, 0.3);
  EXPECT_LT(pace.window(), 92ms);
  EXPECT_NEAR(std::chrono::duration<double>(pace.window() * (1 + load_)).count(), 0.12, 0.005);
}

TEST_F(fan_out_pace_test, unless_the_core_is_full) {
  fan_out_pace pace({100ms, 0.25});
  run(5s, 2500, pace);
  run(5s, 2500, pace);
  EXPECT_EQ(pace.window(), 100ms);
}

TEST_F(fan_out_pace_test, it_shrinks_again) {
  fan_out_pace pace({100ms, 0.25});
  run(5s, 3000, pace);
  ASSERT_EQ(pace.window(), 100ms);
  run(5s, 20, pace);
  run(5s, 20, pace);
  EXPECT_EQ(pace.window(), 0ms);
  EXPECT_GT(rounds_, 370);
}

TEST_F(fan_out_pace_test, a_bound_of_zero_gathers_nothing) {
  fan_out_pace pace({0ms, 0.25});
  run(5s, 3000, pace);
  EXPECT_EQ(pace.window(), 0ms);
}

// Thousands of handshakes, and one stream with one viewer beside them.
TEST_F(fan_out_pace_test, a_load_that_no_frame_makes_delays_no_frame) {
  fan_out_pace pace({100ms, 0.25});
  for (int i = 0; i < 1'000; ++i) {
    now_ += 40ms;
    pace.count(2);
    pace.begin_round(now_, [this] { return busy_; });
    busy_ += 35ms;
    ASSERT_EQ(pace.window(), 0ms);
  }
}

TEST_F(fan_out_pace_test, and_ends_the_gathering_of_those_who_have_left) {
  fan_out_pace pace({100ms, 0.25});
  run(5s, 3000, pace);
  ASSERT_EQ(pace.window(), 100ms);
  const auto begin = now_;
  while (pace.window() > 0ms && now_ < begin + 10s) {
    now_ = pace.next_round() + 40ms;
    pace.count(2);
    pace.begin_round(now_, [this] { return busy_; });
    busy_ += 90ms;
  }
  EXPECT_EQ(pace.window(), 0ms);
}

TEST_F(fan_out_pace_test, many_short_rounds_are_a_load_too) {
  fan_out_pace pace({100ms, 0.25});
  for (int i = 0; i < 100'000; ++i) {
    now_ += 50us;
    pace.count(1);
    if (now_ < pace.next_round()) continue;
    pace.begin_round(now_, [this] { return busy_; });
    busy_ += 30us;
  }
  EXPECT_GT(pace.window(), 0ms);
}

}  // namespace
}  // namespace millrace::server
