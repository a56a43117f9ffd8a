#include "server/newest.hpp"

#include <gtest/gtest.h>

namespace millrace::server {
namespace {

TEST(newest, keeps_so_many_and_room_for_no_more) {
  newest<int> some;
  for (int i = 0; i < 1'000; ++i) push_newest(some, i, 600);
  EXPECT_EQ(some.size(), 600u);
  EXPECT_EQ(some.front(), 400);
  EXPECT_EQ(some.back(), 999);
  EXPECT_EQ(some.capacity(), 600u);
}

TEST(newest, gives_room_back_when_most_have_gone) {
  newest<int> some;
  for (int i = 0; i < 600; ++i) push_newest(some, i, 600);
  drop_oldest(some, [](int each) { return each < 400; });
  EXPECT_EQ(some.size(), 200u);
  EXPECT_EQ(some.capacity(), 600u) << "it may come again";
  drop_oldest(some, [](int each) { return each < 590; });
  EXPECT_EQ(some.size(), 10u);
  EXPECT_EQ(some.front(), 590);
  EXPECT_LE(some.capacity(), 40u);
  drop_oldest(some, [](int) { return true; });
  EXPECT_TRUE(some.empty());
  push_newest(some, 7, 600);
  EXPECT_EQ(some.back(), 7);
}

}  // namespace
}  // namespace millrace::server
