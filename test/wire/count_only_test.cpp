// A player that only counts its bytes: it hears no ping and still is not taken for dead.
#include <gtest/gtest.h>

#include <chrono>

#include "media/tag_header.hpp"
#include "support/peer.hpp"
#include "support/running_server.hpp"

namespace millrace::server {
namespace {

using namespace std::chrono_literals;

media::frame key_frame(std::int64_t dts_ms) {
  std::vector<std::uint8_t> payload(2'000, 0x41);
  payload[0] = 0x17;
  payload[1] = 1;
  payload[2] = payload[3] = payload[4] = 0;
  media::frame f;
  f.kind = media::frame_kind::video;
  f.dts_ms = dts_ms;
  f.payload = base::slice(std::move(payload));
  media::classify(f);
  return f;
}

struct counting_player final : client::link_handler {
  void on_link_frame(media::frame) override {
    ++frames;
    counts = link->count_only();
  }
  void on_link_down(const client::link_end& end) override { down = end.reason; }
  client::link_ptr link;
  int frames = 0;
  bool counts = false;
  std::optional<base::error> down;
};

TEST(count_only, the_server_keeps_a_player_that_answers_no_ping) {
  test::running_server s(false, [](config& c) { c.rtmp.ping_after = 3s; });  // dead after three times as much
  test::peer publisher(s.io, rtmp::client_role::publish, s.uri("rtmp", "live/a"));
  ASSERT_TRUE(test::run_until(s.io, [&] { return publisher.what().started.has_value(); }));
  publisher.send(key_frame(0));
  counting_player player;
  const auto uri = rtmp::parse_uri(s.uri("rtmp", "live/a"));
  ASSERT_TRUE(uri);
  player.link = client::link::open(s.io, {*uri, rtmp::client_role::play, {}}, {}, player);
  ASSERT_TRUE(test::run_until(s.io, [&] { return player.frames > 0; }));
  ASSERT_TRUE(player.counts);
  const auto from = std::chrono::steady_clock::now();
  const auto bytes = player.link->facts()->bytes_received;
  std::int64_t sent = 0;
  while (std::chrono::steady_clock::now() - from < 11s && !player.down) {
    publisher.send(key_frame(++sent * 200));
    const auto next = from + sent * 200ms;
    test::run_until(s.io, [&] { return std::chrono::steady_clock::now() >= next || player.down; });
  }
  EXPECT_FALSE(player.down) << player.down->text;
  EXPECT_EQ(player.frames, 1) << "nothing is looked at any more";
  EXPECT_GT(player.link->facts()->bytes_received, bytes + 2'000U * 40);
  player.link->close();
}

}  // namespace
}  // namespace millrace::server
