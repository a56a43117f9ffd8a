// The server and real clients on loopback sockets, every transport: what the issue of each station promises, seen from outside.
#include "server/server.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "support/peer.hpp"
#include "support/running_server.hpp"
#include "support/wire_frames.hpp"

namespace millrace::server {
namespace {

using rtmp::client_role;
using test::audio_config;
using test::peer;
using test::run_until;
using test::running_server;
using test::video;
using test::video_config;

class every_pair : public testing::TestWithParam<std::tuple<const char*, const char*>> {};

TEST_P(every_pair, frames_arrive_byte_identical_and_in_order) {
  const auto [publish_form, play_form] = GetParam();
  running_server s;
  peer publisher(s.io, client_role::publish, s.uri(publish_form, "live/a"));
  ASSERT_TRUE(run_until(s.io, [&] { return publisher.what().started.has_value() || publisher.what().closed; }));
  ASSERT_TRUE(publisher.what().started) << publisher.what().closed->text;
  std::vector<media::frame> sent{video_config(), audio_config()};
  // One key frame larger than any chunk and any congestion window, then small ones.
  for (int i = 0; i < 50; ++i) sent.push_back(video(i == 0, i * 40, i == 0 ? 700'000 : 5'000));
  for (const auto& f : sent) publisher.send(f);
  const auto uri = s.uri(play_form, "live/a");
  peer player(s.io, client_role::play, uri + (uri.find('?') == std::string::npos ? "?" : "&") + "catch_up=no");
  ASSERT_TRUE(run_until(s.io, [&] { return player.what().frames.size() >= sent.size() || player.what().closed; }));
  ASSERT_FALSE(player.what().closed) << player.what().closed->text;
  ASSERT_EQ(player.what().frames.size(), sent.size());
  for (std::size_t i = 2; i < sent.size(); ++i) {
    const auto& got = player.what().frames[i];
    EXPECT_EQ(got.dts_ms, sent[i].dts_ms) << i;
    ASSERT_EQ(base::as_text(got.payload), base::as_text(sent[i].payload)) << i;
  }
  EXPECT_FALSE(publisher.story().fell_back) << publisher.story().why;
  EXPECT_FALSE(player.story().fell_back) << player.story().why;
}

INSTANTIATE_TEST_SUITE_P(transports, every_pair,
                         testing::Combine(testing::Values("rtmp", "rtmps", "rtmpq", "roqr", "query"), testing::Values("rtmp", "rtmps", "rtmpq", "roqr", "query")),
                         [](const auto& each) { return std::string(std::get<0>(each.param)) + "_to_" + std::get<1>(each.param); });

class every_transport : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(transports, every_transport, testing::Values("rtmp", "rtmps", "rtmpq", "roqr"), [](const auto& each) { return std::string(each.param); });

TEST_P(every_transport, P6_a_second_publisher_is_refused_and_the_first_goes_on) {
  running_server s;
  peer first(s.io, client_role::publish, s.uri(GetParam(), "live/a"));
  ASSERT_TRUE(run_until(s.io, [&] { return first.what().started.has_value(); }));
  peer second(s.io, client_role::publish, s.uri(GetParam(), "live/a"));
  ASSERT_TRUE(run_until(s.io, [&] { return second.what().rejected.has_value(); }));
  EXPECT_EQ(second.what().rejected->info.code, "NetStream.Publish.BadName");
  EXPECT_EQ(second.what().rejected->reason.kind, base::error_kind::busy);
  first.send(video_config());
  first.send(video(true, 0, 100));
  peer player(s.io, client_role::play, s.uri(GetParam(), "live/a"));
  EXPECT_TRUE(run_until(s.io, [&] { return player.what().frames.size() >= 2; }));
}

TEST_P(every_transport, L9_viewers_wait_for_the_publisher_and_stay_when_it_leaves_and_returns) {
  running_server s;
  peer player(s.io, client_role::play, s.uri(GetParam(), "live/a"));
  ASSERT_TRUE(run_until(s.io, [&] { return player.what().started.has_value(); }));
  std::int64_t last_dts = -1;
  for (int round = 0; round < 3; ++round) {
    peer publisher(s.io, client_role::publish, s.uri(GetParam(), "live/a"));
    ASSERT_TRUE(run_until(s.io, [&] { return publisher.what().started.has_value() || publisher.what().rejected; }));
    ASSERT_TRUE(publisher.what().started) << publisher.what().rejected->info.description;
    const auto before = player.what().frames.size();
    // RoQR's receiver takes a configuration out that was in effect already.
    const std::size_t wanted = round > 0 && GetParam() == std::string_view("roqr") ? 5 : 6;
    publisher.send(video_config());
    for (int i = 0; i < 5; ++i) publisher.send(video(i == 0, i * 40, 1000));
    ASSERT_TRUE(run_until(s.io, [&] { return player.what().frames.size() >= before + wanted; })) << "round " << round;
    for (auto i = before; i < player.what().frames.size(); ++i) {
      EXPECT_GE(player.what().frames[i].dts_ms, last_dts) << "time ran backwards in round " << round;
      last_dts = player.what().frames[i].dts_ms;
    }
    if (round == 1) {
      publisher.vanish();
    } else {
      publisher.end();
    }
    ASSERT_TRUE(run_until(s.io, [&] { return !s.instance->stream("live/a")->published; }));
  }
  EXPECT_FALSE(player.what().closed);
}

TEST_P(every_transport, S17_shutting_down_ends_players_in_order) {
  running_server s;
  peer player(s.io, client_role::play, s.uri(GetParam(), "live/a"));
  ASSERT_TRUE(run_until(s.io, [&] { return player.what().started.has_value(); }));
  bool done = false;
  s.instance->shut_down([&] { done = true; });
  ASSERT_TRUE(run_until(s.io, [&] { return done && player.what().closed; }));
  EXPECT_EQ(player.what().closed->kind, base::error_kind::closed) << player.what().closed->text;
  const auto& told = player.what().statuses;
  const auto stop = std::find_if(told.begin(), told.end(), [](const rtmp::status& one) { return one.code == "NetStream.Play.Stop"; });
  ASSERT_NE(stop, told.end());
  EXPECT_EQ(stop->level, "status");
  EXPECT_FALSE(stop->description.empty());
}

TEST(server, without_quic_the_client_falls_back_to_tls_and_says_why) {
  running_server s(false);
  peer publisher(s.io, client_role::publish, s.uri("rtmpq", "live/a"));
  ASSERT_TRUE(run_until(s.io, [&] { return publisher.what().started.has_value() || publisher.what().closed; }));
  ASSERT_TRUE(publisher.what().started) << publisher.what().closed->text;
  EXPECT_TRUE(publisher.story().fell_back);
  EXPECT_EQ(publisher.transport()->kind(), net::transport_kind::tls);
  EXPECT_FALSE(publisher.story().why.empty());
}

TEST(server, a_wrong_pin_is_refused_on_both_transports_and_never_falls_back) {
  running_server s;
  const auto host = "127.0.0.1:" + std::to_string(s.instance->port());
  const std::string wrong(64, 'a');
  for (const auto& text : {"rtmpq://" + host + "/live/a?pin=" + wrong, "rtmps://" + host + "/live/a?pin=" + wrong,
                           "rtmpq://" + host + "/live/a"}) {
    peer publisher(s.io, client_role::publish, text);
    ASSERT_TRUE(run_until(s.io, [&] { return publisher.what().closed.has_value(); })) << text;
    EXPECT_EQ(publisher.what().closed->kind, base::error_kind::certificate) << text << ": " << publisher.what().closed->text;
  }
}

}  // namespace
}  // namespace millrace::server
