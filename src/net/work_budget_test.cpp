#include "net/work_budget.hpp"

#include <gtest/gtest.h>

namespace millrace::net {
namespace {

constexpr std::uint64_t second = 1'000'000'000;

TEST(WorkBudget, LetsTheRateThroughForEver) {
  work_budget budget;
  for (std::uint64_t i = 0; i < 60 * 2'000; ++i) ASSERT_TRUE(budget.idle_datagram(5 * second + i * second / 2'000)) << i;
}

TEST(WorkBudget, TakesABurstAndNoMore) {
  work_budget budget;
  for (int i = 0; i < 4'000; ++i) ASSERT_TRUE(budget.idle_datagram(second)) << i;
  EXPECT_FALSE(budget.idle_datagram(second));
  EXPECT_TRUE(budget.idle_datagram(2 * second));
}

TEST(WorkBudget, EndsTwiceTheRateWithinSeconds) {
  work_budget budget;
  std::uint64_t i = 0;
  while (budget.idle_datagram(i * second / 4'000)) ASSERT_LT(++i, 20'000U);
  EXPECT_GE(i, 7'900U);
  EXPECT_LE(i, 8'100U);
}

TEST(WorkBudget, MovesAreFewerAndByThemselves) {
  work_budget budget;
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(budget.move(second)) << i;
  EXPECT_FALSE(budget.move(second));
  EXPECT_TRUE(budget.idle_datagram(second));
  EXPECT_TRUE(budget.move(2 * second));
  EXPECT_FALSE(budget.move(2 * second));
}

}  // namespace
}  // namespace millrace::net
