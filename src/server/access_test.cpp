#include "server/access.hpp"

#include <gtest/gtest.h>

namespace millrace::server {
namespace {

using boost::asio::ip::make_address;

TEST(access, denies_publishing_outside_loopback_by_default) {
  const auto rules = default_access_rules();
  EXPECT_TRUE(may_publish(rules, make_address("127.0.0.1"), "live/a", "").allowed);
  EXPECT_TRUE(may_publish(rules, make_address("127.9.9.9"), "live/a", "").allowed);
  EXPECT_TRUE(may_publish(rules, make_address("::1"), "live/a", "").allowed);
  EXPECT_TRUE(may_publish(rules, make_address("::ffff:127.0.0.1"), "live/a", "").allowed);
  EXPECT_FALSE(may_publish(rules, make_address("192.0.2.1"), "live/a", "").allowed);
  EXPECT_FALSE(may_publish(rules, make_address("::ffff:192.0.2.1"), "live/a", "").allowed);
  EXPECT_FALSE(may_publish(rules, make_address("2001:db8::1"), "live/a", "").allowed);
  EXPECT_TRUE(may_play(rules, make_address("192.0.2.1"), "live/a", "", {}).allowed);
}

TEST(access, a_key_opens_its_own_streams_only) {
  auto rules = default_access_rules();
  rules.publish_keys = {{"live/*", "correct horse"}};
  const auto far = make_address("192.0.2.1");
  EXPECT_TRUE(may_publish(rules, far, "live/a", "x=1&key=correct horse").allowed);
  EXPECT_FALSE(may_publish(rules, far, "live/a", "key=correct hors").allowed);
  EXPECT_EQ(may_publish(rules, far, "live/a", "").why, "this stream needs its key: append ?key=SECRET to the stream name") << "ASCII, or clients escape it";
  EXPECT_FALSE(may_publish(rules, far, "live/a", "").allowed);
  EXPECT_FALSE(may_publish(rules, far, "other/a", "key=correct horse").allowed);
  EXPECT_FALSE(may_publish(rules, make_address("127.0.0.1"), "live/a", "key=wrong").allowed) << "a wrong key is never waved through";
}

TEST(access, ranges_of_both_families) {
  const auto v4 = *address_range::parse("10.1.2.3/8");
  EXPECT_TRUE(v4[0].contains(make_address("10.255.0.1")));
  EXPECT_FALSE(v4[0].contains(make_address("11.0.0.1")));
  const auto v6 = *address_range::parse("2001:db8::/32");
  EXPECT_TRUE(v6[0].contains(make_address("2001:db8:1::1")));
  EXPECT_FALSE(v6[0].contains(make_address("10.0.0.1")));
  const auto wrong = address_range::parse("10.0.0.0/33");
  ASSERT_FALSE(wrong);
  EXPECT_NE(wrong.error().text.find("10.0.0.0/33"), std::string::npos);
}

TEST(access, query_parameters_match_whole_names) {
  EXPECT_EQ(query_parameter("akey=1&key=2&key=3", "key"), "2");
  EXPECT_EQ(query_parameter("keys=1", "key"), std::nullopt);
  EXPECT_EQ(without_secrets("delay=1&key=hidden&&video_track=2"), "delay=1&key=***&&video_track=2");
  EXPECT_EQ(without_secrets("expires=1&sign=hidden"), "expires=1&sign=***");
  for (const auto* name : {"token", "access_token", "pw", "Key", "signature", "%6bey", "delay%00", "anything"}) {
    EXPECT_EQ(without_secrets(std::string(name) + "=hidden"), std::string(name) + "=***");
  }
  EXPECT_EQ(without_secrets("hidden"), "***") << "a key without a name is one too";
  EXPECT_EQ(without_secrets("picture"), "picture");
  EXPECT_EQ(without_secrets(""), "");
}

TEST(access, patterns) {
  EXPECT_TRUE(matches_pattern("live/*", "live/a/b"));
  EXPECT_TRUE(matches_pattern("*", ""));
  EXPECT_TRUE(matches_pattern("a*c*e", "abcde"));
  EXPECT_FALSE(matches_pattern("live/*", "Live/a"));
  EXPECT_FALSE(matches_pattern("a", "ab"));
}

TEST(failure_guard, locks_out_after_ten_and_forgets_after_a_minute) {
  failure_guard guard;
  const auto who = make_address("192.0.2.1");
  base::instant now{};
  for (int i = 0; i < 10; ++i) {
    EXPECT_FALSE(guard.locked_out(who, now));
    EXPECT_EQ(guard.failed(who, now), i == 9);
  }
  EXPECT_TRUE(guard.locked_out(who, now));
  EXPECT_FALSE(guard.locked_out(make_address("192.0.2.2"), now));
  EXPECT_FALSE(guard.locked_out(who, now + std::chrono::seconds(61)));
}

// One home or server has a whole /64.
TEST(failure_guard, takes_a_64_of_ipv6_for_one_address) {
  failure_guard guard;
  for (int i = 0; i < 10; ++i) guard.failed(make_address("2001:db8:0:1::" + std::to_string(i)), {});
  EXPECT_TRUE(guard.locked_out(make_address("2001:db8:0:1:a:b:c:d"), {}));
  EXPECT_FALSE(guard.locked_out(make_address("2001:db8:0:2::1"), {}));
  for (int i = 0; i < 10; ++i) guard.failed(make_address(i % 2 == 0 ? "192.0.2.1" : "::ffff:192.0.2.1"), {});
  EXPECT_TRUE(guard.locked_out(make_address("192.0.2.1"), {}));
  EXPECT_TRUE(guard.locked_out(make_address("::ffff:192.0.2.1"), {}));
  EXPECT_FALSE(guard.locked_out(make_address("192.0.2.2"), {}));
}

TEST(failure_guard, forgets_who_failed_longest_ago_when_there_are_too_many) {
  failure_guard guard;
  base::instant now{};
  const auto fail = [&](const boost::asio::ip::address& who) { guard.failed(who, now += std::chrono::milliseconds(1)); };
  const auto low = make_address("0.0.0.1"), early = make_address("2001:db8::1");
  for (int i = 0; i < 10; ++i) fail(early);
  for (std::uint32_t i = 0; i < 9'999; ++i) fail(boost::asio::ip::address_v4(0xc0000000 + i));
  EXPECT_TRUE(guard.locked_out(early, now));
  fail(make_address("198.51.100.1"));
  EXPECT_FALSE(guard.locked_out(early, now));
  for (int i = 0; i < 10; ++i) fail(low);
  EXPECT_TRUE(guard.locked_out(low, now));
}

}  // namespace
}  // namespace millrace::server
