#include "hub/time_squeeze.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace millrace::hub {
namespace {

using std::chrono::milliseconds;
using times = std::vector<std::int64_t>;

times steps(std::int64_t from, std::int64_t to, std::int64_t step) {
  times all;
  for (auto t = from; t <= to; t += step) all.push_back(t);
  return all;
}

TEST(time_squeeze, a_backlog_becomes_the_wanted_delay_and_the_rest_stays) {
  const auto decoded = steps(10'000, 12'000, 40);
  const auto s = time_squeeze::make(decoded, decoded, 12'000, milliseconds(200));
  ASSERT_TRUE(s);
  EXPECT_EQ(s->start_ms(), 11'800);
  EXPECT_EQ(s->map(10'000), 11'800);
  EXPECT_EQ(s->map(11'000), 11'900) << "linear";
  EXPECT_EQ(s->map(11'960), 11'996);
  EXPECT_EQ(s->map(12'000), 12'000);
  EXPECT_EQ(s->map(12'040), 12'040);
  EXPECT_EQ(s->map(9'990), 11'790) << "shown before the key frame: keeps its distance to it";
}

TEST(time_squeeze, more_frames_than_milliseconds_take_a_millisecond_each) {
  const auto decoded = steps(0, 8'000, 16);  // 500 frames below the edge
  const auto s = time_squeeze::make(decoded, decoded, 8'000, milliseconds(200));
  ASSERT_TRUE(s);
  EXPECT_EQ(s->start_ms(), 7'500);
  for (std::size_t i = 1; i < decoded.size(); ++i) EXPECT_EQ(s->map(decoded[i]) - s->map(decoded[i - 1]), 1);
}

TEST(time_squeeze, nothing_to_squeeze) {
  EXPECT_FALSE(time_squeeze::make({}, {}, 0, milliseconds(200)));
  EXPECT_FALSE(time_squeeze::make({1000}, {1000}, 1000, milliseconds(0)));
  EXPECT_FALSE(time_squeeze::make({1000, 1200}, {1000, 1200}, 1200, milliseconds(200))) << "not longer than the delay";
  EXPECT_TRUE(time_squeeze::make({1000, 1201}, {1000, 1201}, 1201, milliseconds(200)));
  const auto dense = steps(0, 500, 1);
  EXPECT_FALSE(time_squeeze::make(dense, dense, 500, milliseconds(200))) << "a frame a millisecond cannot get closer";
}

TEST(time_squeeze, no_delay_at_all_still_keeps_the_frames_apart) {
  const auto s = time_squeeze::make({0, 40, 80, 120}, {0, 40, 80, 120}, 120, milliseconds(0));
  ASSERT_TRUE(s);
  EXPECT_EQ(s->map(0), 117);
  EXPECT_EQ(s->map(40), 118);
  EXPECT_EQ(s->map(80), 119);
}

// What the header promises, for streams of any frame rate, jitter and reordering.
TEST(time_squeeze, promises_hold_for_random_streams) {
  std::mt19937 engine(7);
  const auto random = [&engine](int least, int most) {
    return static_cast<std::int64_t>(least) + static_cast<std::int64_t>(engine() % static_cast<unsigned>(most - least + 1));
  };
  int squeezed = 0;
  for (int round = 0; round < 150; ++round) {
    times decoded, shown;
    std::int64_t t = random(0, 1'000'000);
    const auto step = random(1, 60), count = random(1, 600), jitter = random(0, static_cast<int>(step) - 1), depth = random(0, 4);
    for (std::int64_t i = 0; i < count; ++i) {
      decoded.push_back(t);
      shown.push_back(t + step * random(0, static_cast<int>(depth)));
      t += step + random(0, static_cast<int>(jitter));
    }
    const milliseconds wanted(random(0, 500));
    const auto edge = decoded.back();
    const auto s = time_squeeze::make(decoded, shown, edge, wanted);
    const auto length = edge - decoded.front();
    if (!s) {
      EXPECT_TRUE(length <= std::max<std::int64_t>(wanted.count(), 1) || length <= 2 * count) << round;
      continue;
    }
    ++squeezed;
    EXPECT_EQ(s->map(decoded.front()), s->start_ms());
    EXPECT_LE(edge - s->start_ms(), std::max<std::int64_t>(wanted.count(), count + depth * count)) << round;
    EXPECT_LT(edge - s->start_ms(), length);
    const auto strictly = [&](times all) {
      std::sort(all.begin(), all.end());
      all.erase(std::unique(all.begin(), all.end()), all.end());
      for (std::size_t i = 1; i < all.size(); ++i) ASSERT_LT(s->map(all[i - 1]), s->map(all[i])) << round << ": " << all[i];
    };
    strictly(decoded);
    strictly(shown);
    for (auto u = decoded.front(); u < edge + 100; ++u) {
      ASSERT_LE(s->map(u), s->map(u + 1)) << round;
      ASSERT_TRUE(u < edge || s->map(u) == u);
    }
    for (const auto u : decoded) ASSERT_GE(s->map(u), u) << round;
    for (const auto u : shown) ASSERT_GE(s->map(u), u) << round;
  }
  EXPECT_GT(squeezed, 75);
}

}  // namespace
}  // namespace millrace::hub
