// The byte pipe over QUIC between a real client and a real server on loopback.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/quic_fixtures.hpp"

namespace millrace::net {
namespace {

using namespace std::chrono_literals;
using test::chain_of;
using test::noise;
using test::quic_world;
using test::run_until;

TEST(quic_transport, carries_bytes_both_ways) {
  quic_world world;
  world.listen();
  const auto [client, server] = world.pair();
  ASSERT_NE(server, nullptr);
  server->transport->send(chain_of("hello client"));
  ASSERT_TRUE(run_until(world.io, [&, c = client] { return c->handler.received == "hello client"; }));
  EXPECT_GT(client->handler.bursts, 0);

  const auto facts = client->transport->facts();
  EXPECT_EQ(facts.kind, transport_kind::quic);
  EXPECT_EQ(facts.alpn, "roqr");
  EXPECT_EQ(facts.tls, "TLS1.3 AES-128-GCM");
  EXPECT_EQ(facts.quic_version, 1u);
  EXPECT_EQ(facts.congestion_control, "bbr");
  EXPECT_EQ(facts.remote, "127.0.0.1:" + std::to_string(world.server->port()));
  EXPECT_EQ(facts.local, server->transport->facts().remote);
  EXPECT_EQ(facts.peer_certificate_pin, test::shared_identity()->pin);
  EXPECT_THAT(facts.peer_certificate, testing::HasSubstr("localhost"));
  EXPECT_EQ(facts.bytes_sent, 2u);
  EXPECT_EQ(facts.bytes_received, 12u);
  ASSERT_TRUE(facts.rtt.has_value());
  EXPECT_LT(*facts.rtt, 1s);
  EXPECT_GT(facts.packets_sent.value_or(0), 2u);
  EXPECT_GT(facts.congestion_window.value_or(0), 0u);
  EXPECT_EQ(world.server->counters().connections, 1u);
  EXPECT_EQ(world.server->counters().half_open, 0u);
}

class quic_bulk : public testing::TestWithParam<congestion_control> {};

TEST_P(quic_bulk, megabytes_both_ways_at_once) {
  quic_world world;
  world.server_options.congestion = world.client_options.congestion = GetParam();
  world.listen();
  const auto [client, server] = world.pair();
  ASSERT_NE(server, nullptr);
  const std::string up = noise(6u << 20, 1), down = noise(5u << 20, 2);
  client->transport->send(chain_of(up));
  server->transport->send(chain_of(down));
  ASSERT_TRUE(run_until(
      world.io,
      [&, c = client, s = server] { return s->handler.received.size() >= up.size() && c->handler.received.size() >= down.size(); }, 40s));
  EXPECT_TRUE(server->handler.received == up);
  EXPECT_TRUE(client->handler.received == down);
  EXPECT_EQ(client->transport->queued_bytes(), 0u);
  EXPECT_EQ(client->transport->oldest_queued_age(std::chrono::steady_clock::now()), base::duration::zero());
}

INSTANTIATE_TEST_SUITE_P(both, quic_bulk, testing::Values(congestion_control::bbr, congestion_control::cubic),
                         [](const auto& of) { return of.param == congestion_control::bbr ? "bbr" : "cubic"; });

}  // namespace
}  // namespace millrace::net
