// TCP side of the listener; what it does with QUIC is in dialer_quic_test.
#include "net/listener.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <ifaddrs.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/udp.hpp>

#include "net/address_table.hpp"
#include "support/net_fixtures.hpp"
#include "support/quic_raw_peer.hpp"

namespace millrace::net {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using asio::ip::udp;
using base::error_kind;
using test::recording_handler;
using test::run_until;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using namespace std::chrono_literals;

class listening : public ::testing::Test {
 protected:
  listening() {
    options.address = {"127.0.0.1", 0};
    options.quic = false;
    options.certificate = test::shared_identity();
  }
  void start() {
    auto made = listen(io, options, [this](transport_ptr t, base::instant came) {
      accepted.push_back(std::move(t));
      came_at = came;
    });
    ASSERT_TRUE(made) << made.error().text;
    listener_ = *std::move(made);
  }
  base::error failure() {
    auto made = listen(io, options, [](transport_ptr, base::instant) {});
    EXPECT_FALSE(made.has_value());
    return made ? base::error{} : made.error();
  }
  tcp::socket connect(const char* host = "127.0.0.1") {
    tcp::socket socket(io);
    socket.connect({asio::ip::make_address(host), listener_->port()});
    return socket;
  }
  tcp::socket connect_and_say(std::string_view text, const char* host = "127.0.0.1") {
    auto socket = connect(host);
    EXPECT_EQ(::send(socket.native_handle(), text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
    return socket;
  }
  // The other side closed it (or reset it).
  bool ended(tcp::socket& socket, std::chrono::milliseconds limit = 5s) {
    return run_until(
        io,
        [&] {
          char byte = 0;
          const auto got = ::recv(socket.native_handle(), &byte, 1, MSG_DONTWAIT);
          if (got == 0 || (got < 0 && errno != EAGAIN)) return true;
          io.run_one_for(1ms);
          return false;
        },
        limit);
  }

  asio::io_context io;
  listener_options options;
  std::unique_ptr<listener> listener_;
  std::vector<transport_ptr> accepted;
  base::instant came_at{};  // the last of them
};

TEST_F(listening, FirstByteOfRtmpIsHandedOverUntouched) {
  start();
  auto socket = connect_and_say("\x03hello");
  ASSERT_TRUE(run_until(io, [&] { return accepted.size() == 1; }));
  EXPECT_EQ(accepted[0]->kind(), transport_kind::tcp);
  recording_handler handler;
  accepted[0]->start(handler);
  ASSERT_TRUE(run_until(io, [&] { return handler.received.size() == 6; }));
  EXPECT_EQ(handler.received, "\x03hello");
  accepted[0]->abort();
  EXPECT_EQ(listener_->counters().accepted_tcp, 1u);
}

// The RTMP handshake is what answers to a wrong first byte (H1).
TEST_F(listening, H1_AnyOtherFirstByteGoesOnAsRtmp) {
  start();
  auto http = connect_and_say("GET / HTTP/1.1\r\n");
  auto old = connect_and_say("\x06");
  ASSERT_TRUE(run_until(io, [&] { return accepted.size() == 2; }));
  EXPECT_EQ(listener_->counters().accepted_tcp, 2u);
}

TEST_F(listening, TlsByteWithoutTlsGoesOnAsRtmp) {
  options.tls = false;
  start();
  EXPECT_THAT(listener_->addresses(), ElementsAre("rtmp://127.0.0.1:" + std::to_string(listener_->port())));
  auto socket = connect_and_say("\x16\x03\x01");
  ASSERT_TRUE(run_until(io, [&] { return accepted.size() == 1; }));
}

TEST_F(listening, PlainOnATlsOnlyPortIsRefused) {
  options.tcp = false;
  start();
  EXPECT_THAT(listener_->addresses(), ElementsAre("rtmps://127.0.0.1:" + std::to_string(listener_->port())));
  auto socket = connect_and_say("\x03");
  EXPECT_TRUE(ended(socket));
  EXPECT_EQ(listener_->counters().refused_first_byte, 1u);
  EXPECT_TRUE(accepted.empty());
}

TEST_F(listening, RubbishAfterTheTlsByteIsRefused) {
  start();
  auto socket = connect_and_say("\x16" + std::string(2000, 'x'));
  EXPECT_TRUE(ended(socket));
  EXPECT_EQ(listener_->counters().refused_handshake, 1u);
}

TEST_F(listening, H9_SilentConnectionIsDroppedAtTheDeadline) {
  options.handshake_deadline = 100ms;
  start();
  auto socket = connect();
  EXPECT_TRUE(ended(socket));
  EXPECT_EQ(listener_->counters().refused_first_byte, 1u);
}

TEST_F(listening, TheDeadlineChangesForWhoComesFromThenOn) {
  start();
  listener_->set_handshake_deadline(100ms);
  auto socket = connect();
  EXPECT_TRUE(ended(socket));
}

// The time counts from accept, whenever the first byte comes.
TEST_F(listening, SaysWhenThePeerCame) {
  start();
  auto socket = connect();
  io.restart();
  io.poll();  // accepts it: the kernel has it since connect returned
  const auto before_first_byte = std::chrono::steady_clock::now();
  EXPECT_EQ(::send(socket.native_handle(), "\x03", 1, MSG_NOSIGNAL), 1);
  ASSERT_TRUE(run_until(io, [&] { return accepted.size() == 1; }));
  EXPECT_LE(came_at, before_first_byte);
}

TEST_F(listening, H9_DribblingDoesNotExtendTheDeadline) {
  options.handshake_deadline = 150ms;
  start();
  // The head of a ClientHello that is announced to be 512 bytes long, one byte at a time.
  const std::string hello("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11);
  auto socket = connect_and_say(hello);
  const auto begin = std::chrono::steady_clock::now();
  bool over = false;
  while (!over && std::chrono::steady_clock::now() - begin < 3s) {
    (void)::send(socket.native_handle(), "x", 1, MSG_NOSIGNAL);
    over = ended(socket, 20ms);
  }
  EXPECT_TRUE(over);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 1s);
  EXPECT_EQ(listener_->counters().refused_handshake, 1u);
}

TEST_F(listening, PeerThatGoesBeforeItsFirstByteIsNotCountedAsRefused) {
  start();
  { auto socket = connect(); }
  EXPECT_FALSE(run_until(
      io, [&] { return !accepted.empty(); }, 50ms));
  EXPECT_EQ(listener_->counters().refused_first_byte, 0u);
}

TEST_F(listening, TooManyHandshakesAreRefusedAtOnce) {
  options.handshaking_max = 3;
  start();
  std::vector<tcp::socket> waiting;
  for (int i = 0; i < 3; ++i) waiting.push_back(connect());
  EXPECT_FALSE(run_until(
      io, [&] { return listener_->counters().refused_limit != 0; }, 50ms));
  auto fourth = connect();
  EXPECT_TRUE(ended(fourth));
  EXPECT_EQ(listener_->counters().refused_limit, 1u);
  // A place becomes free as soon as one has said what it is.
  ASSERT_EQ(::send(waiting[0].native_handle(), "\x03", 1, MSG_NOSIGNAL), 1);
  ASSERT_TRUE(run_until(io, [&] { return accepted.size() == 1; }));
  auto fifth = connect_and_say("\x03");
  EXPECT_TRUE(run_until(io, [&] { return accepted.size() == 2; }));
}

class limited_descriptors {
 public:
  // As many descriptors as are open now and `more`.
  explicit limited_descriptors(int more) {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    const int next = ::open("/dev/null", O_RDONLY);
    ::close(next);
    rlimit now = before_;
    now.rlim_cur = static_cast<rlim_t>(next + more);
    ::setrlimit(RLIMIT_NOFILE, &now);
  }
  limited_descriptors(const limited_descriptors&) = delete;
  limited_descriptors& operator=(const limited_descriptors&) = delete;
  ~limited_descriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};

TEST_F(listening, WithoutDescriptorsConnectionsAreAcceptedAndClosed) {
  start();
  std::vector<tcp::socket> clients;
  for (int i = 0; i < 3; ++i) clients.push_back(connect_and_say("\x03"));
  // The sanitizer's check of virtual calls wants a descriptor the first time it meets a class, so those calls come before the limit.
  auto counters = listener_->counters();
  std::size_t closed = 0;
  {
    const limited_descriptors none(0);
    for (auto& one : clients) closed += ended(one) ? 1u : 0u;
    counters = listener_->counters();
  }
  EXPECT_EQ(closed, 3u);
  EXPECT_EQ(counters.refused_limit, 3u);
  EXPECT_TRUE(accepted.empty());
  auto later = connect_and_say("\x03");
  EXPECT_TRUE(run_until(io, [&] { return accepted.size() == 1; }));
}

TEST_F(listening, TheLastDescriptorsAreKeptForOthers) {
  const limited_descriptors few(60);  // 32 or a quarter of the limit stay free, whichever is less
  start();
  std::vector<tcp::socket> clients;
  while (clients.size() < 25 && listener_->counters().refused_limit == 0) {
    clients.push_back(connect_and_say("\x03"));
    run_until(io, [&] { return accepted.size() == clients.size() || listener_->counters().refused_limit != 0; });
  }
  EXPECT_GT(listener_->counters().refused_limit, 0u);
  EXPECT_TRUE(ended(clients.back()));
  const int still_free = ::open("/dev/null", O_RDONLY);
  EXPECT_GE(still_free, 0);
  ::close(still_free);
}

TEST_F(listening, BothFamiliesThroughOneSocket) {
  options.address = {"::", 0};
  start();
  auto v4 = connect_and_say("\x03", "127.0.0.1");
  ASSERT_TRUE(run_until(io, [&] { return accepted.size() == 1; }));
  // No trace of the mapping above the socket.
  EXPECT_THAT(accepted[0]->facts().remote, ::testing::StartsWith("127.0.0.1:"));
  boost::system::error_code failure;
  tcp::socket v6(io);
  v6.connect({asio::ip::address_v6::loopback(), listener_->port()}, failure);
  if (failure) GTEST_SKIP() << "no IPv6 loopback here";
  ASSERT_EQ(::send(v6.native_handle(), "\x03", 1, MSG_NOSIGNAL), 1);
  EXPECT_TRUE(run_until(io, [&] { return accepted.size() == 2; }));
}

TEST_F(listening, StopRefusesNewOnesAndKeepsOldOnes) {
  start();
  auto old = connect_and_say("\x03");
  auto half_way = connect();
  ASSERT_TRUE(run_until(io, [&] { return accepted.size() == 1; }));
  run_until(
      io, [] { return false; }, 20ms);
  const auto port = listener_->port();
  listener_->stop();
  listener_->stop();
  tcp::socket late(io);
  boost::system::error_code failure;
  late.connect({asio::ip::address_v4::loopback(), port}, failure);
  EXPECT_EQ(failure, asio::error::connection_refused);
  // What was accepted before goes on, also through its first byte.
  ASSERT_EQ(::send(half_way.native_handle(), "\x03", 1, MSG_NOSIGNAL), 1);
  EXPECT_TRUE(run_until(io, [&] { return accepted.size() == 2; }));
  recording_handler handler;
  accepted[0]->start(handler);
  EXPECT_TRUE(run_until(io, [&] { return handler.received == "\x03"; }));
  accepted[0]->abort();
}

TEST_F(listening, DestroyedListenerHandsNothingOver) {
  start();
  auto half_way = connect();
  auto old = connect_and_say("\x03");
  ASSERT_TRUE(run_until(io, [&] { return accepted.size() == 1; }));
  listener_.reset();
  EXPECT_TRUE(ended(half_way));
  (void)::send(half_way.native_handle(), "\x03", 1, MSG_NOSIGNAL);
  EXPECT_FALSE(run_until(
      io, [&] { return accepted.size() > 1; }, 50ms));
  recording_handler handler;
  accepted[0]->start(handler);
  EXPECT_TRUE(run_until(io, [&] { return handler.received == "\x03"; }));
  accepted[0]->abort();
}

TEST_F(listening, PortInUseSaysWhatToDo) {
  start();
  options.address.port = listener_->port();
  const auto why = failure();
  EXPECT_EQ(why.kind, error_kind::local);
  EXPECT_EQ(why.text, "tcp 127.0.0.1:" + std::to_string(listener_->port()) +
                          " is in use (address already in use): stop the other server or choose another with --listen ADDR:PORT");
}

TEST_F(listening, PortInUseNamesTheOptionOfWhoListens) {
  start();
  options.address.port = listener_->port();
  options.address_option = "--http";
  EXPECT_TRUE(failure().text.ends_with("stop the other server or choose another with --http ADDR:PORT")) << failure().text;
}

TEST_F(listening, UdpPortInUseIsNamedAsSuch) {
  udp::socket taken(io, {asio::ip::address_v4::loopback(), 0});
  options.quic = true;
  options.address.port = taken.local_endpoint().port();
  const auto why = failure();
  EXPECT_EQ(why.kind, error_kind::local);
  EXPECT_THAT(why.text, HasSubstr("udp 127.0.0.1:" + std::to_string(options.address.port) + " is in use"));
  // TCP was let go again.
  options.quic = false;
  start();
}

TEST_F(listening, ForeignAddressSaysWhatToDo) {
  options.address = {"192.0.2.1", 1935};
  const auto why = failure();
  EXPECT_EQ(why.kind, error_kind::local);
  EXPECT_THAT(why.text, HasSubstr("this host has no such address"));
}

TEST_F(listening, LowPortWithoutTheRightSaysWhatToDo) {
  if (::geteuid() == 0) GTEST_SKIP() << "root may";
  options.address.port = 80;
  EXPECT_THAT(failure().text, HasSubstr("ports below 1024"));
}

TEST_F(listening, NothingToListenForIsAnError) {
  options.tcp = options.tls = false;
  EXPECT_EQ(failure().kind, error_kind::usage);
  options.tls = true;
  options.certificate = nullptr;
  EXPECT_THAT(failure().text, HasSubstr("certificate"));
}

TEST_F(listening, ConnectionsOfOneAddressAreLimited) {
  // An address of this machine that is not loopback: connections to it come from it.
  std::string own;
  ifaddrs* all = nullptr;
  ASSERT_EQ(::getifaddrs(&all), 0);
  for (const auto* one = all; one != nullptr; one = one->ifa_next) {
    if (one->ifa_addr == nullptr || one->ifa_addr->sa_family != AF_INET) continue;
    char text[INET_ADDRSTRLEN] = {};
    ::inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(one->ifa_addr)->sin_addr, text, sizeof text);
    if (!std::string_view(text).starts_with("127.")) own = text;
  }
  ::freeifaddrs(all);
  if (own.empty()) GTEST_SKIP() << "only loopback here";
  options.address = {"0.0.0.0", 0};
  options.connections_per_address_max = 2;
  start();
  auto first = connect_and_say("\x03", own.c_str());
  auto second = connect_and_say("\x03", own.c_str());
  ASSERT_TRUE(run_until(io, [&] { return accepted.size() == 2; }));
  auto third = connect_and_say("\x03", own.c_str());
  EXPECT_TRUE(ended(third));
  EXPECT_EQ(listener_->counters().refused_limit, 1u);
  auto local = connect_and_say("\x03");
  ASSERT_TRUE(run_until(io, [&] { return accepted.size() == 3; }));
  // The place is free again once nobody holds the transport.
  accepted[0]->abort();
  accepted.erase(accepted.begin());
  auto fourth = connect_and_say("\x03", own.c_str());
  EXPECT_TRUE(run_until(io, [&] { return accepted.size() == 3; }));
}

// A place is taken as soon as the handshake has proved the address, not only with the stream that may never be opened.
TEST_F(listening, QuicClientsWithoutAStreamCountForTheirAddress) {
  options.quic = true;
  options.addresses = std::make_shared<address_table>(3, 0, true);
  start();
  std::vector<std::shared_ptr<test::quic_raw_peer>> peers;
  for (int i = 0; i < 10; ++i) peers.push_back(test::quic_raw_peer::dial(io, test::loopback(listener_->port())));
  const auto refused = [&] { return std::count_if(peers.begin(), peers.end(), [](const auto& each) { return each->ended.has_value(); }); };
  ASSERT_TRUE(run_until(io, [&] { return refused() == 7 && listener_->counters().quic.half_open == 0; }));
  for (const auto& each : peers) {
    if (!each->ended) continue;
    EXPECT_EQ(each->ended->code, 2u) << "not CONNECTION_REFUSED: " << each->ended->reason.text;
  }
  EXPECT_EQ(listener_->counters().refused_limit, 7u);
  EXPECT_TRUE(accepted.empty());
  for (const auto& each : peers) each->hang_up();
  EXPECT_TRUE(run_until(io, [&] { return options.addresses->addresses() == 0; })) << "places of connections that are gone";
}

TEST(address_table, TicketMayOutliveTheOwner) {
  auto table = std::make_shared<address_table>(1);
  auto ticket = table->take(asio::ip::make_address("192.0.2.1"), {});
  table.reset();
  ticket.reset();
}

struct address_case {
  const char* text;
  const char* host;
  int port;
};

TEST(listen_address, EveryWayToWriteIt) {
  static constexpr address_case cases[] = {
      {"0.0.0.0:1936", "0.0.0.0", 1936},
      {"127.0.0.1", "127.0.0.1", 1935},
      {"[::1]:80", "::1", 80},
      {"[::]", "::", 1935},
      {"::1", "::1", 1935},
      {"2001:db8::1", "2001:db8::1", 1935},
      {":443", "::", 443},
      {"443", "::", 443},
      {"0", "::", 0},
      {"*:1935", "::", 1935},
      {"localhost:7", "127.0.0.1", 7},
      {"65535", "::", 65535},
  };
  for (const auto& one : cases) {
    const auto made = parse_listen_address(one.text);
    ASSERT_TRUE(made) << one.text << ": " << made.error().text;
    EXPECT_EQ(made->host, one.host) << one.text;
    EXPECT_EQ(made->port, one.port) << one.text;
  }
}

TEST(listen_address, EveryWrongWay) {
  for (const auto* text : {"", "65536", "-1", "1.2.3.4:", "1.2.3.4:x", "1.2.3.4:99999", "[::1", "[::1]80", "[]:1x", "example.org:1935",
                           "1.2.3:80", "1.2.3.4:80 ", "::1:xyz", "99999999999999999999"}) {
    const auto made = parse_listen_address(text);
    ASSERT_FALSE(made) << text << " -> " << made->host << " " << made->port;
    EXPECT_EQ(made.error().kind, error_kind::usage);
    EXPECT_THAT(made.error().text, HasSubstr("for example 0.0.0.0:1935"));
  }
}

}  // namespace
}  // namespace millrace::net
