#include "server/play_grants.hpp"

#include <gtest/gtest.h>

#include <thread>

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

class PlayGrants : public ::testing::Test {
 protected:
  void grant(const std::string& stream, const boost::asio::ip::address& to, const std::string& shown, play_grants::time until) {
    all.grant({stream, to, shown, until, all.rules()}, now);
  }
  play_grants all;
};

TEST_F(PlayGrants, AreOfAStreamAndAnAddressUntilTheyEnd) {
  grant("live/a", viewer, "sign=1", now + 10s);
  EXPECT_TRUE(all.granted("live/a", viewer, now, unasked));
  EXPECT_FALSE(all.granted("live/b", viewer, now, unasked));
  EXPECT_FALSE(all.granted("live/a", make_address("192.0.2.2"), now, unasked));
  EXPECT_FALSE(all.granted("live/a", viewer, now + 10s, unasked));
}

TEST_F(PlayGrants, A64OfIPv6IsOneAddress) {
  grant("live/a", make_address("2001:db8::1"), "sign=1", now + 10s);
  EXPECT_TRUE(all.granted("live/a", make_address("2001:db8::2"), now, unasked));
  EXPECT_FALSE(all.granted("live/a", make_address("2001:db8:0:1::1"), now, unasked));
}

TEST_F(PlayGrants, WhatTheRulesNoLongerTakeEnds) {
  grant("live/a", viewer, "sign=old", now + 10s);
  grant("live/a", viewer, "sign=new", now + 5s);
  grant("live/b", viewer, "sign=old", now + 10s);
  all.doubt();
  int asked = 0;
  const auto only_new = [&](const std::string& shown) {
    ++asked;
    return shown == "sign=new";
  };
  EXPECT_FALSE(all.granted("live/b", viewer, now, only_new));
  EXPECT_FALSE(all.granted("live/b", viewer, now, unasked)) << "it is gone";
  EXPECT_TRUE(all.granted("live/a", viewer, now, only_new)) << "the other one behind this address does not suffer";
  EXPECT_EQ(asked, 2) << "each once, whatever it was shown for";
  EXPECT_TRUE(all.granted("live/a", viewer, now, unasked)) << "asked once for each time that rules changed";
  grant("live/b", viewer, "sign=new", now + 10s);
  EXPECT_TRUE(all.granted("live/b", viewer, now, unasked));
}

TEST_F(PlayGrants, WhatWasRightByTheRulesOfBeforeIsAskedAbout) {
  const auto before = all.rules();
  all.doubt();
  all.grant({"live/a", viewer, "sign=old", now + 10s, before}, now);  // its stream took a while to come
  EXPECT_FALSE(all.granted("live/a", viewer, now, [](const std::string&) { return false; }));
}

TEST_F(PlayGrants, AreAskedAboutWhileOthersGoOn) {
  grant("live/a", viewer, "sign=old", now + 10s);
  all.doubt();
  grant("live/b", viewer, "sign=new", now + 10s);
  EXPECT_TRUE(all.granted("live/a", viewer, now, [&](const std::string&) {
    bool other = false;
    std::thread([&] { other = all.granted("live/b", viewer, now, unasked); }).join();
    return other;
  }));
}

// A proxy, or one network: far more viewers than grants are kept of it.
TEST_F(PlayGrants, ManyViewersBehindOneAddressAreFewGrants) {
  constexpr std::size_t viewers = 5'000;
  grant("live/b", viewer, "sign=b", now + 1h);
  grant("live/a", viewer, "sign=lasting", now + 1h);
  for (std::size_t i = 0; i < viewers; ++i) grant("live/a", viewer, "sign=" + std::to_string(i), now + 10s);
  EXPECT_EQ(all.size(), play_grants::secrets_max + 1);
  EXPECT_TRUE(all.granted("live/a", viewer, now + 20s, unasked)) << "what lasts longest was kept";
  EXPECT_TRUE(all.granted("live/b", viewer, now, unasked));
  all.doubt();
  grant("live/a", viewer, "sign=new", now + 5s);
  EXPECT_TRUE(all.granted("live/a", viewer, now, unasked)) << "what is right now was kept among those that may be withdrawn";
  std::size_t asked = 0;
  EXPECT_FALSE(all.granted("live/a", viewer, now + 6s, [&](const std::string&) {
    ++asked;
    return false;
  }));
  EXPECT_LE(asked, play_grants::secrets_max);
}

TEST_F(PlayGrants, WhoWatchesIsNotDisplacedByWhoAsksForMuch) {
  grant("live/a", viewer, "jwt=honest", now + 1h);
  const std::string token = "jwt=" + std::string(8'000, 't');
  const auto begun = std::chrono::steady_clock::now();
  for (std::uint32_t i = 0; i < play_grants::grants_max + 10'000; ++i) {
    grant("live/a", boost::asio::ip::make_address_v4(0x0a000000u + i), token, now + 1h);
    if (i % 10'000 == 0) {
      EXPECT_TRUE(all.granted("live/a", viewer, now, unasked));
    }
  }
  EXPECT_LT(std::chrono::steady_clock::now() - begun, 60s) << "nobody looks at all of them";
  EXPECT_LE(all.size(), play_grants::grants_max);
  EXPECT_TRUE(all.granted("live/a", viewer, now, unasked));
  grant("live/b", viewer, "jwt=honest", now + 1h);
  EXPECT_TRUE(all.granted("live/b", viewer, now, unasked)) << "there is room for who comes then";
  all.grant({"live/a", viewer, "jwt=late", now + 3h, all.rules()}, now + 2h);
  EXPECT_EQ(all.size(), 1u + 1u) << "what has expired is forgotten, but for what shares a place with the new one";
}

TEST_F(PlayGrants, TokensTakeNoMemoryWithoutEnd) {
  const auto each = 8u << 10;
  const auto room = play_grants::bytes_max / each;
  for (std::uint32_t i = 0; i < 2 * room; ++i) {
    auto token = std::to_string(i);
    token.resize(each, 't');
    grant("live/a", boost::asio::ip::make_address_v4(0x0a000000u + i), token, now + 1h);
  }
  EXPECT_EQ(all.size(), room);
}

}  // namespace
}  // namespace millrace::server
