#include "net/usual_rtt.hpp"

#include <gtest/gtest.h>

namespace millrace::net {
namespace {

using namespace std::chrono_literals;

class usual_rtt_test : public testing::Test {
 protected:
  // Tenths of a second, in each of which the round trip time is once this and otherwise longer.
  void slots(int count, usual_rtt::duration least) {
    for (int i = 0; i < count; ++i, now_ += 100ms) {
      usual_.update(now_, least + 40ms);
      usual_.update(now_ + 30ms, least);
      usual_.update(now_ + 60ms, least + 90ms);
    }
    usual_.update(now_, 1s);  // closes the last one
    usual_.skip();
  }

  usual_rtt usual_;
  usual_rtt::duration now_{1s};
};

TEST_F(usual_rtt_test, a_few_samples_tell_nothing) {
  slots(4, 50ms);
  EXPECT_FALSE(usual_.known());
  slots(1, 50ms);
  EXPECT_TRUE(usual_.known());
}

TEST_F(usual_rtt_test, the_middle_of_what_each_slot_had_least) {
  slots(20, 50ms);
  EXPECT_EQ(usual_.middle(), 50ms);
  EXPECT_EQ(usual_.spread(), 0ms);
}

TEST_F(usual_rtt_test, key_frames_now_and_then_are_not_usual) {
  for (int i = 0; i < 5; ++i) {
    slots(1, 150ms);
    slots(19, 50ms);
  }
  EXPECT_EQ(usual_.middle(), 50ms);
  EXPECT_EQ(usual_.spread(), 0ms);
}

TEST_F(usual_rtt_test, what_jumps_by_itself_spreads) {
  for (int i = 0; i < 25; ++i) {
    slots(2, 60ms);
    slots(1, 75ms);
    slots(1, 95ms);
  }
  EXPECT_EQ(usual_.middle(), 60ms);
  EXPECT_EQ(usual_.spread(), 35ms);
}

TEST_F(usual_rtt_test, ten_seconds_are_remembered) {
  slots(100, 50ms);
  slots(49, 80ms);
  EXPECT_EQ(usual_.middle(), 50ms);
  slots(51, 80ms);
  EXPECT_EQ(usual_.middle(), 80ms);
}

TEST_F(usual_rtt_test, what_is_skipped_does_not_count) {
  slots(10, 50ms);
  for (int i = 0; i < 50; ++i) {
    usual_.update(now_ += 50ms, 300ms);
    usual_.skip();
  }
  EXPECT_EQ(usual_.middle(), 50ms);
}

}  // namespace
}  // namespace millrace::net
