#include "server/event_block.hpp"

#include <gtest/gtest.h>

#include <deque>

namespace millrace::server {
namespace {

reason_event event(std::uint64_t number, std::size_t detail) {
  return {number, std::chrono::system_clock::time_point(std::chrono::milliseconds(number)), reason::play_began, 1'000 + number,
          "192.0.2.1:" + std::to_string(number), std::string(detail, static_cast<char>('a' + number % 26))};
}

void expect_same(const event_block& block, const std::deque<reason_event>& model) {
  const auto found = block.events();
  ASSERT_EQ(found.size(), model.size());
  ASSERT_EQ(block.size(), model.size());
  for (std::size_t i = 0; i < model.size(); ++i) {
    EXPECT_EQ(found[i].number, model[i].number);
    EXPECT_EQ(found[i].at, model[i].at);
    EXPECT_EQ(found[i].why, model[i].why);
    EXPECT_EQ(found[i].connection, model[i].connection);
    EXPECT_EQ(found[i].remote, model[i].remote);
    EXPECT_EQ(found[i].detail, model[i].detail);
  }
}

TEST(event_block, gives_back_what_was_put_in_while_the_oldest_go) {
  event_block block;
  std::deque<reason_event> model;
  EXPECT_EQ(block.newest(), 0u);
  for (std::uint64_t number = 1; number <= 500; ++number) {
    const auto one = event(number, number * 37 % 200);
    block.push_back(one);
    model.push_back(one);
    // Now and then most go at once, as when many streams come to be there.
    for (const std::size_t most = number % 90 == 0 ? 3 : 60; model.size() > most;) {
      model.pop_front();
      block.pop_front();
    }
    EXPECT_EQ(block.newest(), number);
    ASSERT_NO_FATAL_FAILURE(expect_same(block, model));
  }
}

TEST(event_block, may_run_empty_and_keeps_the_number_of_its_newest) {
  event_block block;
  block.push_back(event(7, 0));
  block.pop_front();
  EXPECT_EQ(block.size(), 0u);
  EXPECT_TRUE(block.events().empty());
  EXPECT_EQ(block.newest(), 7u);
  block.push_back(event(8, 3));
  ASSERT_NO_FATAL_FAILURE(expect_same(block, {event(8, 3)}));
}

}  // namespace
}  // namespace millrace::server
