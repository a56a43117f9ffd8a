#include "rtmp/hide_secrets.hpp"

#include <gtest/gtest.h>

namespace millrace::rtmp {
namespace {

TEST(hide_secrets, of_a_target_scheme_host_and_application_are_shown) {
  EXPECT_EQ(shown_target("rtmp://host:1936/live/SECRETKEY?token=TOKENSECRET"), "rtmp://host:1936/live/***");
  EXPECT_EQ(shown_target("rtmps://user:SECRET@host/live/instance/SECRETKEY"), "rtmps://host/live/***");
  EXPECT_EQ(shown_target("rtmp://host/live"), "rtmp://host/live");
  EXPECT_EQ(shown_target("rtmp://host/live/"), "rtmp://host/live");
  EXPECT_EQ(shown_target("rtmp://host?token=SECRET"), "rtmp://host");
  EXPECT_EQ(shown_target("//host/live/SECRET"), "//host/live/***");
  EXPECT_EQ(shown_target("/live/SECRET?x=SECRET"), "/live/***");
  EXPECT_EQ(shown_target("live/SECRET"), "live/***");
  EXPECT_EQ(shown_target("rtmp://ho\x1bst/li\nve"), "rtmp://ho\\x1bst/li\\x0ave");
  EXPECT_EQ(shown_target(""), "");
  EXPECT_LT(shown_target("rtmp://" + std::string(10'000, 'a')).size(), 300U);
}

TEST(hide_secrets, of_a_servers_words_name_and_query_are_not) {
  auto target = parse_uri("rtmp://host/live/Xk3y9Zq1w?token=abcd&flagged&n=7777").value();
  EXPECT_EQ(hide_secrets("Xk3y9Zq1w is now published", target), "*** is now published");
  EXPECT_EQ(hide_secrets("live/Xk3y9Zq1w?token=abcd&flagged&n=7777 refused", target), "live/***?token=***&***&n=*** refused");
  EXPECT_EQ(hide_secrets("keyXk3y9Zq1wXk3y9Zq1w", target), "key******") << "a long one is hidden wherever it is";
  EXPECT_EQ(hide_secrets("abcde 77777 abcd", target), "abcde 77777 ***") << "a short one as a word";
  EXPECT_EQ(hide_secrets("user SECRETAPP", target, "key=SECRETAPP"), "user ***");
  auto encoded = parse_uri("rtmp://host/live/My%20Stream?key=Pa%2Fss%2Bword9&bad=%zz%2").value();
  EXPECT_EQ(hide_secrets("key Pa/ss+word9 of My Stream is wrong", encoded), "key *** of *** is wrong") << "nor as it is meant";
  EXPECT_EQ(hide_secrets("My%20Stream?key=Pa%2Fss%2Bword9&bad=%zz%2", encoded), "***?key=***&bad=***");
  target.stream = "a";
  EXPECT_EQ(hide_secrets("a name that was taken: live/a", target), "a name that was taken: live/a");
}

}  // namespace
}  // namespace millrace::rtmp
