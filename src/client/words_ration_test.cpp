#include "client/words_ration.hpp"

#include <gtest/gtest.h>

namespace millrace::client {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(words_ration, ten_at_once_then_one_a_second_and_the_rest_is_counted) {
  words_ration r{client_limits{}};
  auto now = base::instant{} + std::chrono::hours(1);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(r.take(now), "") << i;
  for (int i = 0; i < 300'000; ++i) ASSERT_EQ(r.take(now), std::nullopt);
  EXPECT_EQ(r.take(now + milliseconds(900)), std::nullopt);
  now += seconds(1);
  EXPECT_EQ(r.take(now), " (300001 more left out)");
  EXPECT_EQ(r.take(now), std::nullopt);
  now += seconds(3600);
  EXPECT_EQ(r.take(now), " (1 more left out)");
  for (int i = 1; i < 10; ++i) EXPECT_EQ(r.take(now), "") << i;
  EXPECT_EQ(r.take(now), std::nullopt) << "an hour of silence is no credit past the burst";
}

}  // namespace
}  // namespace millrace::client
