// A publisher that lost its connection and comes back with its token (live profile, "Resume"), over real sockets. Viewers notice nothing.
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

bool started(const peer& p) { return p.what().started.has_value(); }
bool answered(const peer& p) { return started(p) || p.what().rejected || p.what().closed; }

bool told_of_unpublish(const peer& p) {
  return std::any_of(p.what().statuses.begin(), p.what().statuses.end(),
                     [](const auto& each) { return each.code == "NetStream.Play.UnpublishNotify"; });
}

class resume : public testing::TestWithParam<const char*> {
 protected:
  running_server s{true, [](config& c) { c.resume_window = std::chrono::minutes(10); }};
  [[nodiscard]] std::string where() const { return s.uri(GetParam(), "live/a"); }
  // The player has a first picture.
  bool shows(peer& publisher, peer& player) {
    if (!run_until(s.io, [&] { return started(publisher) && started(player); })) return false;
    publisher.send(video_config());
    publisher.send(video(true, 0, 500));
    return run_until(s.io, [&] { return player.what().frames.size() == 2; });
  }
};
INSTANTIATE_TEST_SUITE_P(transports, resume, testing::Values("rtmp", "rtmps", "rtmpq", "roqr"),
                         [](const auto& each) { return std::string(each.param); });

TEST_P(resume, viewers_stay_and_their_time_goes_on) {
  peer first(s.io, client_role::publish, where());
  peer player(s.io, client_role::play, s.uri("rtmp", "live/a"));
  ASSERT_TRUE(run_until(s.io, [&] { return started(first) && started(player); }));
  const auto token = first.what().started->resume;
  ASSERT_GE(token.size(), 32U) << "at least 128 bits";
  first.send(video_config());
  for (int i = 0; i < 5; ++i) first.send(video(i == 0, i * 40, 500));
  ASSERT_TRUE(run_until(s.io, [&] { return player.what().frames.size() == 6; }));
  first.vanish();

  peer stranger(s.io, client_role::publish, where());
  ASSERT_TRUE(run_until(s.io, [&] { return answered(stranger); }));
  EXPECT_FALSE(started(stranger)) << "the name waits for its publisher";
  peer liar(s.io, client_role::publish, where());
  liar.resume = std::string(token.size(), 'x');
  ASSERT_TRUE(run_until(s.io, [&] { return answered(liar); }));
  EXPECT_FALSE(started(liar));

  peer second(s.io, client_role::publish, where());
  second.resume = token;
  ASSERT_TRUE(run_until(s.io, [&] { return answered(second); }));
  ASSERT_TRUE(started(second));
  EXPECT_NE(second.what().started->resume, token);
  peer again(s.io, client_role::publish, where());
  again.resume = token;
  ASSERT_TRUE(run_until(s.io, [&] { return answered(again); }));
  EXPECT_FALSE(started(again)) << "a token is good once";

  second.send(video_config());
  second.send(video(true, 0, 700));
  second.send(video(false, 40, 700));
  ASSERT_TRUE(run_until(s.io, [&] { return player.what().frames.size() >= 9; }));
  const auto& f = player.what().frames;
  EXPECT_EQ(f.back().payload.size(), 700U);
  for (std::size_t i = 1; i < f.size(); ++i) EXPECT_GE(f[i].dts_ms, f[i - 1].dts_ms) << i;
  EXPECT_EQ(player.what().streams_ended, 0);
  EXPECT_FALSE(told_of_unpublish(player));
}

// The new connection may be there before the server has noticed that the old one is gone.
TEST_P(resume, takes_over_from_a_connection_that_only_seems_alive) {
  peer first(s.io, client_role::publish, where());
  peer player(s.io, client_role::play, s.uri("rtmp", "live/a"));
  ASSERT_TRUE(shows(first, player));
  peer second(s.io, client_role::publish, where());
  second.resume = first.what().started->resume;
  ASSERT_TRUE(run_until(s.io, [&] { return answered(second); }));
  ASSERT_TRUE(started(second));
  second.send(video_config());
  second.send(video(true, 0, 700));
  ASSERT_TRUE(run_until(s.io, [&] { return player.what().frames.back().payload.size() == 700; }));
  EXPECT_EQ(player.what().streams_ended, 0);
}

// The way is so bad that connections break again and again, and no picture comes through between.
TEST_P(resume, connections_that_are_lost_before_their_first_picture_do_not_lock_the_publisher_out) {
  peer first(s.io, client_role::publish, where());
  peer player(s.io, client_role::play, s.uri("rtmp", "live/a"));
  ASSERT_TRUE(shows(first, player));
  auto token = first.what().started->resume;
  first.vanish();
  std::vector<std::unique_ptr<peer>> lost;
  for (int i = 0; i < 8; ++i) {
    // Half of them still seem alive when the next one comes.
    if (i > 0 && i % 2 == 0) lost.back()->vanish();
    std::unique_ptr<peer> next;
    ASSERT_TRUE(run_until(s.io, [&] {
      if (!next || (answered(*next) && !started(*next))) {
        next = std::make_unique<peer>(s.io, client_role::publish, where());
        next->resume = token;
      }
      return started(*next);
    })) << i;
    token = next->what().started->resume;
    lost.push_back(std::move(next));
  }
  auto& last = *lost.back();
  last.send(video_config());
  last.send(video(true, 0, 700));
  ASSERT_TRUE(run_until(s.io, [&] { return player.what().frames.back().payload.size() == 700; }));
  EXPECT_EQ(player.what().streams_ended, 0);
  EXPECT_FALSE(told_of_unpublish(player));
}

// The one that it was to follow ends without a word, and it has not sent anything either when its way breaks.
TEST_P(resume, a_connection_whose_turn_came_in_silence_may_be_followed) {
  const auto connections = [&] {
    std::size_t sum = 0;
    for (const auto& shard : s.instance->shards()) sum += shard.connections;
    return sum;
  };
  peer first(s.io, client_role::publish, where());
  peer player(s.io, client_role::play, s.uri("rtmp", "live/a"));
  ASSERT_TRUE(shows(first, player));
  peer second(s.io, client_role::publish, where());
  second.resume = first.what().started->resume;
  ASSERT_TRUE(run_until(s.io, [&] { return started(second); }));
  ASSERT_TRUE(run_until(s.io, [&] { return connections() == 3; }));
  first.vanish();
  ASSERT_TRUE(run_until(s.io, [&] { return connections() == 2; }));
  std::unique_ptr<peer> third;
  ASSERT_TRUE(run_until(s.io, [&] {
    if (!third || (answered(*third) && !started(*third))) {
      third = std::make_unique<peer>(s.io, client_role::publish, where());
      third->resume = second.what().started->resume;
    }
    return started(*third);
  }));
  third->send(video_config());
  third->send(video(true, 0, 700));
  ASSERT_TRUE(run_until(s.io, [&] { return player.what().frames.back().payload.size() == 700; }));
  EXPECT_EQ(player.what().streams_ended, 0);
}

TEST_P(resume, who_ends_in_order_before_the_first_picture_leaves_the_name_to_the_next) {
  peer first(s.io, client_role::publish, where());
  ASSERT_TRUE(run_until(s.io, [&] { return started(first); }));
  first.send(video_config());
  first.send(video(true, 0, 500));
  peer second(s.io, client_role::publish, where());
  second.resume = first.what().started->resume;
  ASSERT_TRUE(run_until(s.io, [&] { return started(second); }));
  second.end();
  std::unique_ptr<peer> third;
  ASSERT_TRUE(run_until(s.io, [&] {
    if (!third || (answered(*third) && !started(*third))) third = std::make_unique<peer>(s.io, client_role::publish, where());
    return started(*third);
  }));
}

TEST_P(resume, who_ends_in_order_is_not_waited_for) {
  peer first(s.io, client_role::publish, where());
  peer player(s.io, client_role::play, s.uri("rtmp", "live/a"));
  // Who waits on another shard may miss a publication that is over before that shard has heard of it.
  ASSERT_TRUE(shows(first, player));
  first.end();
  ASSERT_TRUE(run_until(s.io, [&] { return player.what().streams_ended == 1; }));
  peer second(s.io, client_role::publish, where());
  ASSERT_TRUE(run_until(s.io, [&] { return answered(second); }));
  EXPECT_TRUE(started(second));
}

TEST(resume_window, nobody_comes_back_to_what_the_server_ended) {
  running_server s(true, [](config& c) {
    c.resume_window = std::chrono::minutes(10);
    allowance thin;
    thin.kbps = 1;
    c.access.publish_allow.clear();
    c.access.publish_keys.push_back({"*", "only-thin", thin});
  });
  const auto resumable = [&s] {
    std::size_t sum = 0;
    for (const auto& shard : s.instance->shards()) sum += shard.resumable;
    return sum;
  };
  for (const char* name : {"live/a", "live/b", "live/c"}) {
    peer first(s.io, client_role::publish, s.uri("rtmp", std::string(name) + "?key=only-thin"));
    ASSERT_TRUE(run_until(s.io, [&] { return started(first); }));
    EXPECT_EQ(resumable(), 1U);
    first.send(video(true, 0, 100'000));
    ASSERT_TRUE(run_until(s.io, [&] { return first.what().closed.has_value(); }));
    EXPECT_EQ(resumable(), 0U);
  }
}

TEST(resume_window, viewers_are_told_when_it_is_over) {
  running_server s(true, [](config& c) { c.resume_window = std::chrono::milliseconds(50); });
  peer first(s.io, client_role::publish, s.uri("rtmp", "live/a"));
  peer player(s.io, client_role::play, s.uri("rtmp", "live/a"));
  ASSERT_TRUE(run_until(s.io, [&] { return started(first) && started(player); }));
  first.send(video_config());
  first.send(video(true, 0, 500));
  ASSERT_TRUE(run_until(s.io, [&] { return player.what().frames.size() == 2; }));
  first.vanish();
  EXPECT_TRUE(run_until(s.io, [&] { return player.what().streams_ended == 1; }));
}

}  // namespace
}  // namespace millrace::server
