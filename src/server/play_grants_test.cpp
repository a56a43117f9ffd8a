#include "server/play_grants.hpp"

#include <gtest/gtest.h>

namespace millrace::server {
namespace {

using namespace std::chrono_literals;
using boost::asio::ip::make_address;

const play_grants::time now{1000h};
const auto viewer = make_address("192.0.2.1");
constexpr auto unasked = [](const std::string& shown) {
  ADD_FAILURE() << "asked about " << shown;
  return false;
};

TEST(PlayGrants, AreOfAStreamAndAnAddressUntilTheyEnd) {
  play_grants all;
  all.grant("live/a", viewer, "sign=1", now + 10s, now);
  EXPECT_TRUE(all.granted("live/a", viewer, now, unasked));
  EXPECT_FALSE(all.granted("live/b", viewer, now, unasked));
  EXPECT_FALSE(all.granted("live/a", make_address("192.0.2.2"), now, unasked));
  EXPECT_FALSE(all.granted("live/a", viewer, now + 10s, unasked));
}

TEST(PlayGrants, WhatTheRulesNoLongerTakeEnds) {
  play_grants all;
  all.grant("live/a", viewer, "sign=old", now + 10s, now);
  all.grant("live/a", viewer, "sign=new", now + 5s, now);
  all.grant("live/b", viewer, "sign=old", now + 10s, now);
  all.doubt();
  int asked = 0;
  const auto only_new = [&](const std::string& shown) {
    ++asked;
    return shown == "sign=new";
  };
  EXPECT_FALSE(all.granted("live/b", viewer, now, only_new));
  EXPECT_FALSE(all.granted("live/b", viewer, now, unasked)) << "it is gone";
  EXPECT_TRUE(all.granted("live/a", viewer, now, only_new)) << "the other one behind this address does not suffer";
  const int before = asked;
  EXPECT_TRUE(all.granted("live/a", viewer, now, only_new));
  EXPECT_EQ(asked, before) << "asked once for each time that rules changed";
  all.grant("live/b", viewer, "sign=new", now + 10s, now);
  EXPECT_TRUE(all.granted("live/b", viewer, now, unasked));
}

}  // namespace
}  // namespace millrace::server
