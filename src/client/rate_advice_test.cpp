#include "client/rate_advice.hpp"

#include <gtest/gtest.h>

namespace millrace::client {
namespace {

using namespace std::chrono_literals;

class rate_advice_test : public testing::Test {
 protected:
  double after(int seconds, double sent, base::duration wait) {
    std::optional<double> last;
    for (int i = 0; i < seconds; ++i) last = advice_.update(now_ += 1s, sent, wait);
    return last.value_or(-1);
  }
  rate_advice advice_;
  base::instant now_{};
};

TEST_F(rate_advice_test, nothing_is_known_at_first) {
  EXPECT_FALSE(advice_.update(now_, 2e6, 0ms));
  EXPECT_FALSE(advice_.update(now_ += 1s, 0, 0ms));
  EXPECT_TRUE(advice_.update(now_ += 1s, 2e6, 0ms));
}

TEST_F(rate_advice_test, a_path_with_room_allows_half_as_much_again) { EXPECT_DOUBLE_EQ(after(5, 2e6, 10ms), 3e6); }

TEST_F(rate_advice_test, a_queue_asks_for_less_than_what_gets_through) {
  after(5, 2.5e6, 10ms);
  EXPECT_DOUBLE_EQ(after(1, 1.4e6, 600ms), 0.85 * 1.4e6);
}

TEST_F(rate_advice_test, goes_up_slowly_and_not_between_the_two_limits) {
  after(5, 2.5e6, 10ms);
  const auto low = after(1, 1.4e6, 600ms);
  EXPECT_DOUBLE_EQ(after(3, low, 150ms), low);
  EXPECT_NEAR(after(1, low, 20ms), 1.05 * low, 1);
  const auto later = after(6, low, 20ms);
  EXPECT_GT(later, 1.3 * low);
  EXPECT_LE(later, 1.5 * low);
}

TEST_F(rate_advice_test, an_encoder_that_sends_less_than_it_may_is_not_told_to_send_what_nobody_tried) {
  after(5, 2.5e6, 10ms);
  EXPECT_DOUBLE_EQ(after(1, 0.5e6, 10ms), 0.75e6);
}

}  // namespace
}  // namespace millrace::client
