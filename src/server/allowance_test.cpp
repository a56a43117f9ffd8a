#include "server/allowance.hpp"

#include <gtest/gtest.h>

namespace millrace::server {
namespace {

using namespace std::chrono_literals;
const base::instant start = base::instant{} + 1h;

TEST(allowance_register, counts_streams_and_not_connections) {
  allowance_register all;
  const allowance two{.at_once = 2};
  auto a = all.take("key 1", "live/a", two, start);
  auto a_again = all.take("key 1", "live/a", two, start);  // the publisher's next connection, before the last one has gone
  auto b = all.take("key 1", "live/b", two, start);
  ASSERT_TRUE(a && a_again && b);
  const auto c = all.take("key 1", "live/c", two, start);
  ASSERT_FALSE(c);
  EXPECT_EQ(c.error().text, "key 1 publishes 2 streams already, which is as many as it allows");
  EXPECT_EQ(c.error().kind, base::error_kind::limit);
  EXPECT_TRUE(all.take("key 2", "live/c", two, start)) << "another key has its own";
  *a = {};
  EXPECT_FALSE(all.take("key 1", "live/c", two, start)) << "the stream is still published over its second connection";
  *a_again = {};
  EXPECT_TRUE(all.take("key 1", "live/c", two, start));
}

TEST(allowance_register, a_seat_that_moves_is_left_once) {
  allowance_register all;
  const allowance one{.at_once = 1};
  allowance_register::seat kept;
  {
    auto taken = all.take("k", "live/a", one, start);
    ASSERT_TRUE(taken);
    kept = std::move(*taken);
  }
  EXPECT_FALSE(all.take("k", "live/b", one, start));
  auto moved = std::move(kept);
  EXPECT_FALSE(all.take("k", "live/b", one, start));
  moved = {};
  EXPECT_TRUE(all.take("k", "live/b", one, start));
}

TEST(allowance_register, what_is_used_up_rests_for_a_minute) {
  allowance_register all;
  auto seat = all.take("k", "live/a", {}, start);
  ASSERT_TRUE(seat);
  all.rest("k", "live/a", start);
  *seat = {};
  EXPECT_EQ(all.take("k", "live/a", {}, start + 10s).error().text, "k has used up what it allows: wait 50 s");
  EXPECT_TRUE(all.take("k", "live/b", {.at_once = 1}, start + 10s)) << "another stream of the key does not rest, and what rests holds no seat";
  EXPECT_FALSE(all.take("k", "live/a", {}, start + 59s));
  EXPECT_TRUE(all.take("k", "live/a", {}, start + 60s));
}

TEST(rate_meter, bursts_are_for_ten_seconds) {
  rate_meter meter(800);  // 100,000 bytes a second
  EXPECT_TRUE(meter.take(1'000'000, start));
  EXPECT_FALSE(meter.take(1, start));
  rate_meter steady(800);
  for (int i = 0; i < 600; ++i) ASSERT_TRUE(steady.take(10'000, start + i * 100ms)) << i;
  rate_meter twice(800);
  int frames = 0;
  while (twice.take(20'000, start + frames * 100ms)) ++frames;
  EXPECT_NEAR(frames, 99, 2);  // ten seconds' worth too much after ten seconds
}

}  // namespace
}  // namespace millrace::server
