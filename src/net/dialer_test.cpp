// The dialer on loopback: closed and silent UDP ports, wrong pins, names with two families. QUIC that answers: dialer_quic_test.
#include "net/dialer.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/udp.hpp>
#include <fstream>

#include "net/listener.hpp"
#include "support/net_fixtures.hpp"

namespace millrace::net {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using asio::ip::udp;
using base::error_kind;
using test::recording_handler;
using test::run;
using test::run_until;
using ::testing::HasSubstr;
using namespace std::chrono_literals;
using side = dial_target::tcp_side;

class dialing : public ::testing::Test {
 protected:
  dialing() {
    target.host = "127.0.0.1";
    target.host_is_ip = true;
    target.verify.pin = test::shared_identity()->pin;
    options.memory = &memory;
  }
  // A TCP server for plain and TLS without QUIC.
  void serve(const char* address = "127.0.0.1") {
    listener_options how;
    how.address = {address, 0};
    how.quic = false;
    how.certificate = test::shared_identity();
    listener_ = listen(io, how, [this](transport_ptr t, base::instant) { accepted.push_back(std::move(t)); }).value();
    target.port = listener_->port();
  }
  // UDP on the server's port that takes every packet and answers none.
  void black_hole() { hole_.emplace(io, udp::endpoint(asio::ip::address_v4::loopback(), target.port)); }
  std::size_t packets_in_hole() {
    std::size_t count = 0;
    std::array<char, 2048> packet{};
    hole_->non_blocking(true);
    for (boost::system::error_code failure;;) {
      hole_->receive(asio::buffer(packet), 0, failure);
      if (failure) return count;
      ++count;
    }
  }
  std::variant<dialed, dial_failure> dial_now() {
    started_ = std::chrono::steady_clock::now();
    auto outcome = run(io, dial(target, options));
    took_ = std::chrono::steady_clock::now() - started_;
    return outcome;
  }
  dialed success() {
    auto outcome = dial_now();
    if (auto* failed = std::get_if<dial_failure>(&outcome)) {
      ADD_FAILURE() << failed->reason.text;
      throw std::runtime_error("no connection");
    }
    return std::move(std::get<dialed>(outcome));
  }
  dial_failure failure() {
    auto outcome = dial_now();
    if (std::holds_alternative<dialed>(outcome)) throw std::runtime_error("connected: " + std::get<dialed>(outcome).story.why);
    return std::move(std::get<dial_failure>(outcome));
  }

  asio::io_context io;
  std::unique_ptr<listener> listener_;
  std::vector<transport_ptr> accepted;
  std::optional<udp::socket> hole_;
  dial_target target;
  dial_options options;
  dial_memory memory;
  std::chrono::steady_clock::time_point started_;
  std::chrono::steady_clock::duration took_{};
};

TEST_F(dialing, Y1_PlainTcpSendsNoUdpPacket) {
  serve();
  black_hole();
  auto made = success();
  EXPECT_EQ(made.transport->kind(), transport_kind::tcp);
  EXPECT_EQ(made.story.why, "TCP as asked");
  ASSERT_EQ(made.story.steps.size(), 1u);
  EXPECT_EQ(made.story.steps[0].outcome, "connected");
  EXPECT_EQ(made.story.steps[0].address, "127.0.0.1:" + std::to_string(target.port));
  EXPECT_EQ(packets_in_hole(), 0u);
  EXPECT_EQ(memory.find(target.host, target.port), nullptr);
  // The transport is whole: what is sent through it arrives.
  recording_handler client, server;
  made.transport->start(client);
  made.transport->send(test::chain_of("\x03yes"));
  ASSERT_TRUE(run_until(io, [&] { return accepted.size() == 1; }));
  accepted[0]->start(server);
  EXPECT_TRUE(run_until(io, [&] { return server.received == "\x03yes"; }));
  made.transport->abort();
  accepted[0]->abort();
}

TEST_F(dialing, TlsAsAsked) {
  serve();
  target.tcp = side::tls;
  auto made = success();
  EXPECT_EQ(made.transport->kind(), transport_kind::tls);
  EXPECT_EQ(made.story.why, "TLS as asked");
}

TEST_F(dialing, ClosedUdpPortFallsBackAtOnce) {
  serve();
  target.quic = true;
  target.tcp = side::tls;
  auto made = success();
  EXPECT_EQ(made.transport->kind(), transport_kind::tls);
  EXPECT_TRUE(made.story.fell_back);
  EXPECT_THAT(made.story.why, HasSubstr("fell back to TLS: QUIC failed: "));
  ASSERT_EQ(made.story.steps.size(), 2u);
  EXPECT_LT(made.story.steps[1].started, 240ms) << "the head start was not cut short";
  ASSERT_NE(memory.find(target.host, target.port), nullptr);
  EXPECT_EQ(memory.find(target.host, target.port)->quic_failures, 1);
}

TEST_F(dialing, Y3_SilentUdpPortFallsBackAfterTheHeadStart) {
  serve();
  black_hole();
  target.quic = true;
  target.tcp = side::tls;
  auto made = success();
  EXPECT_EQ(made.transport->kind(), transport_kind::tls);
  EXPECT_EQ(made.story.why, "fell back to TLS: no answer over UDP within 250 ms");
  ASSERT_EQ(made.story.steps.size(), 2u);
  EXPECT_GE(made.story.steps[1].started, 249ms);
  EXPECT_LT(made.story.steps[1].started, 400ms);
  EXPECT_GT(packets_in_hole(), 0u);
  // The losing attempt goes on for 2 s, then it counts as a failure and the next dial gets no head start.
  EXPECT_EQ(memory.find(target.host, target.port), nullptr);
  ASSERT_TRUE(run_until(
      io, [&] { return memory.find(target.host, target.port) != nullptr; }, 4s));
  EXPECT_EQ(memory.find(target.host, target.port)->quic_failures, 1);
  auto again = success();
  ASSERT_EQ(again.story.steps.size(), 2u);
  EXPECT_LT(again.story.steps[1].started - again.story.steps[0].started, 20ms);
  EXPECT_THAT(again.story.why, HasSubstr("failed here before"));
  EXPECT_TRUE(run_until(io, [&] { return accepted.size() == 2; }));
}

TEST_F(dialing, MemoryMayGoBeforeTheLosersAreDone) {
  serve();
  black_hole();
  target.quic = true;
  auto short_lived = std::make_unique<dial_memory>();
  options.memory = short_lived.get();
  const auto copy = *short_lived;
  success();
  short_lived.reset();
  EXPECT_TRUE(run_until(
      io, [&] { return copy.find(target.host, target.port) != nullptr; }, 4s));
}

TEST_F(dialing, WrongPinOverTlsEndsTheDialWithKindCertificate) {
  serve();
  target.tcp = side::tls;
  target.verify.pin = std::string(64, '0');
  const auto failed = failure();
  EXPECT_EQ(failed.reason.kind, error_kind::certificate);
  EXPECT_THAT(failed.reason.text, HasSubstr("expected pin 0000"));
  EXPECT_EQ(failed.story.steps.size(), 1u);
  EXPECT_TRUE(accepted.empty());
}

TEST_F(dialing, WrongPinOverTlsCancelsASilentQuicAttempt) {
  serve();
  black_hole();
  target.quic = true;
  target.tcp = side::tls;
  target.verify.pin = std::string(64, '0');
  const auto failed = failure();
  EXPECT_EQ(failed.reason.kind, error_kind::certificate);
  EXPECT_LT(took_, 4s);
  packets_in_hole();
  EXPECT_FALSE(run_until(
      io, [&] { return packets_in_hole() != 0; }, 1'500ms))
      << "the cancelled attempt still sends";
}

TEST_F(dialing, EverythingRefused) {
  {
    tcp::acceptor free_one(io, {asio::ip::address_v4::loopback(), 0});
    target.port = free_one.local_endpoint().port();
  }
  target.quic = true;
  target.tcp = side::tls;
  const auto failed = failure();
  EXPECT_EQ(failed.reason.kind, error_kind::unreachable);
  EXPECT_THAT(failed.reason.text, HasSubstr("127.0.0.1:" + std::to_string(target.port) + " refused the connection"));
  EXPECT_THAT(failed.reason.text, HasSubstr("check that the server is running"));
  EXPECT_EQ(failed.story.steps.size(), 2u);
  EXPECT_LT(took_, 4s);
  EXPECT_EQ(memory.find(target.host, target.port), nullptr) << "a host that is down says nothing about QUIC";
}

TEST_F(dialing, QuicOnlyOnAClosedPortSaysHowToAllowAFallback) {
  serve();
  target.quic = true;
  target.tcp = side::none;
  const auto failed = failure();
  EXPECT_EQ(failed.reason.kind, error_kind::unreachable);
  EXPECT_THAT(failed.reason.text, HasSubstr("quic-only"));
  EXPECT_TRUE(accepted.empty());
}

TEST_F(dialing, UnknownHost) {
  target.host = "no-such-host.invalid";
  target.host_is_ip = false;
  const auto failed = failure();
  EXPECT_EQ(failed.reason.kind, error_kind::resolve);
  EXPECT_THAT(failed.reason.text, HasSubstr("no-such-host.invalid"));
  EXPECT_TRUE(failed.story.steps.empty());
}

TEST_F(dialing, WholeDialIsLimited) {
  // Accepts on TCP (the kernel does) and never speaks TLS.
  tcp::acceptor silent(io, {asio::ip::address_v4::loopback(), 0});
  target.port = silent.local_endpoint().port();
  target.tcp = side::tls;
  options.whole_dial = 300ms;
  const auto failed = failure();
  EXPECT_EQ(failed.reason.kind, error_kind::timeout);
  EXPECT_GE(took_, 295ms);
  EXPECT_LT(took_, 4s);
}

// A name with both families of which only IPv4 serves: the refused IPv6 address does not even cost the stagger.
TEST_F(dialing, LocalhostWithAServerOnIpv4Only) {
  serve();
  target.host = "localhost";
  target.host_is_ip = false;
  auto made = success();
  EXPECT_EQ(made.transport->facts().remote, "127.0.0.1:" + std::to_string(target.port));
  for (const auto& step : made.story.steps) EXPECT_LT(step.started - made.story.resolved, 240ms);
}

TEST_F(dialing, LocalhostWithAServerOnBothFamilies) {
  serve("::");
  target.host = "localhost";
  target.host_is_ip = false;
  target.tcp = side::tls;
  auto made = success();
  EXPECT_EQ(made.story.steps.back().outcome, "connected");
}

TEST_F(dialing, NameIsCheckedAgainstTheCertificate) {
  serve();
  test::temporary_directory directory;
  const auto ca = directory.path() / "ca.pem";
  std::ofstream(ca) << test::shared_identity()->certificate_pem;
  target.tcp = side::tls;
  target.verify = {};
  target.verify.ca_file = ca.string();
  success();  // 127.0.0.1 is one of the certificate's addresses
  target.verify.ca_file = (directory.path() / "missing").string();
  EXPECT_EQ(failure().reason.kind, error_kind::local);
}

TEST_F(dialing, Cancelled) {
  tcp::acceptor silent(io, {asio::ip::address_v4::loopback(), 0});
  target.port = silent.local_endpoint().port();
  target.tcp = side::tls;
  asio::cancellation_signal signal;
  std::optional<std::variant<dialed, dial_failure>> outcome;
  asio::co_spawn(
      io, [&]() -> asio::awaitable<void> { outcome.emplace(co_await dial(target, options)); },
      asio::bind_cancellation_slot(signal.slot(), [](const std::exception_ptr& failed) { EXPECT_FALSE(failed); }));
  EXPECT_FALSE(run_until(
      io, [&] { return outcome.has_value(); }, 50ms));
  signal.emit(asio::cancellation_type::terminal);
  ASSERT_TRUE(run_until(io, [&] { return outcome.has_value(); }));
  EXPECT_EQ(std::get<dial_failure>(*outcome).reason.kind, error_kind::closed);
  // Nothing of it is left on the loop.
  EXPECT_TRUE(run_until(
      io, [&] { return io.poll() == 0 && io.stopped(); }, 2s));
}

TEST_F(dialing, NothingAllowedIsAnError) {
  target.tcp = side::none;
  EXPECT_EQ(failure().reason.kind, error_kind::usage);
}

}  // namespace
}  // namespace millrace::net
