#include "server/name_register.hpp"

#include <gtest/gtest.h>

namespace millrace::server {
namespace {

using shards = name_register::shards;

struct names : ::testing::Test {
  name_register all;
  shards tell;
  std::uint64_t publish(shard_index shard) {
    const auto made = all.publish("live/a", shard, tell);
    return made ? made->id : 0;
  }
};

TEST_F(names, one_publishes_on_whatever_shard) {
  const auto first = publish(1);
  ASSERT_NE(first, 0U);
  EXPECT_EQ(all.holder("live/a"), 1U);
  EXPECT_EQ(publish(1), 0U);
  EXPECT_EQ(publish(0), 0U);
  all.release("live/a", first, tell);
  EXPECT_FALSE(all.holder("live/a"));
  EXPECT_NE(publish(0), 0U);
}

TEST_F(names, one_that_yields_has_one_successor) {
  const auto first = publish(0);
  all.yield("live/a", first);
  const auto second = all.publish("live/a", 2, tell);
  ASSERT_TRUE(second);
  EXPECT_TRUE(second->follows);
  EXPECT_EQ(second->holder_shard, 0U);
  EXPECT_EQ(all.holder("live/a"), 0U) << "until the successor takes over";
  EXPECT_EQ(publish(1), 0U);
  EXPECT_TRUE(all.take_over("live/a", second->id, tell));
  EXPECT_EQ(tell, shards{0}) << "the shard that has lost it, though it has no viewers";
  EXPECT_EQ(all.holder("live/a"), 2U);
  EXPECT_FALSE(all.successor("live/a"));
  EXPECT_FALSE(all.has("live/a", first));
  EXPECT_FALSE(all.take_over("live/a", second->id, tell)) << "no news";
  all.release("live/a", first, tell);
  EXPECT_EQ(all.holder("live/a"), 2U) << "what was lost cannot be given up";
  EXPECT_EQ(publish(1), 0U) << "the new holder does not yield";
}

TEST_F(names, a_successor_keeps_the_name_when_the_holder_leaves_first) {
  const auto first = publish(0);
  all.yield("live/a", first);
  const auto second = publish(1);
  all.release("live/a", first, tell);
  EXPECT_FALSE(all.holder("live/a"));
  EXPECT_EQ(all.successor("live/a"), 1U);
  EXPECT_EQ(publish(0), 0U);
  EXPECT_TRUE(all.take_over("live/a", second, tell));
  EXPECT_EQ(all.holder("live/a"), 1U);
}

TEST_F(names, a_token_is_good_once_and_makes_the_holder_yield) {
  const auto first = publish(3);
  shard_index where = 9;
  EXPECT_FALSE(all.take("live/a", "", where)) << "none was offered";
  all.offer_token("live/a", first, "secret");
  EXPECT_FALSE(all.take("live/a", "Secret", where));
  EXPECT_FALSE(all.take("live/b", "secret", where));
  EXPECT_EQ(publish(0), 0U);
  EXPECT_TRUE(all.take("live/a", "secret", where));
  EXPECT_EQ(where, 3U);
  EXPECT_FALSE(all.take("live/a", "secret", where));
  EXPECT_NE(publish(0), 0U);
}

TEST_F(names, who_watches_is_told_of_every_change_and_names_are_forgotten) {
  all.watch("live/a", 1);
  all.watch("live/a", 2);
  all.watch("live/a", 2);
  const auto first = publish(0);
  EXPECT_EQ(tell, (shards{1, 2}));
  all.unwatch("live/a", 1);
  all.release("live/a", first, tell);
  EXPECT_EQ(tell, shards{2});
  EXPECT_EQ(all.size(), 1U);
  all.unwatch("live/a", 2);
  EXPECT_EQ(all.size(), 0U);
  all.unwatch("live/a", 2);
}

}  // namespace
}  // namespace millrace::server
