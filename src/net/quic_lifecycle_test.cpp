// Life and death of the byte pipe over QUIC: flow control, budget, close with a code, half close, reset, abort, and handlers
// that drop everything from inside a callback.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>

#include "support/quic_fixtures.hpp"
#include "support/quic_raw_peer.hpp"
#include "support/udp_relay.hpp"

namespace millrace::net {
namespace {

using namespace std::chrono_literals;
using base::error_kind;
using test::chain_of;
using test::loopback;
using test::noise;
using test::quic_raw_peer;
using test::quic_world;
using test::run_until;
using testing::HasSubstr;

TEST(quic_close, code_and_reason_reach_the_other_side_behind_all_bytes) {
  quic_world world;
  world.listen();
  const auto [client, server] = world.pair();
  ASSERT_NE(server, nullptr);
  const std::string bytes = noise(800'000, 1);
  client->handler.inside = true;
  client->transport->send(chain_of(bytes));
  client->transport->close(close_code::no_error, "bye now");
  client->handler.inside = false;
  client->transport.reset();  // the flush goes on without us
  ASSERT_TRUE(run_until(world.io, [&, s = server] { return s->handler.closed.has_value(); }));
  EXPECT_TRUE(server->handler.received == bytes);
  EXPECT_EQ(server->handler.closed->reason.kind, error_kind::closed);
  EXPECT_EQ(server->handler.closed->code, 0u);
  EXPECT_TRUE(server->handler.closed->by_peer);
  EXPECT_THAT(server->handler.closed->reason.text, HasSubstr("bye now"));
  EXPECT_EQ(server->handler.closes, 1);
  EXPECT_EQ(client->handler.closes, 0) << "no callback after close()";
  EXPECT_FALSE(client->handler.called_inside);
}

TEST(quic_close, an_error_code_is_told_and_reason_bytes_are_escaped) {
  quic_world world;
  world.listen();
  const auto [client, server] = world.pair();
  ASSERT_NE(server, nullptr);
  server->transport->close(close_code::general_error, "no\nsuch app");
  ASSERT_TRUE(run_until(world.io, [&, c = client] { return c->handler.closed.has_value(); }));
  EXPECT_EQ(client->handler.closed->reason.kind, error_kind::protocol);
  EXPECT_EQ(client->handler.closed->code, 1u);
  EXPECT_THAT(client->handler.closed->reason.text, HasSubstr("no\\x0asuch app"));
  EXPECT_TRUE(run_until(world.io, [&] { return world.server->counters().connections == 0; }));
}

TEST(quic_close, gives_up_flushing_after_two_seconds) {
  quic_world world;
  world.listen();
  const auto [client, server] = world.pair();
  ASSERT_NE(server, nullptr);
  server->transport->pause_receive(true);
  client->transport->send(chain_of(noise(8'000'000, 2)));  // more than the server's window
  const auto begun = std::chrono::steady_clock::now();
  client->transport->close(close_code::internal_error, "enough");
  ASSERT_TRUE(run_until(world.io, [&] { return world.server->counters().connections == 0; }));
  const auto took = std::chrono::steady_clock::now() - begun;
  EXPECT_GE(took, 1900ms);
  EXPECT_LT(took, 4s);
  EXPECT_FALSE(server->handler.closed.has_value()) << "its unread bytes come first";
  server->transport->pause_receive(false);
  ASSERT_TRUE(run_until(world.io, [&, s = server] { return s->handler.closed.has_value(); }));
  EXPECT_EQ(server->handler.closed->code, 2u);
  EXPECT_GT(server->handler.received.size(), 1'000'000u) << "a window full";
}

TEST(quic_close, flushing_survives_the_end_of_the_server) {
  quic_world world;
  world.listen();
  const auto [client, server] = world.pair();
  ASSERT_NE(server, nullptr);
  const std::string bytes = noise(2'000'000, 3);
  server->transport->send(chain_of(bytes));
  server->transport->close(close_code::no_error, "done");
  server->transport.reset();
  world.server.reset();
  ASSERT_TRUE(run_until(world.io, [&, c = client] { return c->handler.closed.has_value(); }));
  EXPECT_TRUE(client->handler.received == bytes);
  EXPECT_THAT(client->handler.closed->reason.text, HasSubstr("done"));
}

TEST(quic_close, abort_ends_both_ends_at_once) {
  quic_world world;
  world.listen();
  const auto [client, server] = world.pair();
  ASSERT_NE(server, nullptr);
  client->transport->send(chain_of(noise(100'000, 4)));
  client->transport->abort();
  ASSERT_TRUE(run_until(world.io, [&, s = server] { return s->handler.closed.has_value(); }));
  EXPECT_EQ(server->handler.closed->code, 1u);
  EXPECT_EQ(client->handler.closes, 0);
}

TEST(quic_close, both_ends_at_the_same_time) {
  quic_world world;
  world.listen();
  const auto [client, server] = world.pair();
  ASSERT_NE(server, nullptr);
  client->transport->close(close_code::no_error, "a");
  server->transport->close(close_code::no_error, "b");
  ASSERT_TRUE(run_until(world.io, [&] { return world.server->counters().connections == 0; }));
  EXPECT_EQ(client->handler.closes + server->handler.closes, 0);
}

TEST(quic_close, dropping_a_started_transport_without_close_ends_it) {
  quic_world world;
  world.listen();
  const auto [client, server] = world.pair();
  ASSERT_NE(server, nullptr);
  client->transport.reset();
  EXPECT_TRUE(run_until(world.io, [&, s = server] { return s->handler.closed.has_value(); }));
  EXPECT_EQ(client->handler.closes, 0);
}

TEST(quic_close, an_accepted_transport_that_nobody_keeps_is_closed) {
  quic_world world;
  auto dropping = quic_listen(world.io, loopback(0), test::shared_identity(), {}, [](transport_ptr, base::instant) {}, {}).value();
  auto* const client = world.connect(world.options(dropping->port()));
  ASSERT_NE(client, nullptr);
  client->transport->send(chain_of("hello?"));
  EXPECT_TRUE(run_until(world.io, [&] { return client->handler.closed.has_value(); }));
}

TEST(quic_half_close, the_peers_fin_ends_the_pipe_after_its_last_byte) {
  quic_world world;
  world.listen();
  const auto peer = quic_raw_peer::dial(world.io, loopback(world.server->port()));
  ASSERT_TRUE(run_until(world.io, [&] { return peer->ready; }));
  peer->say("the last words", true);
  ASSERT_TRUE(run_until(world.io, [&] { return world.accepted.size() == 1 && world.accepted[0]->handler.closed.has_value(); }));
  auto& handler = world.accepted[0]->handler;
  EXPECT_EQ(handler.received, "the last words");
  EXPECT_EQ(handler.closed->reason.kind, error_kind::closed);
  EXPECT_TRUE(handler.closed->by_peer);
  EXPECT_FALSE(handler.closed->code.has_value()) << "a FIN carries no code";
  ASSERT_TRUE(run_until(world.io, [&] { return peer->ended.has_value(); })) << "our half is ended too";
  EXPECT_TRUE(peer->fin_received);
  peer->hang_up();
}

// What the loop of an endpoint goes by: who starts is written before the others.
TEST(quic_start, lasts_until_all_that_was_there_for_the_peer_has_gone_out) {
  quic_world world;
  world.listen();
  const auto peer = quic_raw_peer::dial(world.io, loopback(world.server->port()));
  EXPECT_TRUE(peer->connection->starting());
  ASSERT_TRUE(run_until(world.io, [&] { return peer->ready; }));
  peer->say("a command", false);
  ASSERT_TRUE(run_until(world.io, [&] { return world.accepted.size() == 1 && world.accepted[0]->handler.received == "a command"; }));
  EXPECT_TRUE(peer->connection->starting()) << "media is still to come";
  peer->say(noise(60'000, 1), false);  // more than one window
  ASSERT_TRUE(run_until(world.io, [&] { return world.accepted[0]->handler.received.size() > 60'000; }));
  EXPECT_FALSE(peer->connection->starting());
  peer->hang_up();
}

// The keys outlive the server's TLS session.
TEST(quic_keys, are_updated_after_the_handshake) {
  quic_world world;
  world.listen();
  const auto peer = quic_raw_peer::dial(world.io, loopback(world.server->port()));
  ASSERT_TRUE(run_until(world.io, [&] { return peer->ready; }));
  peer->say("hi", false);
  ASSERT_TRUE(run_until(world.io, [&] { return world.accepted.size() == 1 && world.accepted[0]->handler.received == "hi"; }));
  EXPECT_THAT(world.accepted[0]->transport->facts().tls, HasSubstr("TLS1.3 "));
  int rv = NGTCP2_ERR_INVALID_STATE;
  ASSERT_TRUE(run_until(world.io, [&] {  // possible once the handshake is confirmed
    rv = ngtcp2_conn_initiate_key_update(peer->connection->native(), peer->connection->now());
    return rv == 0;
  })) << ngtcp2_strerror(rv);
  peer->say("under new keys", false);
  ASSERT_TRUE(run_until(world.io, [&] { return world.accepted[0]->handler.received == "hiunder new keys"; }));
  world.accepted[0]->transport->send(chain_of("likewise"));
  EXPECT_TRUE(run_until(world.io, [&] { return peer->received == "likewise"; }));
  peer->hang_up();
}

TEST(quic_half_close, a_reset_is_a_reset) {
  quic_world world;
  world.listen();
  const auto peer = quic_raw_peer::dial(world.io, loopback(world.server->port()));
  ASSERT_TRUE(run_until(world.io, [&] { return peer->ready; }));
  peer->say("half a mess", false);
  ASSERT_TRUE(run_until(world.io, [&] { return world.accepted.size() == 1 && world.accepted[0]->handler.received == "half a mess"; }));
  ASSERT_EQ(ngtcp2_conn_shutdown_stream_write(peer->connection->native(), 0, 0, 5), 0);
  peer->connection->touch();
  auto& handler = world.accepted[0]->handler;
  ASSERT_TRUE(run_until(world.io, [&] { return handler.closed.has_value(); }));
  EXPECT_EQ(handler.closed->reason.kind, error_kind::unreachable);
  EXPECT_EQ(handler.closed->code, 5u);
  peer->hang_up();
}

TEST(quic_half_close, stop_sending_does_not_hang_the_close) {
  quic_world world;
  world.listen();
  const auto peer = quic_raw_peer::dial(world.io, loopback(world.server->port()));
  ASSERT_TRUE(run_until(world.io, [&] { return peer->ready; }));
  peer->say("x", false);
  ASSERT_TRUE(run_until(world.io, [&] { return world.accepted.size() == 1; }));
  ASSERT_EQ(ngtcp2_conn_shutdown_stream_read(peer->connection->native(), 0, 0, 5), 0);
  peer->connection->touch();
  auto& end = *world.accepted[0];
  end.transport->send(chain_of(noise(3'000'000, 5)));  // nobody grants window for this; STOP_SENDING arrives meanwhile
  run_until(
      world.io, [] { return false; }, 50ms);
  end.transport->close(close_code::no_error, "then not");
  EXPECT_TRUE(run_until(
      world.io, [&] { return peer->ended.has_value(); }, 1500ms))
      << "there is nothing left to flush";
  peer->hang_up();
}

TEST(quic_half_close, a_client_that_opens_no_stream_is_closed_after_the_handshake_timeout) {
  quic_world world;
  world.server_options.handshake_timeout = 400ms;
  world.listen();
  auto* const client = world.connect();  // sends nothing
  ASSERT_NE(client, nullptr);
  ASSERT_TRUE(run_until(
      world.io, [&] { return client->handler.closed.has_value(); }, 3s));
  EXPECT_EQ(client->handler.closed->code, 1u);
  EXPECT_THAT(client->handler.closed->reason.text, HasSubstr("no stream"));
  EXPECT_TRUE(world.accepted.empty());
}

TEST(quic_flow, a_paused_receiver_closes_the_window_and_loses_nothing) {
  quic_world world;
  world.listen();
  const auto [client, server] = world.pair();
  ASSERT_NE(server, nullptr);
  server->transport->pause_receive(true);
  const std::string bytes = noise(8'000'000, 6);
  client->transport->send(chain_of(bytes));
  run_until(
      world.io, [] { return false; }, 400ms);
  EXPECT_EQ(server->handler.received.size(), 0u);
  EXPECT_GT(client->transport->queued_bytes(), 1'000'000u);
  EXPECT_GT(client->transport->oldest_queued_age(std::chrono::steady_clock::now()), 200ms);
  EXPECT_EQ(client->transport->send_budget(), 0u);
  server->transport->pause_receive(false);
  ASSERT_TRUE(run_until(
      world.io, [&, s = server] { return s->handler.received.size() >= bytes.size(); }, 30s));
  EXPECT_TRUE(server->handler.received == bytes);
}

TEST(quic_flow, nothing_is_read_before_start) {
  quic_world world;
  world.start_accepted = false;
  world.listen();
  auto* const client = world.connect();
  ASSERT_NE(client, nullptr);
  client->transport->send(chain_of("early"));
  ASSERT_TRUE(run_until(world.io, [&] { return world.accepted.size() == 1; }));
  run_until(
      world.io, [] { return false; }, 50ms);
  auto& end = *world.accepted[0];
  end.handler.inside = true;
  end.transport->start(end.handler);
  end.handler.inside = false;
  EXPECT_TRUE(run_until(world.io, [&] { return end.handler.received == "early"; }));
  EXPECT_FALSE(end.handler.called_inside);
}

// A sender that follows the budget: key frames of 300 KB in many slices, whenever there is room.
TEST(quic_flow, budget_and_on_writable_carry_bursts) {
  quic_world world;
  world.listen();
  const auto [client, server] = world.pair();
  ASSERT_NE(server, nullptr);
  constexpr std::size_t total = 6'000'000, frame = 300'000, slice = 4096;
  const std::string bytes = noise(total, 7);
  std::size_t offset = 0, queued_most = 0;
  const auto pump = [&, s = server] {
    while (offset < total && s->transport->send_budget() > 0) {
      base::send_chain chain;
      for (std::size_t end = std::min(offset + frame, total); offset < end;) {
        const auto n = std::min(slice, end - offset);
        chain.push_back(base::slice::copy_of(base::as_bytes(std::string_view(bytes).substr(offset, n))));
        offset += n;
      }
      s->transport->send(std::move(chain));
      queued_most = std::max(queued_most, s->transport->queued_bytes());
    }
  };
  server->handler.during_writable = pump;
  pump();
  EXPECT_LT(offset, total) << "the budget ends before the movie does";
  ASSERT_TRUE(run_until(
      world.io, [&, c = client] { return c->handler.received.size() >= total; }, 30s));
  EXPECT_TRUE(client->handler.received == bytes);
  EXPECT_GT(server->handler.writables, 0);
  EXPECT_FALSE(server->handler.called_inside);
}

TEST(quic_flow, one_slice_may_go_to_many_connections) {
  quic_world world;
  world.listen();
  constexpr std::size_t viewers = 30;
  for (std::size_t i = 0; i < viewers; ++i) ASSERT_NE(world.pair().first, nullptr);
  auto bytes = std::make_shared<const std::string>(noise(200'000, 8));
  const std::weak_ptr<const std::string> watched = bytes;
  const base::slice shared(bytes, base::as_bytes(*bytes));
  const std::string expected = *bytes;
  bytes.reset();
  for (auto& end : world.accepted) end->transport->send(base::send_chain(shared));
  ASSERT_TRUE(run_until(
      world.io,
      [&] {
        return std::all_of(world.clients.begin(), world.clients.end(),
                           [&](auto& end) { return end->handler.received.size() == expected.size(); });
      },
      30s));
  for (auto& end : world.clients) EXPECT_TRUE(end->handler.received == expected);
  EXPECT_EQ(world.server->counters().connections, viewers);
}

TEST(quic_callbacks, closing_and_dropping_inside_any_callback_is_safe) {
  for (int where = 0; where < 4; ++where) {
    quic_world world;
    world.listen();
    const auto [client, server] = world.pair();
    ASSERT_NE(server, nullptr);
    bool done = false;
    const auto drop = [&, s = server] {
      if (where % 2 == 0) s->transport->close(close_code::no_error, "inside");
      s->transport.reset();
      done = true;
    };
    if (where < 2) {
      server->handler.during_receive = drop;
    } else {
      server->handler.during_receive_done = drop;
    }
    client->transport->send(chain_of("trigger"));
    ASSERT_TRUE(run_until(world.io, [&] { return done; })) << where;
    EXPECT_TRUE(run_until(world.io, [&, c = client] { return c->handler.closed.has_value(); })) << where;
    EXPECT_EQ(server->handler.closes, 0) << where;
  }
}

TEST(quic_callbacks, dropping_inside_on_closed_is_safe) {
  quic_world world;
  world.listen();
  const auto [client, server] = world.pair();
  ASSERT_NE(server, nullptr);
  server->handler.during_closed = [&, s = server] { s->transport.reset(); };
  client->transport->close(close_code::no_error, "");
  EXPECT_TRUE(run_until(world.io, [&, s = server] { return s->handler.closed.has_value(); }));
}

TEST(quic_callbacks, the_server_may_be_destroyed_inside_a_callback) {
  quic_world world;
  world.listen();
  const auto [client, server] = world.pair();
  ASSERT_NE(server, nullptr);
  server->handler.during_receive = [&] { world.server.reset(); };
  client->transport->send(chain_of("trigger"));
  EXPECT_TRUE(run_until(world.io, [&, c = client, s = server] { return c->handler.closed && s->handler.closed; }));
}

TEST(quic_callbacks, the_server_may_be_destroyed_inside_on_accept) {
  quic_world world;
  world.on_accept = [&](test::quic_end&) { world.server.reset(); };
  world.listen();
  auto* const client = world.connect();
  ASSERT_NE(client, nullptr);
  client->transport->send(chain_of("hi"));
  EXPECT_TRUE(run_until(world.io, [&] { return client->handler.closed.has_value(); }));
}

TEST(quic_callbacks, two_thousand_rounds_of_question_and_answer) {
  quic_world world;
  world.listen();
  const auto [client, server] = world.pair();
  ASSERT_NE(server, nullptr);
  server->handler.during_receive_done = [&, s = server] {
    s->transport->send(chain_of("a"));
    s->handler.received.clear();
  };
  client->handler.during_receive_done = [&, c = client] {
    if (c->handler.received.size() < 2000) c->transport->send(chain_of("q"));
  };
  client->transport->send(chain_of("q"));
  EXPECT_TRUE(run_until(
      world.io, [&, c = client] { return c->handler.received.size() >= 2000; }, 30s));
}

// One process has left the socket to another, which does not read it: before the first knows, or later.
TEST(quic_sibling, who_is_connected_is_read_where_the_other_closes_its_channel) {
  for (const bool at_once : {true, false}) {
    quic_world world;
    world.listen();
    const auto [client, server] = world.pair();
    ASSERT_NE(server, nullptr);
    std::array<int, 2> channel{};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, channel.data()), 0);
    world.server->join_sibling(channel[0], 7);
    if (at_once) {
      ::close(channel[1]);
      run_until(
          world.io, [] { return false; }, 20ms);
    }
    world.server->leave_reading_to_sibling();
    client->transport->send(chain_of("on"));
    if (!at_once) {
      EXPECT_FALSE(run_until(
          world.io, [&, s = server] { return s->handler.received == "on"; }, 100ms));
      ::close(channel[1]);
    }
    EXPECT_TRUE(run_until(world.io, [&, s = server] { return s->handler.received == "on"; }));
    const auto refused = world.dial(world.options());
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().text, HasSubstr("refused"));
    world.server->take_reading_back();
    EXPECT_NE(world.pair().second, nullptr);
  }
}

}  // namespace
}  // namespace millrace::net
