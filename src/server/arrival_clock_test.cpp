#include "server/arrival_clock.hpp"

#include <gtest/gtest.h>

#include "hub/delay_watch.hpp"

namespace millrace::server {
namespace {

using namespace std::chrono_literals;

base::instant at(std::int64_t ms) { return base::instant(std::chrono::milliseconds(ms)); }

TEST(arrival_clock, calls_what_exceeds_the_best_of_late_a_backlog) {
  arrival_clock clock;
  for (int i = 0; i < 25; ++i) clock.saw(at(5000 + 40 * i), 40 * i);
  EXPECT_FLOAT_EQ(clock.take_second(), 0);
  for (int i = 25; i < 50; ++i) clock.saw(at(5000 + 40 * i + (i == 30 ? 180 : 10)), 40 * i);
  EXPECT_FLOAT_EQ(clock.take_second(), 180);
  EXPECT_FLOAT_EQ(clock.take_second(), 0);  // nothing came: nothing is late
}

TEST(arrival_clock, forgets_the_best_after_half_a_minute) {
  arrival_clock clock;
  for (int second = 0; second < 60; ++second) {
    clock.saw(at(second * 1000 + (second == 0 ? 0 : 50)), second * 1000);
    const auto backlog = clock.take_second();
    if (second == 20 || second == 59) {
      EXPECT_FLOAT_EQ(backlog, second == 20 ? 50 : 0) << second;
    }
  }
}

TEST(arrival_clock, takes_a_step_of_the_publishers_clock_for_no_backlog) {
  arrival_clock clock;
  clock.saw(at(1000), 0);
  clock.saw(at(1040), 3'600'000);
  clock.saw(at(1080), 3'600'040);
  EXPECT_LT(clock.take_second(), 1);
  clock.saw(at(2000), 5);  // and back
  clock.saw(at(2040), 25);
  EXPECT_FLOAT_EQ(clock.take_second(), 20);
}

TEST(delay_watch, says_the_worst_of_the_last_second_or_two) {
  hub::delay_watch watch;
  EXPECT_EQ(watch.worst(at(1000), false), 0ms);
  watch.handed_over(at(2000), at(1000));  // older than the viewer
  EXPECT_EQ(watch.worst(at(2000), false), 0ms);
  watch.handed_over(at(2200), at(2100));
  watch.handed_over(at(2300), at(2290));
  EXPECT_EQ(watch.worst(at(2300), false), 100ms);
  watch.handed_over(at(3300), at(3295));
  EXPECT_EQ(watch.worst(at(3300), false), 100ms);
  watch.handed_over(at(4400), at(4395));
  EXPECT_EQ(watch.worst(at(4400), false), 5ms);
  EXPECT_EQ(watch.worst(at(7000), false), 0ms);
  EXPECT_EQ(watch.worst(at(7000), true), 2600ms);  // takes nothing
}

}  // namespace
}  // namespace millrace::server
