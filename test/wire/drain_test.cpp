// Reconnect Request from the server's side, over real sockets (conformance Q1 to Q3), and codecs that a player did not announce (E5).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "support/peer.hpp"
#include "support/running_server.hpp"
#include "support/wire_frames.hpp"

namespace millrace::server {
namespace {

using rtmp::client_role;
using test::peer;
using test::run_until;
using test::running_server;
using test::video;
using test::video_config;

class drain : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(transports, drain, testing::Values("rtmp", "rtmps", "rtmpq", "roqr"),
                         [](const auto& each) { return std::string(each.param); });

bool started(const peer& p) { return p.what().started.has_value(); }

TEST_P(drain, Q1_Q3_the_new_connection_of_a_publisher_takes_over_at_its_key_frame) {
  running_server s;
  peer first(s.io, client_role::publish, s.uri(GetParam(), "live/a"));
  peer player(s.io, client_role::play, s.uri(GetParam(), "live/a"));
  peer old(s.io, client_role::play, s.uri(GetParam(), "live/a"), rtmp::peer_capabilities{});
  ASSERT_TRUE(run_until(s.io, [&] { return started(first) && started(player) && started(old); }));
  first.send(video_config());
  for (int i = 0; i < 5; ++i) first.send(video(i == 0, i * 40, 500));
  ASSERT_TRUE(run_until(s.io, [&] { return player.what().frames.size() == 6 && old.what().frames.size() == 6; }));

  EXPECT_EQ(s.instance->request_reconnect("/live", "please"), 2U) << "not the player that cannot";
  ASSERT_TRUE(run_until(s.io, [&] { return first.what().reconnect_wish && player.what().reconnect_wish; }));
  EXPECT_EQ(first.what().reconnect_wish->tc_url, "/live");
  EXPECT_EQ(first.what().reconnect_wish->description, "please");
  EXPECT_FALSE(old.what().reconnect_wish);

  peer second(s.io, client_role::publish, s.uri(GetParam(), "live/a"));
  ASSERT_TRUE(run_until(s.io, [&] { return started(second) || second.what().rejected; }));
  ASSERT_TRUE(started(second)) << second.what().rejected->info.description;
  first.send(video(false, 200, 500));
  ASSERT_TRUE(run_until(s.io, [&] { return player.what().frames.size() == 7; })) << "the old connection counts until then";
  second.send(video_config());
  second.send(video(true, 0, 700));
  second.send(video(false, 40, 700));
  ASSERT_TRUE(run_until(s.io, [&] { return player.what().frames.size() >= 10 && old.what().frames.size() >= 10; }));
  for (const auto* viewer : {&player, &old}) {
    const auto& f = viewer->what().frames;
    EXPECT_TRUE(f[7].config);
    EXPECT_EQ(f[8].payload.size(), 700U);
    for (std::size_t i = 1; i < f.size(); ++i) EXPECT_GE(f[i].dts_ms, f[i - 1].dts_ms) << i;
    EXPECT_EQ(viewer->what().streams_ended, 0);
  }
  const auto told = [&] {
    return std::any_of(first.what().statuses.begin(), first.what().statuses.end(),
                       [](const auto& each) { return each.code == "NetStream.Unpublish.Success"; });
  };
  EXPECT_TRUE(run_until(s.io, told)) << "the old connection is told";
  peer third(s.io, client_role::publish, s.uri(GetParam(), "live/a"));
  ASSERT_TRUE(run_until(s.io, [&] { return third.what().rejected.has_value(); })) << "nobody else follows one that was not asked";
}

TEST_P(drain, Q2_serves_on_until_those_who_can_have_left) {
  running_server s(true, [](config& c) { c.drain = std::chrono::seconds(20); });
  peer publisher(s.io, client_role::publish, s.uri(GetParam(), "live/a"));
  peer old(s.io, client_role::play, s.uri(GetParam(), "live/a"), rtmp::peer_capabilities{});
  ASSERT_TRUE(run_until(s.io, [&] { return started(publisher) && started(old); }));
  bool done = false;
  s.instance->shut_down([&] { done = true; });
  ASSERT_TRUE(run_until(s.io, [&] { return publisher.what().reconnect_wish.has_value(); }));
  publisher.send(video_config());
  publisher.send(video(true, 0, 500));
  ASSERT_TRUE(run_until(s.io, [&] { return old.what().frames.size() == 2; })) << "served on";
  EXPECT_FALSE(done);
  const auto begin = std::chrono::steady_clock::now();
  publisher.end();
  publisher.vanish();
  ASSERT_TRUE(run_until(s.io, [&] { return done && old.what().closed; }));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5)) << "long before the deadline";
  EXPECT_EQ(old.what().closed->kind, base::error_kind::closed);
}

TEST_P(drain, Q2_ends_at_the_deadline_and_at_once_when_nobody_can) {
  for (const bool capable : {true, false}) {
    running_server s(true, [](config& c) { c.drain = std::chrono::milliseconds(400); });
    peer player(s.io, client_role::play, s.uri(GetParam(), "live/a"), capable ? rtmp::own_capabilities() : rtmp::peer_capabilities{});
    ASSERT_TRUE(run_until(s.io, [&] { return started(player); }));
    bool done = false;
    const auto begin = std::chrono::steady_clock::now();
    s.instance->shut_down([&] { done = true; });
    ASSERT_TRUE(run_until(s.io, [&] { return done && player.what().closed; }));
    const auto took = std::chrono::steady_clock::now() - begin;
    if (capable) {
      EXPECT_GE(took, std::chrono::milliseconds(390));
    } else {
      EXPECT_LT(took, std::chrono::milliseconds(390));
    }
    EXPECT_EQ(player.what().closed->kind, base::error_kind::closed);
  }
}

media::frame hevc(bool config) {
  media::frame f;
  f.kind = media::frame_kind::video;
  f.payload = base::slice(std::vector<std::uint8_t>{static_cast<std::uint8_t>(config ? 0x90 : 0x91), 'h', 'v', 'c', '1', 0, 0, 0, 1, 2});
  return f;
}

TEST_P(drain, E5_a_player_that_did_not_announce_the_codec_is_refused_by_its_name) {
  running_server s;
  peer publisher(s.io, client_role::publish, s.uri(GetParam(), "live/a"));
  rtmp::peer_capabilities av1;
  av1.list.add("av01", rtmp::can_decode_flag);
  peer early(s.io, client_role::play, s.uri(GetParam(), "live/a"), av1);
  peer silent(s.io, client_role::play, s.uri(GetParam(), "live/a"), rtmp::peer_capabilities{});
  ASSERT_TRUE(run_until(s.io, [&] { return started(publisher) && started(early) && started(silent); }));
  publisher.send(hevc(true));
  publisher.send(hevc(false));
  ASSERT_TRUE(run_until(s.io, [&] { return early.what().rejected && silent.what().frames.size() == 2; }));
  peer late(s.io, client_role::play, s.uri(GetParam(), "live/a"), av1);
  ASSERT_TRUE(run_until(s.io, [&] { return late.what().rejected.has_value(); }));
  for (const auto* refused : {&early, &late}) {
    EXPECT_EQ(refused->what().rejected->info.code, "NetStream.Play.Failed");
    EXPECT_THAT(refused->what().rejected->info.description, testing::HasSubstr("hvc1"));
    EXPECT_TRUE(refused->what().frames.empty()) << "no garbage";
  }
  publisher.send(hevc(false));
  EXPECT_TRUE(run_until(s.io, [&] { return silent.what().frames.size() == 3; })) << "the others go on";
}

}  // namespace
}  // namespace millrace::server
