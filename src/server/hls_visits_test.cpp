#include "server/hls_visits.hpp"

#include <gtest/gtest.h>

namespace millrace::server {
namespace {

using namespace std::chrono_literals;
using boost::asio::ip::make_address;

const base::instant now{1000h};
const auto viewer = make_address("192.0.2.1");

class HlsVisits : public ::testing::Test {
 protected:
  void begin(const std::string& stream, const boost::asio::ip::address& from, const std::string& name, base::instant at) {
    all.begin(stream, from, name, {}, at);
  }
  hls_visits all;
};

TEST_F(HlsVisits, AreOfAStreamAndAnAddress) {
  begin("live/a", viewer, "live/renamed", now);
  EXPECT_EQ(all.known("live/a", viewer, now), "live/renamed");
  EXPECT_FALSE(all.known("live/b", viewer, now));
  EXPECT_FALSE(all.known("live/a", make_address("192.0.2.2"), now));
  begin("live/a", make_address("2001:db8::1"), "live/a", now);
  EXPECT_TRUE(all.known("live/a", make_address("2001:db8::2"), now)) << "a /64 is one home";
  EXPECT_FALSE(all.known("live/a", make_address("2001:db8:0:1::1"), now));
}

// A back end that is to be asked from now on has not heard of them.
TEST_F(HlsVisits, OfWhomNobodyWasAskedAreNotKnown) {
  hook_caller caller({}, "host-1");
  all.attend("live/a", viewer, caller, {}, now);
  all.attend("live/a", viewer, caller, {}, now + 50s);
  EXPECT_EQ(all.size(), 1u);
  EXPECT_FALSE(all.known("live/a", viewer, now + 50s));
  all.end_silent(now + 110s);
  EXPECT_EQ(all.size(), 1u) << "they go on with each request";
  begin("live/a", viewer, "live/renamed", now + 60s);
  all.attend("live/a", viewer, caller, {}, now + 70s);
  EXPECT_EQ(all.known("live/a", viewer, now + 70s), "live/renamed");
}

TEST_F(HlsVisits, EndAMinuteAfterTheLastRequest) {
  begin("live/a", viewer, "live/a", now);
  begin("live/b", viewer, "live/b", now);
  EXPECT_TRUE(all.known("live/a", viewer, now + 50s));
  all.end_silent(now + 60s);
  EXPECT_EQ(all.size(), 2u);
  EXPECT_FALSE(all.known("live/b", viewer, now + 61s)) << "whether or not somebody has looked";
  all.end_silent(now + 61s);
  EXPECT_EQ(all.size(), 1u);
  EXPECT_TRUE(all.known("live/a", viewer, now + 61s));
}

TEST_F(HlsVisits, ASecondAnswerForTheSameViewerTakesThePlaceOfTheFirst) {
  begin("live/a", viewer, "live/old", now);
  begin("live/a", viewer, "live/new", now + 1s);
  EXPECT_EQ(all.size(), 1u);
  EXPECT_EQ(all.known("live/a", viewer, now + 1s), "live/new");
}

TEST_F(HlsVisits, WhoFetchedNothingForTheLongestTimeGivesWay) {
  begin("live/watched", viewer, "live/watched", now);
  begin("live/left", viewer, "live/left", now);
  for (std::size_t i = 2; i < hls_visits::visits_max; ++i) begin("live/" + std::to_string(i), viewer, "x", now);
  EXPECT_TRUE(all.known("live/watched", viewer, now));
  begin("live/new", viewer, "live/new", now);
  EXPECT_EQ(all.size(), hls_visits::visits_max);
  EXPECT_FALSE(all.known("live/left", viewer, now));
  EXPECT_TRUE(all.known("live/watched", viewer, now));
  EXPECT_TRUE(all.known("live/new", viewer, now));
}

}  // namespace
}  // namespace millrace::server
