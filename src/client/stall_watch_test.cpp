#include "client/stall_watch.hpp"

#include <gtest/gtest.h>

namespace millrace::client {
namespace {

using std::chrono::seconds;

struct stall : testing::Test {
  // A look when it is due, which it is three times within the patience.
  bool look(std::uint64_t sent, std::uint64_t queued) {
    now = watch.due();
    return watch.look(now, sent, queued);
  }
  base::instant now{};
  stall_watch watch{seconds(15), now};
};

TEST_F(stall, nothing_sent_for_the_whole_patience_while_something_waits) {
  EXPECT_FALSE(look(1000, 500));
  EXPECT_FALSE(look(1000, 700));
  EXPECT_FALSE(look(1000, 900));
  EXPECT_TRUE(look(1000, 900));
  EXPECT_EQ(now - base::instant{}, seconds(20));
}

TEST_F(stall, a_slow_network_is_no_stall_however_much_waits) {
  for (std::uint64_t i = 1; i < 100; ++i) EXPECT_FALSE(look(i, 1'000'000)) << i;
}

TEST_F(stall, an_empty_queue_is_no_stall_however_long_nothing_is_sent) {
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(look(1000, 0)) << i;
  EXPECT_FALSE(look(1000, 1));
  EXPECT_FALSE(look(1000, 1)) << "and what comes then has the whole patience";
  EXPECT_TRUE(look(1000, 1));
}

TEST_F(stall, one_byte_begins_it_anew) {
  EXPECT_FALSE(look(1000, 500));
  EXPECT_FALSE(look(1000, 500));
  EXPECT_FALSE(look(1000, 500));
  EXPECT_FALSE(look(1001, 499));
  EXPECT_FALSE(look(1001, 499));
  EXPECT_FALSE(look(1001, 499));
  EXPECT_TRUE(look(1001, 499));
}

}  // namespace
}  // namespace millrace::client
