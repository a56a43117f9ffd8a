// Rules about addresses, with a peer whose datagrams come from somewhere else in the middle of it: what is asked is where it is, not what
// it writes into them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "media/tag_header.hpp"
#include "support/peer.hpp"
#include "support/running_server.hpp"
#include "support/udp_relay.hpp"

namespace millrace::server {
namespace {

using rtmp::client_role;
using test::peer;
using test::run_until;
using test::running_server;
using test::udp_relay;

std::vector<address_range> only(const char* address) { return *address_range::parse(address); }

// In the order of their times, as an encoder sends them.
media::frame picture(std::int64_t dts_ms) {
  media::frame f;
  f.kind = media::frame_kind::video;
  f.dts_ms = dts_ms;
  f.payload = base::slice(std::vector<std::uint8_t>{0x17, 1, 0, 0, 0, 0xDE, 0xAD});
  media::classify(f);
  return f;
}

class address_rules : public testing::TestWithParam<const char*> {
 protected:
  void serve(const std::function<void(config&)>& adjust) {
    server.emplace(true, adjust);
    relay.emplace(server->io, udp_relay::udp::endpoint(boost::asio::ip::make_address("127.0.0.1"), server->instance->port()));
  }
  // Through the relay; seen at 127.0.0.1 until that moves.
  [[nodiscard]] std::string uri(const udp_relay& way, const std::string& stream, const std::string& query = {}) const {
    return std::string(GetParam()) + "://127.0.0.1:" + std::to_string(way.port()) + "/" + stream +
           "?pin=" + server->instance->certificate()->pin + query;
  }
  // Until `done`, with `speaker` sending meanwhile: a server learns of a new address by what comes from there.
  bool speaks_until(peer& speaker, const std::function<bool()>& done) {
    boost::asio::steady_timer tick(server->io);
    std::int64_t at = 0;
    std::function<void()> speak = [&] {
      tick.expires_after(std::chrono::milliseconds(20));
      tick.async_wait([&](boost::system::error_code failed) {
        if (failed || speaker.what().closed) return;
        speaker.send(picture(at += 20));
        speak();
      });
    };
    speak();
    const bool reached = run_until(server->io, done);
    tick.cancel();
    server->io.poll();
    return reached;
  }

  std::optional<running_server> server;
  std::optional<udp_relay> relay;
};
INSTANTIATE_TEST_SUITE_P(mappings, address_rules, testing::Values("rtmpq", "roqr"),
                         [](const auto& each) { return std::string(each.param); });

// The one datagram that says "publish" is among the first ones behind the handshake: each of them once from an address that may publish,
// and never hears.
TEST_P(address_rules, a_source_address_that_was_only_written_into_a_datagram_gives_no_right) {
  serve([](config& c) { c.access.publish_allow = only("127.0.0.3"); });
  struct attempt {
    attempt(running_server& s, unsigned which_one)
        : relay(s.io, udp_relay::udp::endpoint(boost::asio::ip::make_address("127.0.0.1"), s.instance->port())), which(which_one) {}
    udp_relay relay;
    unsigned which, seen = 0;
    std::unique_ptr<peer> publisher;
  };
  std::vector<std::unique_ptr<attempt>> attempts;
  for (unsigned which = 0; which < 8; ++which) {
    auto& one = *attempts.emplace_back(std::make_unique<attempt>(*server, which));
    one.publisher = std::make_unique<peer>(server->io, client_role::publish, uri(one.relay, "live/a" + std::to_string(which)));
    one.relay.astray = [&one] { return one.publisher->transport() != nullptr && one.seen++ == one.which; };
  }
  ASSERT_TRUE(run_until(server->io, [&] {
    return std::all_of(attempts.begin(), attempts.end(), [](const auto& one) {
      return one->publisher->what().rejected || one->publisher->what().started || one->publisher->what().closed;
    });
  }));
  for (const auto& one : attempts) {
    EXPECT_FALSE(one->publisher->what().started.has_value()) << "datagram " << one->which;
    EXPECT_TRUE(one->publisher->what().rejected.has_value()) << "datagram " << one->which;
  }
}

TEST_P(address_rules, a_publisher_that_leaves_the_range_ends) {
  serve([](config& c) { c.access.publish_allow = only("127.0.0.1"); });
  peer publisher(server->io, client_role::publish, uri(*relay, "live/a"));
  ASSERT_TRUE(run_until(server->io, [&] { return publisher.what().started.has_value(); }));
  relay->rebind("127.0.0.2");
  ASSERT_TRUE(speaks_until(publisher, [&] { return publisher.what().closed.has_value(); }));
  EXPECT_THAT(publisher.what().closed->text, testing::HasSubstr("publishing from the new address is not allowed"));
  EXPECT_TRUE(run_until(server->io, [&] { return !server->instance->stream("live/a") || !server->instance->stream("live/a")->published; }));
}

TEST_P(address_rules, a_publisher_with_a_key_goes_on_wherever_it_is) {
  serve([](config& c) {
    c.access.publish_allow = only("127.0.0.1");
    c.access.publish_keys = {{"live/*", "secret"}};
  });
  peer publisher(server->io, client_role::publish, uri(*relay, "live/a", "&key=secret"));
  ASSERT_TRUE(run_until(server->io, [&] { return publisher.what().started.has_value(); }));
  peer player(server->io, client_role::play, server->uri("rtmp", "live/a"));
  ASSERT_TRUE(speaks_until(publisher, [&] { return !player.what().frames.empty(); }));
  relay->rebind("127.0.0.2");
  const auto moved = [&] { return server->instance->counters().quic.path_changes > 0; };
  ASSERT_TRUE(speaks_until(publisher, moved));
  const auto before = player.what().frames.size();
  ASSERT_TRUE(speaks_until(publisher, [&] { return player.what().frames.size() > before + 20; }));
  EXPECT_FALSE(publisher.what().closed.has_value());
}

TEST_P(address_rules, a_player_that_leaves_the_range_ends) {
  serve([](config& c) { c.access.play_allow = only("127.0.0.1"); });
  peer publisher(server->io, client_role::publish, server->uri("rtmp", "live/a"));
  peer player(server->io, client_role::play, uri(*relay, "live/a"));
  ASSERT_TRUE(run_until(server->io, [&] { return publisher.what().started.has_value(); }));
  ASSERT_TRUE(speaks_until(publisher, [&] { return !player.what().frames.empty(); }));
  relay->rebind("127.0.0.2");
  ASSERT_TRUE(speaks_until(publisher, [&] { return player.what().closed.has_value(); }));
}

}  // namespace
}  // namespace millrace::server
