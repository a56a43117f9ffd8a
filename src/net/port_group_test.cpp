#include "net/port_group.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <random>
#include <set>
#include <vector>

namespace millrace::net {
namespace {

TEST(port_group, every_id_that_is_given_out_leads_to_its_socket) {
  for (std::uint32_t size = 2; size <= port_group::size_max; ++size) {
    for (std::uint32_t index = 0; index < size; ++index) {
      const port_group group{index, size};
      std::set<std::uint8_t> firsts;
      for (unsigned byte = 0; byte < 256; ++byte) {
        std::array<std::uint8_t, 8> id{static_cast<std::uint8_t>(byte), 7};
        group.claim(id);
        ASSERT_EQ(group.index_of(id), index) << size << ", byte " << byte;
        ASSERT_EQ(id[1], 7);
        firsts.insert(id[0]);
      }
      EXPECT_EQ(firsts.size(), 256 / size) << "all that are possible";
    }
  }
}

TEST(port_group, an_id_of_a_socket_alone_stays_random) {
  std::array<std::uint8_t, 8> id{201, 7};
  port_group{}.claim(id);
  EXPECT_EQ(id[0], 201);
}

// The kernel itself: datagrams with long and with short headers, each from a port of its own, as after a rebinding.
TEST(port_group, the_kernel_steers_by_the_id) {
  constexpr std::uint32_t size = 3;
  std::vector<int> sockets;
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  for (std::uint32_t index = 0; index < size; ++index) {
    const port_group group{index, size};
    const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    ASSERT_GE(fd, 0);
    sockets.push_back(fd);
    ASSERT_TRUE(group.share(fd));
    ASSERT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&at), sizeof at), 0);
    ASSERT_TRUE(group.steer(fd));
    socklen_t length = sizeof at;
    ASSERT_EQ(::getsockname(fd, reinterpret_cast<sockaddr*>(&at), &length), 0);
  }
  std::mt19937 random(1);
  std::array<unsigned, size> got{};
  for (int i = 0; i < 300; ++i) {
    std::array<std::uint8_t, 40> datagram{};
    for (auto& byte : datagram) byte = static_cast<std::uint8_t>(random());
    const bool long_header = (datagram[0] & 0x80) != 0;
    const auto wanted = port_group{0, size}.index_of(std::span(datagram).subspan(long_header ? 6 : 1, 8));
    const int from = ::socket(AF_INET, SOCK_DGRAM, 0);
    ASSERT_EQ(::sendto(from, datagram.data(), datagram.size(), 0, reinterpret_cast<sockaddr*>(&at), sizeof at), 40);
    ::close(from);
    for (std::uint32_t index = 0; index < size; ++index) {
      std::array<std::uint8_t, 64> seen{};
      const auto count = ::recv(sockets[index], seen.data(), seen.size(), 0);
      ASSERT_EQ(count > 0, index == wanted) << i;
      if (count > 0) ++got[index];
    }
  }
  for (const auto count : got) EXPECT_GT(count, 50U);
  for (const int fd : sockets) ::close(fd);
}

}  // namespace
}  // namespace millrace::net
