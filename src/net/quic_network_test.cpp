// QUIC over networks that misbehave: loss, reordering, NATs that forget, servers that restart, addresses that change.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/quic_fixtures.hpp"
#include "support/send_faults.hpp"
#include "support/udp_relay.hpp"

namespace millrace::net {
namespace {

using namespace std::chrono_literals;
using base::error_kind;
using test::chain_of;
using test::loopback;
using test::noise;
using test::quic_world;
using test::run_until;
using testing::HasSubstr;

struct weather_case {
  std::string name;
  test::udp_relay::weather weather;
  congestion_control congestion = congestion_control::bbr;
};

class quic_bad_weather : public testing::TestWithParam<weather_case> {};

TEST_P(quic_bad_weather, delivers_every_byte_in_order) {
  quic_world world;
  world.server_options.congestion = world.client_options.congestion = GetParam().congestion;
  world.client_options.handshake_timeout = 8s;
  world.listen();
  test::udp_relay relay(world.io, loopback(world.server->port()), 7);
  relay.now = GetParam().weather;
  const auto [client, server] = world.pair(world.options(relay.port()));
  ASSERT_NE(server, nullptr);
  const std::string up = noise(700'000, 3), down = noise(600'000, 4);
  client->transport->send(chain_of(up));
  server->transport->send(chain_of(down));
  ASSERT_TRUE(run_until(
      world.io,
      [&, c = client, s = server] { return s->handler.received.size() >= up.size() && c->handler.received.size() >= down.size(); }, 45s))
      << "up " << server->handler.received.size() << " down " << client->handler.received.size();
  EXPECT_TRUE(server->handler.received == up);
  EXPECT_TRUE(client->handler.received == down);
  if (GetParam().weather.loss > 0) {
    EXPECT_GT(client->transport->facts().packets_lost.value_or(0), 0u);
  }
}

INSTANTIATE_TEST_SUITE_P(weather, quic_bad_weather,
                         testing::Values(weather_case{"loss5", {.loss = 0.05}},
                                         weather_case{"loss5_cubic", {.loss = 0.05}, congestion_control::cubic},
                                         weather_case{"duplicate", {.duplicate = 0.2}}, weather_case{"reorder", {.reorder = 0.1}},
                                         weather_case{"corrupt", {.corrupt = 0.03}},
                                         weather_case{"all", {.loss = 0.03, .duplicate = 0.05, .reorder = 0.05, .corrupt = 0.01}},
                                         weather_case{"loss3_rtt40", {.loss = 0.03, .delay = 20ms}}),
                         [](const auto& of) { return of.param.name; });

class path_handler : public test::recording_handler {
 public:
  void on_path_changed(const std::string& remote, std::chrono::milliseconds gap) override {
    check.push_back(remote);
    gaps.push_back(gap);
  }
  std::vector<std::string> check;
  std::vector<std::chrono::milliseconds> gaps;
};

// A server end whose handler also notes path changes.
struct watched_world : quic_world {
  watched_world() {
    start_accepted = false;
    on_accept = [this](test::quic_end& end) { end.transport->start(watcher); };
    listen();
  }
  path_handler watcher;
};

TEST(quic_migration, nat_rebinding_of_a_publisher_loses_nothing) {
  watched_world world;
  test::udp_relay relay(world.io, loopback(world.server->port()));
  auto* const client = world.connect(world.options(relay.port()));
  ASSERT_NE(client, nullptr);
  const std::string bytes = noise(3'000'000, 5);
  client->transport->send(chain_of(bytes));
  ASSERT_TRUE(run_until(world.io, [&] { return world.watcher.received.size() > bytes.size() / 3; }));
  const std::string before = world.accepted[0]->transport->facts().remote;
  relay.rebind();
  ASSERT_TRUE(run_until(
      world.io, [&] { return world.watcher.received.size() >= bytes.size(); }, 20s));
  EXPECT_TRUE(world.watcher.received == bytes);
  ASSERT_EQ(world.watcher.check.size(), 1u);
  EXPECT_NE(world.watcher.check[0], before);
  EXPECT_EQ(world.accepted[0]->transport->facts().remote, world.watcher.check[0]);
  EXPECT_LT(world.watcher.gaps[0], 2s);
  EXPECT_EQ(world.accepted[0]->transport->facts().path_changes, 1u);
  EXPECT_EQ(world.server->counters().path_changes, 1u);
}

TEST(quic_migration, nat_rebinding_of_a_player_heals_with_its_next_packet) {
  quic_world world;
  world.client_options.keep_alive = 200ms;
  world.listen();
  test::udp_relay relay(world.io, loopback(world.server->port()));
  const auto [client, server] = world.pair(world.options(relay.port()));
  ASSERT_NE(server, nullptr);
  relay.rebind();
  const std::string bytes = noise(500'000, 6);
  server->transport->send(chain_of(bytes));  // to the dead address, until the client's keep-alive shows the new one
  ASSERT_TRUE(run_until(
      world.io, [&, c = client] { return c->handler.received.size() >= bytes.size(); }, 20s));
  EXPECT_TRUE(client->handler.received == bytes);
}

TEST(quic_migration, the_client_moves_to_a_fresh_port_and_back_again_and_again) {
  watched_world world;
  auto* const client = world.connect();
  ASSERT_NE(client, nullptr);
  std::string sent;
  for (unsigned move = 0; move < 4; ++move) {
    const std::string part = noise(300'000, 10 + move);
    sent += part;
    client->transport->send(chain_of(part));
    ASSERT_TRUE(run_until(
        world.io, [&] { return world.watcher.received.size() >= sent.size(); }, 20s))
        << "move " << move;
    const std::string before = client->transport->facts().local;
    base::result<void> moved = base::error{};
    // The first moments may lack a spare connection id or the handshake's confirmation; both come by themselves.
    ASSERT_TRUE(run_until(world.io, [&] { return static_cast<bool>(moved = quic_rebind_local(*client->transport)); }))
        << moved.error().text;
    EXPECT_NE(client->transport->facts().local, before);
    // The server takes one address change a second; wait until this one has been seen by letting bytes go over it.
    sent += "x";
    client->transport->send(chain_of("x"));
    ASSERT_TRUE(run_until(
        world.io, [&] { return world.watcher.received.size() >= sent.size(); }, 20s))
        << "move " << move;
    ASSERT_TRUE(run_until(world.io, [&] { return world.accepted[0]->transport->facts().remote == client->transport->facts().local; }));
  }
  EXPECT_TRUE(world.watcher.received == sent);
  EXPECT_EQ(client->transport->facts().path_changes, 4u);
  EXPECT_GE(world.watcher.check.size(), 3u);
}

// A radio that stalls takes nothing any more, and is not gone.
TEST(quic_migration, what_waits_for_a_full_socket_holds_up_nothing_once_the_client_has_moved) {
  quic_world world;
  world.listen();
  const auto [client, server] = world.pair();
  ASSERT_NE(server, nullptr);
  const auto move = [&, c = client] { return static_cast<bool>(quic_rebind_local(*c->transport)); };
  ASSERT_TRUE(run_until(world.io, move)) << "the handshake is confirmed, and there is a spare connection id";
  const std::string local = client->transport->facts().local;
  test::faults = {.full_port = static_cast<std::uint16_t>(std::stoul(local.substr(local.rfind(':') + 1)))};
  const std::string bytes = noise(300'000, 12);
  client->transport->send(chain_of(bytes));
  EXPECT_TRUE(run_until(world.io, [] { return test::faults.found_full > 0; }));
  EXPECT_TRUE(run_until(world.io, move));
  EXPECT_TRUE(run_until(world.io, [&, s = server] { return s->handler.received.size() >= bytes.size(); }));
  EXPECT_TRUE(server->handler.received == bytes);
  test::faults = {};
}

// A source address is the sender's own choice; whether anybody is there, only an answer tells (RFC 9000 sections 8.2 and 9.3).
TEST(quic_migration, an_address_that_answers_nothing_is_nobodys) {
  watched_world world;
  test::udp_relay relay(world.io, loopback(world.server->port()));
  auto* const client = world.connect(world.options(relay.port()));
  ASSERT_NE(client, nullptr);
  client->transport->send(chain_of("hi"));
  ASSERT_TRUE(run_until(world.io, [&] { return world.watcher.received == "hi"; }));
  const auto there = world.accepted[0]->transport->facts().remote;
  ASSERT_THAT(there, testing::StartsWith("127.0.0.1:"));
  const auto moves = [&] { return world.accepted[0]->transport->facts().path_changes; };
  relay.astray = [&] { return moves() == 0; };
  client->transport->send(chain_of("ho"));
  ASSERT_TRUE(run_until(world.io, [&] { return moves() > 0; })) << "the server answers where the bytes came from";
  EXPECT_EQ(world.accepted[0]->transport->facts().remote, there);
  const std::string more = noise(300'000, 9);
  client->transport->send(chain_of(more));
  ASSERT_TRUE(run_until(world.io, [&] { return world.watcher.received.size() == 4 + more.size(); }));
  EXPECT_EQ(world.accepted[0]->transport->facts().remote, there);
  EXPECT_THAT(world.watcher.check, testing::IsEmpty());
}

TEST(quic_migration, other_transports_do_not_move) {
  quic_world world;
  world.listen();
  const auto [client, server] = world.pair();
  ASSERT_NE(server, nullptr);
  const auto moved = quic_rebind_local(*server->transport);
  ASSERT_FALSE(moved);
}

quic_secrets kept_secrets() { return {std::vector<std::uint8_t>(32, 1), std::vector<std::uint8_t>(32, 2)}; }

// The relay hides the dying server's goodbye, as if it had been killed.
TEST(quic_restart, a_stateless_reset_ends_the_connection_at_once) {
  quic_world world;
  world.server_options.secrets = kept_secrets();
  world.listen();
  const auto port = world.server->port();
  test::udp_relay relay(world.io, loopback(port));
  const auto [client, server] = world.pair(world.options(relay.port()));
  ASSERT_NE(server, nullptr);
  relay.now.cut_down = relay.now.cut_up = true;
  world.accepted.clear();
  world.server.reset();
  world.listen(loopback(port));
  run_until(
      world.io, [] { return false; }, 20ms);  // what is still in the relay's sockets gets lost there
  relay.now.cut_down = relay.now.cut_up = false;
  client->transport->send(chain_of("are you there?"));
  ASSERT_TRUE(run_until(
      world.io, [&, c = client] { return c->handler.closed.has_value(); }, 5s));
  EXPECT_EQ(client->handler.closed->reason.kind, error_kind::unreachable);
  EXPECT_TRUE(client->handler.closed->by_peer);
  EXPECT_THAT(client->handler.closed->reason.text, HasSubstr("restarted"));
  EXPECT_GE(world.server->counters().stateless_resets_sent, 1u);
}

TEST(quic_restart, other_secrets_reset_nobody) {
  quic_world world;
  world.client_options.idle_timeout = world.server_options.idle_timeout = 1500ms;
  world.listen();  // random secrets
  const auto port = world.server->port();
  test::udp_relay relay(world.io, loopback(port));
  const auto [client, server] = world.pair(world.options(relay.port()));
  ASSERT_NE(server, nullptr);
  relay.now.cut_down = relay.now.cut_up = true;
  world.accepted.clear();
  world.server.reset();
  world.listen(loopback(port));
  run_until(
      world.io, [] { return false; }, 20ms);
  relay.now.cut_down = relay.now.cut_up = false;
  client->transport->send(chain_of("are you there?"));
  ASSERT_TRUE(run_until(
      world.io, [&, c = client] { return c->handler.closed.has_value(); }, 8s));
  EXPECT_EQ(client->handler.closed->reason.kind, error_kind::timeout) << client->handler.closed->reason.text;
}

TEST(quic_restart, a_port_that_closed_for_more_than_a_second_is_a_server_that_is_gone) {
  quic_world world;
  world.listen();
  auto relay = std::make_unique<test::udp_relay>(world.io, loopback(world.server->port()));
  const auto [client, server] = world.pair(world.options(relay->port()));
  ASSERT_NE(server, nullptr);
  relay.reset();  // its socket goes, so the kernel answers with ICMP
  const auto begun = std::chrono::steady_clock::now();
  client->transport->send(chain_of("hello?"));
  ASSERT_TRUE(run_until(
      world.io, [&, c = client] { return c->handler.closed.has_value(); }, 9s));
  EXPECT_EQ(client->handler.closed->reason.kind, error_kind::unreachable);
  EXPECT_FALSE(client->handler.closed->by_peer);
  EXPECT_GE(std::chrono::steady_clock::now() - begun, 1s) << "one forged ICMP message must not end a connection";
}

TEST(quic_restart, an_orderly_end_of_the_server_is_told) {
  quic_world world;
  world.listen();
  const auto [client, server] = world.pair();
  ASSERT_NE(server, nullptr);
  world.server.reset();
  ASSERT_TRUE(run_until(
      world.io, [&, c = client, s = server] { return c->handler.closed && s->handler.closed; }, 5s));
  EXPECT_EQ(client->handler.closed->reason.kind, error_kind::closed);
  EXPECT_TRUE(client->handler.closed->by_peer);
  EXPECT_THAT(client->handler.closed->reason.text, HasSubstr("shutting down"));
  EXPECT_FALSE(server->handler.closed->by_peer);
}

TEST(quic_idle, silence_ends_both_ends) {
  quic_world world;
  world.server_options.idle_timeout = world.client_options.idle_timeout = 400ms;
  world.listen();
  const auto [client, server] = world.pair();
  ASSERT_NE(server, nullptr);
  ASSERT_TRUE(run_until(
      world.io, [&, c = client, s = server] { return c->handler.closed && s->handler.closed; }, 5s));
  EXPECT_EQ(client->handler.closed->reason.kind, error_kind::timeout);
  EXPECT_EQ(server->handler.closed->reason.kind, error_kind::timeout);
  EXPECT_FALSE(client->handler.closed->by_peer);
  EXPECT_TRUE(run_until(world.io, [&] { return world.server->counters().connections == 0; }));
}

TEST(quic_idle, keep_alive_keeps_a_silent_connection) {
  quic_world world;
  world.server_options.idle_timeout = world.client_options.idle_timeout = 500ms;
  world.client_options.keep_alive = 100ms;
  world.listen();
  const auto [client, server] = world.pair();
  ASSERT_NE(server, nullptr);
  run_until(
      world.io, [&, c = client] { return c->handler.closed.has_value(); }, 1500ms);
  EXPECT_FALSE(client->handler.closed.has_value());
  EXPECT_FALSE(server->handler.closed.has_value());
}

TEST(quic_addresses, one_dual_stack_socket_serves_both_families) {
  quic_world world;
  world.listen({boost::asio::ip::make_address("::"), 0});
  const auto [four, four_server] = world.pair();
  ASSERT_NE(four_server, nullptr);
  EXPECT_THAT(four_server->transport->facts().remote, testing::StartsWith("127.0.0.1:"));
  EXPECT_EQ(four_server->transport->facts().local, "127.0.0.1:" + std::to_string(world.server->port()));
  auto options = world.options();
  options.remote = {boost::asio::ip::make_address("::1"), world.server->port()};
  const auto [six, six_server] = world.pair(options);
  if (six_server == nullptr) GTEST_SKIP() << "no IPv6 loopback here";
  EXPECT_EQ(six_server->transport->facts().local, "[::1]:" + std::to_string(world.server->port()));
  const std::string bytes = noise(1'000'000, 8);
  four_server->transport->send(chain_of(bytes));
  six_server->transport->send(chain_of(bytes));
  ASSERT_TRUE(run_until(world.io, [&, a = four, b = six] {
    return a->handler.received.size() >= bytes.size() && b->handler.received.size() >= bytes.size();
  }));
  EXPECT_TRUE(four->handler.received == bytes);
  EXPECT_TRUE(six->handler.received == bytes);
}

TEST(quic_addresses, a_wildcard_socket_answers_from_the_address_that_was_asked) {
  quic_world world;
  world.listen({boost::asio::ip::make_address("0.0.0.0"), 0});
  auto options = world.options();
  options.remote.address(boost::asio::ip::make_address("127.0.0.9"));
  const auto [client, server] = world.pair(options);
  ASSERT_NE(server, nullptr);
  EXPECT_EQ(server->transport->facts().local, "127.0.0.9:" + std::to_string(world.server->port()));
}

TEST(quic_addresses, a_port_in_use_is_a_local_error) {
  quic_world world;
  world.listen();
  const auto second = quic_listen(world.io, loopback(world.server->port()), test::shared_identity(), {}, [](transport_ptr, base::instant) {}, {});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().kind, error_kind::local);
  EXPECT_THAT(second.error().text, HasSubstr(std::to_string(world.server->port())));
}

}  // namespace
}  // namespace millrace::net
