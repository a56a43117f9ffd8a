// Recordings played over RTMP by whoever does not keep up with them.
#include <gtest/gtest.h>

#include <optional>

#include "support/peer.hpp"
#include "support/running_server.hpp"
#include "support/wire_frames.hpp"

namespace millrace::server {
namespace {

using rtmp::client_role;
using test::peer;
using test::run_until;
using test::running_server;

class recording : public testing::TestWithParam<const char*> {
 protected:
  test::state_directory_for_test files;
  running_server s{true, [this](config& c) {
                     c.shards = 1;  // its turns are those of our loop
                     c.record.directory = files.path;
                     c.record.rules = {{"*", record::format::flv, {}, {}, 0, false}};
                     c.record.linger = std::chrono::milliseconds(0);
                     c.record.free_bytes_min = 0;
                     c.record.queue_bytes = 64u << 20;
                     c.viewers.progress = std::chrono::milliseconds(500);
                   }};
};
INSTANTIATE_TEST_SUITE_P(transports, recording, testing::Values("rtmp", "rtmpq", "query"), [](const auto& each) { return std::string(each.param); });

// 32 MB that are due at once: more than sockets and windows hold.
TEST_P(recording, L10_a_player_that_takes_nothing_costs_nothing_and_is_closed) {
  {
    peer publisher(s.io, client_role::publish, s.uri("rtmp", "live/a"));
    ASSERT_TRUE(run_until(s.io, [&] { return publisher.what().started.has_value(); }));
    publisher.send(test::video_config());
    for (int i = 0; i < 64; ++i) publisher.send(test::video(true, i, 512 << 10));
    ASSERT_TRUE(run_until(s.io, [&] { return s.instance->stream("live/a")->frames >= 65; }));
  }
  // Until the disk thread has ended the file, there is none to play.
  std::optional<peer> player;
  const auto uri = s.uri(GetParam(), "live/a");
  ASSERT_TRUE(run_until(s.io, [&] {
    if (!player || player->what().rejected) player.emplace(s.io, client_role::play, uri + (uri.find('?') == uri.npos ? "?" : "&") + "recording=newest");
    return player->what().started.has_value();
  }));
  player->transport()->pause_receive(true);
  std::size_t turns = 0;
  EXPECT_TRUE(run_until(s.io, [&] { return ++turns, s.instance->shards()[0].connections == 0; }));
  EXPECT_LT(turns, 2'000U);
}

}  // namespace
}  // namespace millrace::server
