// Datagrams that no honest client sends: nothing of it may crash the server, keep state, or be answered with more bytes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "net/quic_ids.hpp"
#include "support/quic_fixtures.hpp"
#include "support/quic_raw_peer.hpp"
#include "support/udp_relay.hpp"

namespace millrace::net {
namespace {

using namespace std::chrono_literals;
using test::chain_of;
using test::loopback;
using test::noise;
using test::quic_world;
using test::run_until;

// A socket without any QUIC.
class stranger {
 public:
  stranger(quic_world& world, std::uint16_t port) : world_(world), socket_(world.io, loopback(0)) { socket_.connect(loopback(port)); }
  void send(const std::string& bytes) {
    boost::system::error_code ignored;
    socket_.send(boost::asio::buffer(bytes), 0, ignored);
  }
  // What comes back within the time.
  std::vector<std::string> answers(std::chrono::milliseconds time) {
    run_until(
        world_.io, [] { return false; }, time);
    std::vector<std::string> out;
    socket_.non_blocking(true);
    for (;;) {
      std::string buffer(65536, '\0');
      boost::system::error_code failed;
      buffer.resize(socket_.receive(boost::asio::buffer(buffer), 0, failed));
      if (failed) return out;
      out.push_back(std::move(buffer));
    }
  }

 private:
  quic_world& world_;
  boost::asio::ip::udp::socket socket_;
};

std::string long_header(std::uint32_t version, std::size_t id_bytes, std::size_t size, unsigned char first = 0xc3) {
  std::string out(1, static_cast<char>(first));
  for (int i = 3; i >= 0; --i) out += static_cast<char>(version >> (8 * i));
  for (char fill : {'d', 's'}) {
    out += static_cast<char>(id_bytes);
    out.append(id_bytes, fill);
  }
  out.resize(std::max(size, out.size()), '\0');
  return out;
}

TEST(quic_hostile, an_unknown_version_is_negotiated_with_fewer_bytes) {
  quic_world world;
  world.listen();
  stranger someone(world, world.server->port());
  const std::string question = long_header(0x1a2a3a4a, 8, 1200);
  someone.send(question);
  const auto answers = someone.answers(100ms);
  ASSERT_EQ(answers.size(), 1u);
  const std::string& answer = answers[0];
  EXPECT_LT(answer.size(), question.size());
  EXPECT_NE(static_cast<unsigned char>(answer[0]) & 0x80, 0);
  EXPECT_EQ(answer.substr(1, 4), std::string(4, '\0'));
  EXPECT_EQ(answer.substr(5, 18),
            "\x08"
            "ssssssss"
            "\x08"
            "dddddddd")
      << "the ids come back swapped";
  EXPECT_THAT(answer.substr(23), testing::HasSubstr(std::string("\0\0\0\1", 4)));
  EXPECT_EQ(world.server->counters().version_negotiations_sent, 1u);
  someone.send(long_header(0x1a2a3a4a, 8, 1199));
  EXPECT_TRUE(someone.answers(50ms).empty()) << "too small to start a connection, so too small to answer";
}

TEST(quic_hostile, an_unknown_short_header_gets_a_shorter_reset_and_only_so_many_of_them) {
  quic_world world;
  world.listen();
  stranger someone(world, world.server->port());
  for (const std::size_t size : {22u, 30u, 43u, 44u, 200u, 1200u}) {
    someone.send("\x43" + noise(size - 1, static_cast<unsigned>(size)));
    const auto answers = someone.answers(30ms);
    ASSERT_EQ(answers.size(), 1u) << size;
    EXPECT_LT(answers[0].size(), size);
    EXPECT_GE(answers[0].size(), 21u);
    EXPECT_EQ(static_cast<unsigned char>(answers[0][0]) & 0xc0, 0x40) << "looks like a short header";
  }
  someone.send("\x43" + noise(20, 1));
  EXPECT_TRUE(someone.answers(30ms).empty()) << "a shorter answer would be no reset";
  for (unsigned i = 0; i < 1000; ++i) {
    someone.send("\x43" + noise(60, i));
    if (i % 50 == 0)
      run_until(
          world.io, [] { return false; }, 1ms);
  }
  someone.answers(50ms);
  EXPECT_LE(world.server->counters().stateless_resets_sent, 200u) << "100 a second";
}

TEST(quic_hostile, a_version_negotiation_from_a_client_is_not_answered) {  // RFC 9000 section 6.1
  quic_world world;
  world.listen();
  stranger someone(world, world.server->port());
  for (const std::size_t size : {30u, 200u, 1200u}) someone.send(long_header(0, 8, size, 0x80));
  EXPECT_TRUE(someone.answers(50ms).empty());
  EXPECT_EQ(world.server->counters().stateless_resets_sent, 0u);
}

TEST(quic_hostile, garbage_leaves_no_state_and_honest_clients_unharmed) {
  quic_world world;
  world.listen();
  const auto [client, server] = world.pair();
  ASSERT_NE(server, nullptr);
  stranger someone(world, world.server->port());
  std::mt19937 random(11);
  for (unsigned i = 0; i < 6000; ++i) {
    std::string bytes;
    switch (random() % 5) {
      case 0: bytes = noise(random() % 1500, random()); break;  // the empty datagram is in here too
      case 1: bytes = long_header(1, random() % 256, 1200, static_cast<unsigned char>(random())); break;
      case 2: bytes = long_header(static_cast<std::uint32_t>(random() % 3), random() % 21, random() % 1400); break;
      case 3: bytes = long_header(1, 8, 1200) + noise(random() % 300, random()); break;
      default:
        bytes = long_header(1, 8 + random() % 13, 0);
        bytes += '\0';                        // no token
        bytes += std::string("\x44\x00", 2);  // length 1024
        bytes += noise(1300, random());
        break;
    }
    someone.send(bytes);
    if (i % 16 == 0)
      run_until(
          world.io, [] { return false; }, 1ms);
  }
  someone.answers(50ms);
  EXPECT_LE(world.server->counters().connections, 2u) << "packets that do not decrypt make no connection";
  client->transport->send(chain_of("still here"));
  EXPECT_TRUE(run_until(world.io, [&, s = server] { return s->handler.received == "still here"; }));
}

// Real packets with bits flipped, during handshakes and after: each connection works or ends, the server lives on.
TEST(quic_hostile, mutated_handshakes) {
  quic_world world;
  world.client_options.handshake_timeout = 500ms;
  world.listen();
  for (unsigned seed = 1; seed <= 10; ++seed) {
    test::udp_relay relay(world.io, loopback(world.server->port()), seed);
    relay.now.corrupt = 0.4;
    relay.now.duplicate = 0.3;
    auto made = world.dial(world.options(relay.port()));
    if (made) (*made)->abort();
  }
  EXPECT_NE(world.pair().second, nullptr);
}

TEST(quic_hostile, replayed_datagrams_of_an_ended_connection_are_harmless) {
  quic_world world;
  world.listen();
  std::vector<std::vector<std::uint8_t>> recorded;
  {
    test::udp_relay relay(world.io, loopback(world.server->port()));
    relay.tap = [&](bool up, const std::vector<std::uint8_t>& bytes) {
      if (up) recorded.push_back(bytes);
    };
    const auto [client, server] = world.pair(world.options(relay.port()));
    ASSERT_NE(server, nullptr);
    client->transport->close(close_code::no_error, "over");
    ASSERT_TRUE(run_until(world.io, [&] { return world.server->counters().connections == 0; }));
  }
  const std::size_t accepted = world.accepted.size();
  stranger replayer(world, world.server->port());
  for (int round = 0; round < 20; ++round) {
    for (const auto& bytes : recorded) replayer.send(std::string(bytes.begin(), bytes.end()));
    run_until(
        world.io, [] { return false; }, 5ms);
  }
  replayer.answers(100ms);
  EXPECT_EQ(world.accepted.size(), accepted) << "no transport comes out of a replay";
  EXPECT_NE(world.pair().second, nullptr);
}

// The server has no TLS session any more by then (RFC 9001 section 6: a key update of TLS, say, is an unexpected message).
TEST(quic_hostile, handshake_data_behind_the_handshake_ends_the_connection) {
  quic_world world;
  world.listen();
  const auto peer = test::quic_raw_peer::dial(world.io, loopback(world.server->port()));
  ASSERT_TRUE(run_until(world.io, [&] { return peer->ready; }));
  peer->say("hi", false);
  ASSERT_TRUE(run_until(world.io, [&] { return world.accepted.size() == 1 && world.accepted[0]->handler.received == "hi"; }));
  const std::array<std::uint8_t, 5> key_update{24, 0, 0, 1, 0};
  ASSERT_EQ(ngtcp2_conn_submit_crypto_data(peer->connection->native(), NGTCP2_ENCRYPTION_LEVEL_1RTT, key_update.data(), key_update.size()), 0);
  peer->connection->touch();
  ASSERT_TRUE(run_until(world.io, [&] { return peer->ended.has_value(); }));
  EXPECT_EQ(peer->ended->code, 0x100u + tls_alert_unexpected_message);
  ASSERT_TRUE(run_until(world.io, [&] { return world.accepted[0]->handler.closed.has_value(); }));
  EXPECT_EQ(world.accepted[0]->handler.closed->reason.kind, base::error_kind::protocol);
  peer->hang_up();
}

// Streams cost the server something each, and one that has ended without a byte uses up no window: only their number can hold them back.
TEST(quic_hostile, streams_before_the_sessions_own_make_room_for_others_once_they_are_read) {
  constexpr std::size_t wanted = 2'000, allowed = 8;
  quic_world world;
  world.listen();
  const auto peer = test::quic_raw_peer::dial(world.io, loopback(world.server->port()), {}, roqr_alpn);
  ASSERT_TRUE(run_until(world.io, [&] { return peer->ready; }));
  peer->end_streams(wanted);
  EXPECT_FALSE(run_until(world.io, [&] { return peer->streams_ended > allowed; }, 300ms)) << "nobody has read any of them";
  EXPECT_EQ(peer->streams_ended, allowed);
  EXPECT_FALSE(peer->ended);
  peer->say("hi", false);
  EXPECT_TRUE(run_until(world.io, [&] { return peer->streams_ended == wanted; }));
  peer->hang_up();
}

// Each may be full of gaps, which cost memory by the number and not by the byte: who does not publish gets little.
TEST(quic_hostile, a_stranger_may_have_few_streams_at_once_and_a_publisher_many) {
  constexpr std::size_t stranger = 8, publisher = 128;
  quic_world world;
  world.start_accepted = false;  // so nothing is read, and none that has ended makes room for another
  world.listen();
  const auto peer = test::quic_raw_peer::dial(world.io, loopback(world.server->port()), {}, roqr_alpn);
  ASSERT_TRUE(run_until(world.io, [&] { return peer->ready; }));
  peer->say("hi", false);
  ASSERT_TRUE(run_until(world.io, [&] { return world.accepted.size() == 1; }));
  EXPECT_EQ(ngtcp2_conn_get_max_data_left2(peer->connection->native()), (2u << 20) - 2);
  peer->end_streams(2 * publisher);
  EXPECT_FALSE(run_until(world.io, [&] { return peer->streams_ended > stranger; }, 200ms));
  EXPECT_EQ(peer->streams_ended, stranger);
  world.accepted[0]->transport->expect_media();
  EXPECT_TRUE(run_until(world.io, [&] { return peer->streams_ended == publisher; })) << peer->streams_ended;
  world.accepted[0]->transport->expect_media();
  EXPECT_FALSE(run_until(world.io, [&] { return peer->streams_ended > publisher; }, 200ms)) << "once";
  EXPECT_EQ(ngtcp2_conn_get_max_data_left2(peer->connection->native()), (16u << 20) - 2);
  peer->hang_up();
}

TEST(quic_hostile, a_thousand_connections_come_and_go_without_a_trace) {
  quic_world world;
  world.listen();
  for (int i = 0; i < 1000; ++i) {
    const auto [client, server] = world.pair();
    ASSERT_NE(server, nullptr) << i;
    client->transport->abort();
    world.clients.clear();
    ASSERT_TRUE(run_until(world.io, [&] { return world.accepted[0]->handler.closed.has_value(); })) << i;
    world.accepted.clear();
  }
  EXPECT_EQ(world.server->counters().connections, 0u);
  EXPECT_EQ(world.server->counters().half_open, 0u);
}

TEST(quic_ids, the_hash_is_keyed) {
  const std::uint8_t bytes[8] = {1, 2, 3, 4, 5, 6, 7, 8};
  const connection_id id(bytes, sizeof bytes);
  const connection_id_table::hasher a, b;
  EXPECT_EQ(a(id), a(connection_id(bytes, sizeof bytes)));
  EXPECT_NE(a(id), b(id)) << "another table has another key";
  EXPECT_NE(a(id), a(connection_id(bytes, 7)));
  EXPECT_FALSE(id == connection_id(bytes, 7));
}

}  // namespace
}  // namespace millrace::net
