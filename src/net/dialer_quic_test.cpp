// Dialer and listener with QUIC that answers: the whole race on loopback, both transports of one listener.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/udp.hpp>
#include <boost/asio/steady_timer.hpp>

#include "net/dialer.hpp"
#include "net/listener.hpp"
#include "support/net_fixtures.hpp"

namespace millrace::net {
namespace {

namespace asio = boost::asio;
using asio::ip::udp;
using base::error_kind;
using test::recording_handler;
using test::run;
using test::run_until;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using namespace std::chrono_literals;
using side = dial_target::tcp_side;

// Carries packets between one client and a server, each `delay` late: a long path on loopback.
class slow_path {
 public:
  slow_path(asio::io_context& io, std::uint16_t from, std::uint16_t to, std::chrono::milliseconds delay)
      : io_(io), front_(io, udp::endpoint(asio::ip::address_v4::loopback(), from)), back_(io, udp::endpoint(udp::v4(), 0)), delay_(delay) {
    back_.connect({asio::ip::address_v4::loopback(), to});
    front_.non_blocking(true);
    back_.non_blocking(true);
    receive(front_, true);
    receive(back_, false);
  }

 private:
  void receive(udp::socket& in, bool from_client) {
    in.async_wait(udp::socket::wait_read, [this, &in, from_client](const boost::system::error_code& failure) {
      if (failure) return;
      for (;;) {
        std::vector<char> packet(2048);
        boost::system::error_code none;
        udp::endpoint from;
        const auto size = in.receive_from(asio::buffer(packet), from, 0, none);
        if (none) break;
        packet.resize(size);
        if (from_client) client_ = from;
        auto timer = std::make_shared<asio::steady_timer>(io_, delay_);
        timer->async_wait([this, timer, from_client, packet = std::move(packet)](const boost::system::error_code& stopped) {
          if (stopped) return;
          boost::system::error_code ignored;
          if (from_client) {
            back_.send(asio::buffer(packet), 0, ignored);
          } else {
            front_.send_to(asio::buffer(packet), client_, 0, ignored);
          }
        });
      }
      receive(in, from_client);
    });
  }

  asio::io_context& io_;
  udp::socket front_, back_;
  std::chrono::milliseconds delay_;
  udp::endpoint client_;
};

class dialing_quic : public ::testing::Test {
 protected:
  dialing_quic() {
    target.host = "127.0.0.1";
    target.host_is_ip = true;
    target.quic = true;
    target.tcp = side::tls;
    target.verify.pin = test::shared_identity()->pin;
    options.memory = &memory;
  }
  std::unique_ptr<listener> serve(bool tcp, bool quic, const char* address = "127.0.0.1") {
    listener_options how;
    how.address = {address, 0};
    how.tcp = how.tls = tcp;
    how.quic = quic;
    how.certificate = test::shared_identity();
    how.quic_options.secrets.stateless_reset.assign(32, 1);
    how.quic_options.secrets.token.assign(32, 2);
    auto made = listen(io, how, [this](transport_ptr t, base::instant) { accepted.push_back(std::move(t)); });
    if (!made) throw std::runtime_error(made.error().text);
    return *std::move(made);
  }
  std::variant<dialed, dial_failure> dial_now() { return run(io, dial(target, options)); }
  dialed success() {
    auto outcome = dial_now();
    if (auto* failed = std::get_if<dial_failure>(&outcome)) throw std::runtime_error(failed->reason.text);
    return std::move(std::get<dialed>(outcome));
  }

  asio::io_context io;
  std::vector<transport_ptr> accepted;
  dial_target target;
  dial_options options;
  dial_memory memory;
};

TEST_F(dialing_quic, QuicWinsAndItsRttIsRemembered) {
  auto server = serve(true, true);
  target.port = server->port();
  auto made = success();
  EXPECT_EQ(made.transport->kind(), transport_kind::quic);
  EXPECT_EQ(made.story.why, "QUIC as asked");
  EXPECT_FALSE(made.story.fell_back);
  ASSERT_NE(memory.find(target.host, target.port), nullptr);
  EXPECT_TRUE(memory.find(target.host, target.port)->rtt.has_value());
  EXPECT_EQ(memory.find(target.host, target.port)->quic_failures, 0);
  recording_handler client, peer;
  made.transport->start(client);
  made.transport->send(test::chain_of("\x03hello"));
  ASSERT_TRUE(run_until(io, [&] { return accepted.size() == 1; }));
  EXPECT_EQ(accepted[0]->kind(), transport_kind::quic);
  accepted[0]->start(peer);
  EXPECT_TRUE(run_until(io, [&] { return peer.received == "\x03hello"; }));
  EXPECT_EQ(server->counters().accepted_quic, 1u);
  EXPECT_EQ(server->counters().accepted_tls, 0u);
  made.transport->abort();
  accepted[0]->abort();
}

TEST_F(dialing_quic, OneNumberForTcpAndUdp) {
  auto server = serve(true, true);
  const auto at = "127.0.0.1:" + std::to_string(server->port());
  EXPECT_THAT(server->addresses(), ElementsAre("rtmp://" + at, "rtmps://" + at, "rtmpq://" + at));
  target.port = server->port();
  EXPECT_EQ(success().transport->kind(), transport_kind::quic);
  target.quic = false;
  EXPECT_EQ(success().transport->kind(), transport_kind::tls);
  target.tcp = side::plain;
  EXPECT_EQ(success().transport->kind(), transport_kind::tcp);
}

TEST_F(dialing_quic, BothFamiliesOverQuicThroughOneListener) {
  auto server = serve(true, true, "::");
  target.port = server->port();
  EXPECT_EQ(success().transport->kind(), transport_kind::quic);
  target.host = "localhost";
  target.host_is_ip = false;
  EXPECT_EQ(success().transport->kind(), transport_kind::quic);
}

// localhost is ::1 first, the server only on 127.0.0.1: QUIC goes on with the next address instead of falling back.
TEST_F(dialing_quic, RefusedFirstAddressIsNoReasonToFallBack) {
  auto server = serve(true, true);
  target.port = server->port();
  target.host = "localhost";
  target.host_is_ip = false;
  auto made = success();
  EXPECT_EQ(made.transport->kind(), transport_kind::quic);
  EXPECT_EQ(made.story.why, "QUIC as asked");
}

TEST_F(dialing_quic, Y4_WrongPinOverQuicIsNeverAReasonToFallBack) {
  auto server = serve(true, true);
  target.port = server->port();
  target.tcp = side::plain;  // would connect at once, without any certificate
  target.verify.pin = std::string(64, '0');
  auto outcome = dial_now();
  ASSERT_TRUE(std::holds_alternative<dial_failure>(outcome));
  const auto& failed = std::get<dial_failure>(outcome);
  EXPECT_EQ(failed.reason.kind, error_kind::certificate);
  EXPECT_THAT(failed.reason.text, HasSubstr("(QUIC)"));
  EXPECT_FALSE(run_until(
      io, [&] { return !accepted.empty(); }, 400ms));
  EXPECT_EQ(server->counters().accepted_tcp, 0u);
}

TEST_F(dialing_quic, WrongPinAlsoEndsARaceWithoutHeadStart) {
  auto server = serve(true, true);
  target.port = server->port();
  target.verify.pin = std::string(64, '0');
  memory.quic_failed(target.host, target.port, std::chrono::steady_clock::now());
  auto outcome = dial_now();
  ASSERT_TRUE(std::holds_alternative<dial_failure>(outcome));
  EXPECT_EQ(std::get<dial_failure>(outcome).reason.kind, error_kind::certificate);
}

TEST_F(dialing_quic, Y3_LateQuicIsRememberedAsWorkingAndCarriesNoByte) {
  auto tcp = serve(true, false);
  auto quic = serve(false, true);
  target.port = tcp->port();
  slow_path path(io, target.port, quic->port(), 180ms);
  auto made = success();
  EXPECT_EQ(made.transport->kind(), transport_kind::tls);
  EXPECT_EQ(made.story.why, "fell back to TLS: no answer over UDP within 250 ms");
  ASSERT_TRUE(run_until(
      io, [&] { return memory.find(target.host, target.port) != nullptr; }, 4s));
  const auto* known = memory.find(target.host, target.port);
  EXPECT_EQ(known->quic_failures, 0);
  ASSERT_TRUE(known->rtt.has_value());
  EXPECT_GE(*known->rtt, 350ms);
  // The close reaches the server, which saw a connection and not one byte of RTMP.
  ASSERT_TRUE(run_until(
      io, [&] { return quic->counters().quic.connections == 0; }, 10s));
  for (const auto& one : accepted) EXPECT_EQ(one->facts().bytes_received, 0u);
  // Next time QUIC is waited for.
  EXPECT_GE(memory.head_start(target.host, target.port, std::chrono::steady_clock::now()), 750ms);
  auto again = success();
  EXPECT_EQ(again.transport->kind(), transport_kind::quic);
}

TEST_F(dialing_quic, AcceptedTransportOutlivesItsListener) {
  auto server = serve(true, true);
  target.port = server->port();
  auto made = success();
  recording_handler client, peer;
  made.transport->start(client);
  made.transport->send(test::chain_of("a"));
  ASSERT_TRUE(run_until(io, [&] { return accepted.size() == 1; }));
  accepted[0]->start(peer);
  ASSERT_TRUE(run_until(io, [&] { return peer.received == "a"; }));
  server.reset();
  made.transport->send(test::chain_of("b"));
  accepted[0]->send(test::chain_of("c"));
  EXPECT_TRUE(run_until(io, [&] { return peer.received == "ab" && client.received == "c"; }));
  // The last one takes the socket along, also from inside a callback.
  peer.during_receive = [&] {
    accepted[0]->close(close_code::no_error, "");
    accepted.clear();
  };
  made.transport->send(test::chain_of("d"));
  EXPECT_TRUE(run_until(io, [&] { return client.closes == 1; }));
}

TEST_F(dialing_quic, StoppedListenerRefusesQuicAndKeepsWhatIsThere) {
  auto server = serve(true, true);
  target.port = server->port();
  auto made = success();
  recording_handler client, peer;
  made.transport->start(client);
  made.transport->send(test::chain_of("a"));
  ASSERT_TRUE(run_until(io, [&] { return accepted.size() == 1; }));
  accepted[0]->start(peer);
  server->stop();
  target.tcp = side::none;
  auto refused = dial_now();
  ASSERT_TRUE(std::holds_alternative<dial_failure>(refused));
  EXPECT_EQ(std::get<dial_failure>(refused).reason.kind, error_kind::unreachable);
  made.transport->send(test::chain_of("b"));
  EXPECT_TRUE(run_until(io, [&] { return peer.received == "ab"; }));
  made.transport->abort();
  accepted[0]->abort();
}

}  // namespace
}  // namespace millrace::net
