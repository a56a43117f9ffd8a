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
  EXPECT_EQ(c.error().text, "publishes 2 streams already, which is as many as it allows");
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
  EXPECT_EQ(all.take("k", "live/a", {}, start + 10s).error().text, "has used up what it allows: wait 50 s");
  EXPECT_TRUE(all.take("k", "live/b", {.at_once = 1}, start + 10s)) << "another stream of the key does not rest, and what rests holds no seat";
  EXPECT_FALSE(all.take("k", "live/a", {}, start + 59s));
  EXPECT_TRUE(all.take("k", "live/a", {}, start + 60s));
}

TEST(allowance_register, a_stream_that_begins_anew_goes_on_with_its_rate) {
  allowance_register all;
  const allowance slow{.kbps = 800};  // 100,000 bytes a second, a million at once
  const auto come = [&](const std::string& holder, const std::string& stream, base::instant at) { return *all.take(holder, stream, slow, at); };
  EXPECT_TRUE(come("k", "live/a", start).spend(1'000'000, start));
  EXPECT_FALSE(come("k", "live/a", start + 1s).spend(100'001, start + 1s));
  EXPECT_TRUE(come("k", "live/b", start).spend(1'000'000, start)) << "another stream has its own";
  EXPECT_TRUE(come("other", "live/a", start).spend(1'000'000, start)) << "another key too";
  EXPECT_TRUE(come("k", "live/b", start + 10s).spend(1'000'000, start + 10s)) << "ten seconds later nothing of it counts";

  const auto first = come("k", "live/c", start), second = come("k", "live/c", start);
  EXPECT_TRUE(first.spend(500'000, start));
  EXPECT_TRUE(second.spend(500'000, start));
  EXPECT_FALSE(first.spend(1, start)) << "both are the stream";
  all.rest("k", "live/c", start);
  EXPECT_TRUE(come("k", "live/c", start + 60s).spend(1'000'000, start + 60s)) << "the rest has paid for it";
  const auto now_free = *all.take("k", "live/d", {.at_once = 9}, start);
  EXPECT_TRUE(now_free.spend(100'000'000, start)) << "there is no limit";
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
