// Players leave when they are told that the publisher did. So it is the last thing that they are told.
#include <gtest/gtest.h>

#include "support/peer.hpp"
#include "support/running_server.hpp"

namespace millrace::server {
namespace {

using rtmp::client_role;
using test::peer;
using test::run_until;
using test::running_server;

// 3 MB, as a key frame of a 4K picture: more than any transport takes at once.
media::frame large_key_frame(std::int64_t dts_ms) {
  std::vector<std::uint8_t> payload(3'000'000, static_cast<std::uint8_t>(dts_ms));
  payload[0] = 0x17;
  payload[1] = 1;
  payload[2] = payload[3] = payload[4] = 0;
  media::frame f;
  f.kind = media::frame_kind::video;
  f.dts_ms = dts_ms;
  f.payload = base::slice(std::move(payload));
  return f;
}

class every_transport_notice : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(transports, every_transport_notice, testing::Values("rtmp", "rtmps", "rtmpq", "roqr"),
                         [](const auto& each) { return std::string(each.param); });

TEST_P(every_transport_notice, L9_comes_after_the_last_picture) {
  running_server s(true, [](config& c) { c.hub.viewer_age = std::chrono::minutes(10); });  // what is late on a busy machine is not lost
  peer player(s.io, client_role::play, s.uri(GetParam(), "live/a"));
  ASSERT_TRUE(run_until(s.io, [&] { return player.what().started.has_value(); }));
  peer publisher(s.io, client_role::publish, s.uri(GetParam(), "live/a"));
  ASSERT_TRUE(run_until(s.io, [&] { return publisher.what().started.has_value(); }));
  player.transport()->pause_receive(true);  // a slow one
  constexpr std::size_t count = 4;
  for (std::size_t i = 0; i < count; ++i) publisher.send(large_key_frame(static_cast<std::int64_t>(i) * 40));
  publisher.end();
  ASSERT_TRUE(run_until(s.io, [&] { return !s.instance->stream("live/a")->published; }));
  player.transport()->pause_receive(false);
  ASSERT_TRUE(run_until(s.io, [&] { return player.what().streams_ended > 0; }));
  EXPECT_EQ(player.what().frames_when_ended, count);
  EXPECT_FALSE(player.what().closed);
}

}  // namespace
}  // namespace millrace::server
