#include "net/work_budget.hpp"

#include <gtest/gtest.h>

namespace millrace::net {
namespace {

constexpr std::uint64_t second = 1'000'000'000;
constexpr std::size_t small = 40, full = 1'200;
constexpr std::uint64_t window = 16'000'000;

TEST(WorkBudget, LetsTheRateThroughForEver) {
  work_budget budget;
  for (std::uint64_t i = 0; i < 60 * 2'000; ++i) ASSERT_TRUE(budget.idle_datagram(5 * second + i * second / 2'000, small)) << i;
}

TEST(WorkBudget, TakesABurstAndNoMore) {
  work_budget budget;
  for (int i = 0; i < 4'000; ++i) ASSERT_TRUE(budget.idle_datagram(second, small)) << i;
  EXPECT_FALSE(budget.idle_datagram(second, small));
  EXPECT_TRUE(budget.idle_datagram(2 * second, small));
}

TEST(WorkBudget, EndsTwiceTheRateWithinSeconds) {
  work_budget budget;
  std::uint64_t i = 0;
  while (budget.idle_datagram(i * second / 4'000, small)) ASSERT_LT(++i, 20'000U);
  EXPECT_GE(i, 7'900U);
  EXPECT_LE(i, 8'100U);
}

TEST(WorkBudget, CountsNoSizeBeforeMediaIsExpected) {
  work_budget budget;
  for (int i = 0; i < 4'000; ++i) ASSERT_TRUE(budget.idle_datagram(second, full)) << i;
  EXPECT_FALSE(budget.idle_datagram(second, full));
}

// 100 Mbit/s over 600 ms, and a packet whose repetition gets lost as well: 1.4 s without anything in order, again and again.
TEST(WorkBudget, LetsAPublisherCloseItsHolesForEver) {
  work_budget budget;
  budget.expect_stream(window);
  constexpr std::uint64_t each = second / 10'400;
  std::uint64_t now = second;
  for (int hole = 0; hole < 100; ++hole) {
    std::uint64_t waiting = 0;
    for (const auto closed = now + 1'400'000'000; now < closed; now += each) {
      ASSERT_TRUE(budget.idle_datagram(now, full)) << hole;
      waiting += full - 50;
    }
    budget.hole_closed(waiting);
  }
}

TEST(WorkBudget, TakesAWindowOfFullDatagramsThatAreNothingAndNoMore) {
  work_budget budget;
  budget.expect_stream(window);
  for (int i = 0; i < 20'000; ++i) ASSERT_TRUE(budget.idle_datagram(second, full)) << i;
  EXPECT_FALSE(budget.idle_datagram(second, full));
  EXPECT_FALSE(budget.idle_datagram(second, small));
}

// Together, and however they are mixed, two thousand a second: full ones have no rate of their own.
TEST(WorkBudget, EndsAFloodOfFullDatagramsToo) {
  for (const int small_ones : {0, 1, 3}) {
    work_budget budget;
    budget.expect_stream(window);
    std::uint64_t i = 0;
    while (budget.idle_datagram(i * second / 6'000, i % 4 < static_cast<std::uint64_t>(small_ones) ? small : full)) ASSERT_LT(++i, 31'000U);
    EXPECT_LE(static_cast<double>(i), 20'000 + 2'000 * (static_cast<double>(i) / 6'000) + 1) << small_ones;
  }
}

// A byte of the stream in each datagram is no price for one that brings nothing.
TEST(WorkBudget, GivesNothingBackForSmallPieces) {
  work_budget budget;
  budget.expect_stream(window);
  std::uint64_t i = 0;
  while (budget.idle_datagram(i * second / 4'000, small)) {
    budget.hole_closed(1);
    ASSERT_LT(++i, 20'000U);
  }
  EXPECT_LE(i, 8'100U);
}

// And full ones are paid for by the byte: a hundred bytes each do not do it.
TEST(WorkBudget, GivesFullDatagramsBackByTheByte) {
  work_budget budget;
  budget.expect_stream(window);
  std::uint64_t i = 0;
  while (budget.idle_datagram(i * second / 10'000, full)) {
    budget.hole_closed(100);
    ASSERT_LT(++i, 60'000U);
  }
  EXPECT_GT(i, 20'000U);
}

TEST(WorkBudget, MovesAreFewerAndByThemselves) {
  work_budget budget;
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(budget.move(second)) << i;
  EXPECT_FALSE(budget.move(second));
  EXPECT_TRUE(budget.idle_datagram(second, small));
  EXPECT_TRUE(budget.move(2 * second));
  EXPECT_FALSE(budget.move(2 * second));
}

}  // namespace
}  // namespace millrace::net
