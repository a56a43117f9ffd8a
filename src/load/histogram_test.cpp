#include "load/histogram.hpp"

#include <gtest/gtest.h>

namespace millrace::load {
namespace {

using namespace std::chrono_literals;

TEST(histogram, shares) {
  histogram h;
  for (int i = 1; i <= 100; ++i) h.add(std::chrono::milliseconds(i));
  EXPECT_EQ(h.total(), 100U);
  EXPECT_NEAR(h.share_ms(0.5), 51, 0.2);
  EXPECT_NEAR(h.share_ms(0.99), 100, 0.2);
  EXPECT_NEAR(h.share_ms(1), 100, 0.2);
  EXPECT_EQ(h.max_ms(), 100);
}

TEST(histogram, nothing_is_zero) { EXPECT_EQ(histogram().share_ms(0.5), 0); }

TEST(histogram, what_is_out_of_range_counts_at_its_end) {
  histogram h;
  h.add(-5ms);
  EXPECT_NEAR(h.share_ms(0.5), 0.1, 0.01);
  h.add(10min);
  EXPECT_NEAR(h.share_ms(0.99), 60'000, 1);
  EXPECT_EQ(h.max_ms(), 600'000);
}

}  // namespace
}  // namespace millrace::load
