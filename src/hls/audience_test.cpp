#include "hls/audience.hpp"

#include <gtest/gtest.h>

namespace millrace::hls {
namespace {

using std::chrono::seconds;

const base::instant start{seconds(1000)};

asker who(std::string address, std::string agent = "player", std::string port = "1000") { return {address, address + ":" + port, std::move(agent), false}; }

TEST(hls_audience, one_address_with_one_agent_is_one_viewer_however_many_connections_it_has) {
  audience a(seconds(10));
  a.took(who("10.0.0.1", "player", "1000"), 500, start);
  a.took(who("10.0.0.1", "player", "1001"), 700, start + seconds(1));
  ASSERT_EQ(a.size(start), 1U);
  const auto facts = a.facts(start);
  EXPECT_EQ(facts[0].answers, 2U);
  EXPECT_EQ(facts[0].bytes, 1200U);
  EXPECT_EQ(facts[0].who.remote, "10.0.0.1:1001");
}

TEST(hls_audience, another_agent_or_another_address_is_another_viewer) {
  audience a(seconds(10));
  a.took(who("10.0.0.1"), 1, start);
  a.took(who("10.0.0.1", "television"), 1, start);
  a.took(who("10.0.0.2"), 1, start);
  EXPECT_EQ(a.size(start), 3U);
}

TEST(hls_audience, who_takes_nothing_any_more_is_gone) {
  audience a(seconds(10));
  a.took(who("10.0.0.1"), 1, start);
  a.took(who("10.0.0.2"), 1, start + seconds(8));
  EXPECT_EQ(a.size(start + seconds(10)), 2U);
  ASSERT_EQ(a.size(start + seconds(11)), 1U);
  EXPECT_EQ(a.facts(start + seconds(11))[0].who.address, "10.0.0.2");
}

TEST(hls_audience, is_bounded) {
  audience a(seconds(10));
  for (std::size_t i = 0; i < audience::viewers_max + 5; ++i) a.took(who("10.0.0.1", std::to_string(i)), 1, start);
  EXPECT_EQ(a.size(start), audience::viewers_max);
  a.took(who("10.0.0.1", "7"), 1, start + seconds(10));  // one that is known still counts
  a.took(who("10.0.0.2"), 1, start + seconds(11));       // and makes room for who comes, when the others have left
  EXPECT_EQ(a.size(start + seconds(11)), 2U);
}

// A walk over ten thousand for each part that somebody too many takes would hold all requests up, and the packager with them.
TEST(hls_audience, is_tidied_once_a_second_however_many_come_beyond_the_most) {
  using std::chrono::milliseconds;
  audience a(seconds(10));
  for (std::size_t i = 0; i < audience::viewers_max; ++i) a.took(who("10.0.0.1", std::to_string(i)), 1, start);
  a.took(who("10.0.0.2"), 1, start + milliseconds(9'500));   // looks, and nobody has left
  a.took(who("10.0.0.2"), 1, start + milliseconds(10'400));  // does not look again so soon
  EXPECT_EQ(a.size(start + milliseconds(10'000)), audience::viewers_max);
  a.took(who("10.0.0.3"), 1, start + milliseconds(10'500));
  EXPECT_EQ(a.size(start + milliseconds(10'500)), 1U);
}

}  // namespace
}  // namespace millrace::hls
