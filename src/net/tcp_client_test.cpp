// Connecting, and whom to trust: TLS against our own listener on loopback.
#include "net/tcp_client.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <fstream>
#include <thread>

#include "net/listener.hpp"
#include "net/openssl_ptr.hpp"
#include "net/tcp_transport.hpp"
#include "support/net_fixtures.hpp"

namespace millrace::net {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using base::error_kind;
using test::run;
using test::run_until;
using ::testing::HasSubstr;
using namespace std::chrono_literals;

class tcp_client : public ::testing::Test {
 protected:
  void SetUp() override {
    listener_options options;
    options.address = {"127.0.0.1", 0};
    options.quic = false;
    options.certificate = test::shared_identity();
    listener_ = listen(io, options, [this](transport_ptr t, base::instant) { accepted.push_back(std::move(t)); }).value();
    connect.remote = {asio::ip::address_v4::loopback(), listener_->port()};
    connect.tls = true;
    connect.server_name = "localhost";
    std::ofstream(ca_) << test::shared_identity()->certificate_pem;
  }
  base::result<transport_ptr> dial() { return run(io, tcp_connect(connect)); }
  base::error failure() {
    auto made = dial();
    EXPECT_FALSE(made.has_value());
    return made ? base::error{} : made.error();
  }

  asio::io_context io;
  test::temporary_directory directory_;
  const std::string ca_ = (directory_.path() / "ca.pem").string();
  std::unique_ptr<listener> listener_;
  std::vector<transport_ptr> accepted;
  tcp_connect_options connect;
};

TEST_F(tcp_client, SelfSignedIsRefusedAndTheTextSaysWhatToDo) {
  const auto why = failure();
  EXPECT_EQ(why.kind, error_kind::certificate);
  EXPECT_THAT(why.text, HasSubstr("self-signed certificate: pass pin=" + test::shared_identity()->pin));
  EXPECT_THAT(why.text, HasSubstr("--ca FILE"));
  // The server has been told by an alert, and nobody was handed over.
  ASSERT_TRUE(run_until(io, [&] { return listener_->counters().refused_handshake == 1; }));
  EXPECT_TRUE(accepted.empty());
}

TEST_F(tcp_client, PinReplacesChainAndName) {
  connect.verify.pin = test::shared_identity()->pin;
  connect.server_name = "some.other.name";
  auto made = dial();
  ASSERT_TRUE(made) << made.error().text;
  EXPECT_EQ((*made)->kind(), transport_kind::tls);
  ASSERT_TRUE(run_until(io, [&] { return accepted.size() == 1; }));
  EXPECT_EQ(listener_->counters().accepted_tls, 1u);
}

TEST_F(tcp_client, WrongPinIsRefusedWithBothPins) {
  connect.verify.pin = std::string(64, 'a');
  const auto why = failure();
  EXPECT_EQ(why.kind, error_kind::certificate);
  EXPECT_THAT(why.text, HasSubstr("expected pin " + std::string(64, 'a')));
  EXPECT_THAT(why.text, HasSubstr("got " + test::shared_identity()->pin));
}

TEST_F(tcp_client, WrongPinIsRefusedEvenWithAGoodCaFile) {
  connect.verify.pin = std::string(64, 'a');
  connect.verify.ca_file = ca_;
  EXPECT_EQ(failure().kind, error_kind::certificate);
}

TEST_F(tcp_client, CaFileTrustsTheServersOwnCertificate) {
  connect.verify.ca_file = ca_;
  auto made = dial();
  ASSERT_TRUE(made) << made.error().text;
  EXPECT_EQ((*made)->facts().peer_certificate_pin, test::shared_identity()->pin);
}

TEST_F(tcp_client, IpLiteralIsFoundAmongTheAddressesOfTheCertificate) {
  connect.verify.ca_file = ca_;
  connect.server_name = "127.0.0.1";
  connect.server_name_is_ip = true;
  auto made = dial();
  ASSERT_TRUE(made) << made.error().text;
  connect.server_name = "192.0.2.7";
  const auto why = failure();
  EXPECT_EQ(why.kind, error_kind::certificate);
  EXPECT_THAT(why.text, HasSubstr("not for 192.0.2.7"));
}

TEST_F(tcp_client, OtherNameIsRefusedAndTheCertificatesNamesAreShown) {
  connect.verify.ca_file = ca_;
  connect.server_name = "example.org";
  const auto why = failure();
  EXPECT_EQ(why.kind, error_kind::certificate);
  EXPECT_THAT(why.text, HasSubstr("the certificate is for localhost"));
  EXPECT_THAT(why.text, HasSubstr("not for example.org"));
}

TEST_F(tcp_client, OtherCaIsRefused) {
  const test::temporary_directory other;
  ASSERT_TRUE(self_signed_identity(other.path() / "state"));
  connect.verify.ca_file = (other.path() / "state" / "self-signed.crt").string();
  EXPECT_EQ(failure().kind, error_kind::certificate);
}

TEST_F(tcp_client, InsecureAcceptsEverythingAndStillTellsThePin) {
  connect.verify.insecure = true;
  connect.verify.pin = std::string(64, 'a');
  connect.server_name = "whatever";
  auto made = dial();
  ASSERT_TRUE(made) << made.error().text;
  EXPECT_EQ((*made)->facts().peer_certificate_pin, test::shared_identity()->pin);
}

TEST_F(tcp_client, MissingOrWrongCaFileIsALocalError) {
  connect.verify.ca_file = (directory_.path() / "missing.pem").string();
  auto why = failure();
  EXPECT_EQ(why.kind, error_kind::local);
  EXPECT_THAT(why.text, HasSubstr("missing.pem: no such file"));
  std::ofstream(directory_.path() / "rubbish.pem") << "rubbish";
  connect.verify.ca_file = (directory_.path() / "rubbish.pem").string();
  why = failure();
  EXPECT_EQ(why.kind, error_kind::local);
  EXPECT_THAT(why.text, HasSubstr("rubbish.pem: no certificate in PEM form"));
}

// A server of one connection that says something without being asked.
struct odd_server {
  odd_server(asio::io_context& io, std::string text)
      : acceptor(io, {asio::ip::address_v4::loopback(), 0}), socket(io), greeting(std::move(text)) {
    acceptor.async_accept(socket, [this](const boost::system::error_code& failure) {
      if (failure) return;
      boost::system::error_code ignored;
      if (greeting.empty()) return socket.close(ignored), void();
      asio::async_write(socket, asio::buffer(greeting), [](const boost::system::error_code&, std::size_t) {});
    });
  }
  tcp::acceptor acceptor;
  tcp::socket socket;
  std::string greeting;
};

TEST_F(tcp_client, ServerWithoutTlsIsUnsupported) {
  odd_server odd(io, "HTTP/1.1 400 Bad Request\r\n\r\n");
  connect.remote = odd.acceptor.local_endpoint();
  const auto why = failure();
  EXPECT_EQ(why.kind, error_kind::unsupported);
  EXPECT_THAT(why.text, HasSubstr("does not speak TLS"));
}

TEST_F(tcp_client, ServerThatHangsUpInTheHandshakeIsUnreachable) {
  odd_server odd(io, "");
  connect.remote = odd.acceptor.local_endpoint();
  EXPECT_EQ(failure().kind, error_kind::unreachable);
}

TEST_F(tcp_client, ClosedPortIsRefused) {
  {
    tcp::acceptor taken(io, {asio::ip::address_v4::loopback(), 0});
    connect.remote = taken.local_endpoint();
  }
  for (const bool tls : {false, true}) {
    connect.tls = tls;
    const auto why = failure();
    EXPECT_EQ(why.kind, error_kind::unreachable);
    EXPECT_EQ(why.text, "connection refused");
  }
}

// A stranger of a given TLS version at our listener; the version that was agreed on, or nothing.
std::string version_agreed(asio::io_context& io, const tcp::endpoint& server, int version) {
  std::string agreed;
  bool done = false;
  std::thread stranger([&] {
    asio::io_context own;
    tcp::socket socket(own);
    socket.connect(server);
    const std::unique_ptr<SSL_CTX, openssl_free<SSL_CTX_free>> context(SSL_CTX_new(TLS_client_method()));
    SSL_CTX_set_security_level(context.get(), 0);  // or OpenSSL itself would not offer the old ones
    SSL_CTX_set_min_proto_version(context.get(), version);
    SSL_CTX_set_max_proto_version(context.get(), version);
    const ssl_ptr ssl(SSL_new(context.get()));
    SSL_set_fd(ssl.get(), socket.native_handle());
    if (SSL_connect(ssl.get()) == 1) agreed = SSL_get_version(ssl.get());
    asio::post(io, [&done] { done = true; });
  });
  EXPECT_TRUE(run_until(io, [&] { return done; }));
  stranger.join();
  return agreed;
}

TEST_F(tcp_client, TlsVersionsOfStrangers) {
  EXPECT_EQ(version_agreed(io, connect.remote, TLS1_3_VERSION), "TLSv1.3");
  EXPECT_EQ(version_agreed(io, connect.remote, TLS1_2_VERSION), "TLSv1.2");
  EXPECT_EQ(version_agreed(io, connect.remote, TLS1_1_VERSION), "");
}

// What the kernel has of our data moves no counter of ours, so it is the kernel that says when nobody takes it.
TEST_F(tcp_client, APeerThatTakesNothingIsGivenUp) {
  connect.tls = false;
  connect.unacknowledged_max = 300ms;
  tcp::acceptor silent(io, {asio::ip::address_v4::loopback(), 0});
  connect.remote = silent.local_endpoint();
  auto made = dial();
  ASSERT_TRUE(made) << made.error().text;
  test::recording_handler events;
  (*made)->start(events);
  (*made)->send(base::send_chain(base::slice(std::vector<std::uint8_t>(16u << 20))));
  ASSERT_TRUE(run_until(io, [&] { return events.closed.has_value(); }));
  EXPECT_EQ(events.closed->reason.kind, error_kind::timeout) << events.closed->reason.text;
}

// A listening socket that nobody serves: the TCP handshake succeeds, the TLS one never goes on.
TEST_F(tcp_client, CancelledInTheTlsHandshake) {
  tcp::acceptor silent(io, {asio::ip::address_v4::loopback(), 0});
  connect.remote = silent.local_endpoint();
  asio::cancellation_signal signal;
  std::optional<base::error> why;
  bool done = false;
  asio::co_spawn(
      io,
      [&]() -> asio::awaitable<void> {
        auto made = co_await tcp_connect(connect);
        if (!made) why = made.error();
        done = true;
      },
      asio::bind_cancellation_slot(signal.slot(), [](const std::exception_ptr& failure) { EXPECT_FALSE(failure); }));
  EXPECT_FALSE(run_until(
      io, [&] { return done; }, 50ms));
  signal.emit(asio::cancellation_type::terminal);
  ASSERT_TRUE(run_until(io, [&] { return done; }));
  ASSERT_TRUE(why);
  EXPECT_EQ(why->kind, error_kind::closed);
}

}  // namespace
}  // namespace millrace::net
