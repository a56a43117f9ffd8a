#include "server/signature.hpp"

#include <gtest/gtest.h>

#include "server/access.hpp"

namespace millrace::server {
namespace {

using std::chrono::seconds;
using std::chrono::sys_seconds;
using verdict = signature_verdict;

const sys_seconds until{seconds(1'800'000'000)};
const std::vector<std::string> secrets{"the secret of this server"};
const auto publish = signed_action::publish, play = signed_action::play;

TEST(signature, is_what_others_can_compute) {
  // printf 'publish\nlive/a\n1800000000' | openssl dgst -sha256 -hmac 'the secret of this server'
  EXPECT_EQ(signed_query(secrets[0], publish, "live/a", until), "expires=1800000000&sign=e2d9863b05e72ae6b0a667989d2520b22f2877d093b5c5e51927d01c5d112e0d");
}

TEST(signature, is_for_one_action_one_stream_and_a_time) {
  const auto query = signed_query(secrets[0], publish, "live/a", until);
  EXPECT_EQ(check_signature(secrets, publish, "live/a", query, until - seconds(1)), verdict::right);
  EXPECT_EQ(check_signature(secrets, publish, "live/a", query, until), verdict::expired);
  EXPECT_EQ(check_signature(secrets, play, "live/a", query, until - seconds(1)), verdict::wrong);
  EXPECT_EQ(check_signature(secrets, publish, "live/b", query, until - seconds(1)), verdict::wrong);
  EXPECT_EQ(check_signature({"another secret"}, publish, "live/a", query, until - seconds(1)), verdict::wrong);
  EXPECT_EQ(check_signature({"another secret", secrets[0]}, publish, "live/a", query, until - seconds(1)), verdict::right);
  EXPECT_EQ(check_signature(secrets, publish, "live/a", "key=x", until), verdict::none);
}

TEST(signature, cannot_be_stretched) {
  auto query = signed_query(secrets[0], play, "live/a", until);
  query.replace(query.find("18"), 2, "28");
  EXPECT_EQ(check_signature(secrets, play, "live/a", query, until), verdict::wrong);
  for (const std::string expires : {"", "x", "-1", "99999999999999999999", "1e9"}) {
    const auto given = signed_query(secrets[0], play, "live/a", until);
    EXPECT_EQ(check_signature(secrets, play, "live/a", "expires=" + expires + given.substr(given.find('&')), until), verdict::wrong) << expires;
  }
  EXPECT_EQ(check_signature(secrets, play, "live/a", "sign=", until), verdict::wrong);
}

TEST(signature, decides_with_the_rules) {
  auto rules = default_access_rules();
  rules.sign_secrets = secrets;
  rules.play_allow.clear();
  const auto far = boost::asio::ip::make_address("192.0.2.7"), here = boost::asio::ip::make_address("127.0.0.1");
  const auto now = until - seconds(1);
  const auto to_publish = signed_query(secrets[0], publish, "live/a", until), to_play = signed_query(secrets[0], play, "live/a", until);
  EXPECT_TRUE(may_publish(rules, far, "live/a", to_publish, nullptr, now).allowed);
  EXPECT_FALSE(may_publish(rules, far, "live/a", to_play, nullptr, now).allowed);
  EXPECT_EQ(may_publish(rules, here, "live/a", to_play, nullptr, now).why, "wrong signature") << "what is wrong is never waved through";
  EXPECT_EQ(may_publish(rules, here, "live/a", to_publish, nullptr, until).why, "this signature has expired");
  EXPECT_TRUE(may_play(rules, far, "live/a", to_play, now).allowed);
  EXPECT_FALSE(may_play(rules, far, "live/a", to_play, now).by_address);
  EXPECT_FALSE(may_play(rules, far, "live/a", to_publish, now).allowed);
  EXPECT_FALSE(may_play(rules, far, "live/a", "", now).allowed) << "no address may play";
  rules.sign_secrets.clear();
  EXPECT_TRUE(may_publish(rules, here, "live/a", "sign=x", nullptr, now).allowed) << "without secrets it is some application's parameter";
}

}  // namespace
}  // namespace millrace::server
