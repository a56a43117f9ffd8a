#include "net/quic_udp_socket.hpp"

#include <gtest/gtest.h>
#include <net/if.h>
#include <netinet/udp.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <vector>

#include "support/send_faults.hpp"

using millrace::test::faults;

// In the place of the C library's, for this whole program.
extern "C" ssize_t sendmsg(int socket, const msghdr* message, int flags) {
  if (faults.full_port != 0) {
    sockaddr_in6 bound{};
    socklen_t size = sizeof bound;
    ::getsockname(socket, reinterpret_cast<sockaddr*>(&bound), &size);
    if (ntohs(bound.sin6_port) == faults.full_port) {  // at the same place for IPv4
      ++faults.found_full;
      errno = EAGAIN;
      return -1;
    }
  }
  if (faults.segments) {
    for (auto* part = CMSG_FIRSTHDR(message); part != nullptr; part = CMSG_NXTHDR(const_cast<msghdr*>(message), part)) {
      if (part->cmsg_level != SOL_UDP || part->cmsg_type != UDP_SEGMENT) continue;
      errno = EIO;
      return -1;
    }
  }
  return ::syscall(SYS_sendmsg, socket, message, flags);
}

namespace millrace::net {
namespace {

namespace asio = boost::asio;
using asio::ip::udp;

class udp_through_an_interface : public testing::TestWithParam<const char*> {
 protected:
  // Whether a datagram of `from` reaches the one that it is connected to.
  bool arrives(quic_udp_socket& from) {
    const std::array<std::uint8_t, 3> bytes{1, 2, 3};
    const auto& local = from.local();
    if (from.send({bytes, bytes.size(), local, udp_address(receiver_.local_endpoint()), 0}).error != 0) return false;
    bool come = false;
    std::array<char, 16> space{};
    receiver_.async_receive(asio::buffer(space), [&](boost::system::error_code failed, std::size_t size) { come = !failed && size == 3; });
    io_.restart();
    io_.run_for(std::chrono::seconds(2));
    receiver_.cancel();
    return come;
  }
  asio::io_context io_;
  udp::socket receiver_{io_, udp::endpoint(asio::ip::make_address(GetParam()), 0)};
};
INSTANTIATE_TEST_SUITE_P(families, udp_through_an_interface, testing::Values("127.0.0.1", "::1"),
                         [](const auto& each) { return std::string(each.param).find(':') == std::string::npos ? "v4" : "v6"; });

TEST_P(udp_through_an_interface, its_address_stays_and_the_routes_count_again_afterwards) {
  auto made = quic_udp_socket::connect(io_, receiver_.local_endpoint());
  ASSERT_TRUE(made);
  auto& socket = **made;
  const auto local = socket.local();
  EXPECT_TRUE(arrives(socket));
  socket.send_through(::if_nametoindex("lo"));
  EXPECT_TRUE(arrives(socket));
  socket.send_through(0);
  EXPECT_TRUE(arrives(socket));
  EXPECT_EQ(socket.local(), local);
}

TEST_P(udp_through_an_interface, one_that_does_not_exist_is_no_way) {
  auto made = quic_udp_socket::connect(io_, receiver_.local_endpoint());
  ASSERT_TRUE(made);
  (*made)->send_through(9'999);
  (*made)->send_through(0);
  EXPECT_TRUE(arrives(**made)) << "and does no harm for longer than it is asked for";
}

class udp_server_socket : public testing::TestWithParam<const char*> {
 protected:
  static udp_address with_port(const udp::endpoint& at, std::uint16_t port) { return udp_address(udp::endpoint(at.address(), port)); }
  asio::io_context io_;
  udp::socket peer_{io_, udp::endpoint(asio::ip::make_address(GetParam()), 0)};
};
INSTANTIATE_TEST_SUITE_P(families, udp_server_socket, testing::Values("127.0.0.1", "::1"),
                         [](const auto& each) { return std::string(each.param).find(':') == std::string::npos ? "v4" : "v6"; });

TEST_P(udp_server_socket, an_address_that_the_kernel_refuses_costs_the_others_no_segmentation) {
  auto made = quic_udp_socket::bind(io_, udp::endpoint(peer_.local_endpoint().address(), 0));
  ASSERT_TRUE(made);
  auto& socket = **made;
  const std::vector<std::uint8_t> bytes(3 * 1200);
  for (int i = 0; i < 5; ++i) {
    const auto sent = socket.send({bytes, 1200, socket.local(), with_port(peer_.local_endpoint(), 0), 0});
    EXPECT_EQ(sent.bytes, bytes.size()) << "given up";
    EXPECT_EQ(sent.error, EINVAL);
    EXPECT_EQ(sent.datagrams, 0u);
  }
  // A receiver that asks for it gets what was sent in one call as one message.
  const int on = 1;
  ASSERT_EQ(::setsockopt(peer_.native_handle(), SOL_UDP, UDP_GRO, &on, sizeof on), 0);
  EXPECT_EQ(socket.send({bytes, 1200, socket.local(), udp_address(peer_.local_endpoint()), 0}).datagrams, 3u);
  std::vector<std::uint8_t> space(65'536);
  EXPECT_EQ(peer_.receive(asio::buffer(space)), bytes.size()) << "sent one by one";
}

// As the kernel does where IPsec is on the way. What is gone through in one call comes as one message to a receiver that asks for it.
TEST_P(udp_server_socket, a_way_without_segmentation_costs_the_others_none_and_several_in_a_row_do) {
  auto made = quic_udp_socket::bind(io_, udp::endpoint(peer_.local_endpoint().address(), 0));
  ASSERT_TRUE(made);
  auto& socket = **made;
  const int on = 1;
  ASSERT_EQ(::setsockopt(peer_.native_handle(), SOL_UDP, UDP_GRO, &on, sizeof on), 0);
  const std::vector<std::uint8_t> bytes(3 * 1200);
  std::vector<std::uint8_t> space(65'536);
  const auto send = [&](bool refused) {
    faults.segments = refused;
    const auto sent = socket.send({bytes, 1200, socket.local(), udp_address(peer_.local_endpoint()), 0});
    faults.segments = false;
    EXPECT_EQ(sent.datagrams, 3u);
    EXPECT_EQ(sent.error, 0);
    std::size_t messages = 0;
    for (std::size_t size = 0; size < bytes.size(); ++messages) size += peer_.receive(asio::buffer(space));
    return messages;
  };
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(send(true), 3u);
    EXPECT_EQ(send(true), 3u);
    EXPECT_EQ(send(false), 1u) << i;
  }
  for (int i = 0; i < 3; ++i) EXPECT_EQ(send(true), 3u);
  EXPECT_EQ(send(false), 3u) << "not again so soon";
}

// Nobody can be answered there, so it is an address that somebody made up.
TEST(udp_source, port_0_is_nobody) {
  asio::io_context io;
  auto made = quic_udp_socket::bind(io, udp::endpoint(asio::ip::address_v4::loopback(), 0));
  ASSERT_TRUE(made);
  auto& socket = **made;
  const int raw = ::socket(AF_INET, SOCK_RAW, IPPROTO_UDP);
  if (raw < 0) GTEST_SKIP() << "a source port of 0 takes a raw socket: " << std::strerror(errno);
  const auto say = [&](std::uint16_t source, std::uint8_t what) {
    std::array<std::uint8_t, sizeof(udphdr) + 1> packet{};
    udphdr head{};
    head.source = htons(source);
    head.dest = htons(socket.local().port());
    head.len = htons(packet.size());
    std::memcpy(packet.data(), &head, sizeof head);
    packet.back() = what;
    sockaddr_in to = socket.local().v4();
    to.sin_port = 0;
    return ::sendto(raw, packet.data(), packet.size(), 0, reinterpret_cast<const sockaddr*>(&to), sizeof to);
  };
  ASSERT_GT(say(0, 1), 0);
  ASSERT_GT(say(4321, 2), 0);
  ::close(raw);
  std::vector<std::uint8_t> got;
  const auto received = socket.receive(16, [&](const udp_datagram& each) { got.push_back(each.bytes[0]); });
  EXPECT_EQ(received.error, 0);
  EXPECT_EQ(got, std::vector<std::uint8_t>{2});
}

}  // namespace
}  // namespace millrace::net
