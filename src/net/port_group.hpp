// Several sockets on one address and port, one for each shard (SO_REUSEPORT, man 7 socket). The kernel spreads TCP connections by a
// hash of the addresses. QUIC connections outlive their addresses, so datagrams go by the connection id: its first byte, modulo the
// number of sockets, is the number of the socket. Every id that a server gives out is chosen so; the first one of a connection is the
// client's and random, and whichever socket gets that keeps the connection.
#pragma once
#include <cstdint>
#include <span>

namespace millrace::net {

struct port_group {
  static constexpr std::uint32_t size_max = 64;

  std::uint32_t index = 0;  // the sockets have to be bound in this order: the kernel numbers them so
  std::uint32_t size = 1;   // 1: a socket alone, no other may share its port; at most size_max

  [[nodiscard]] bool shared() const noexcept { return size > 1; }
  // Makes random bytes an id that leads to this socket.
  void claim(std::span<std::uint8_t> id) const noexcept;
  // Which socket of the group gets a datagram with this id.
  [[nodiscard]] std::uint32_t index_of(std::span<const std::uint8_t> id) const noexcept { return id.empty() ? 0 : id[0] % size; }

  // Before bind(). False (errno) when the kernel refuses.
  [[nodiscard]] bool share(int socket) const noexcept;
  // Of a bound UDP socket, once per group at least. Longer headers have the id at byte 6, short ones at byte 1 (RFC 9000 section 17).
  [[nodiscard]] bool steer(int socket) const noexcept;
};

}  // namespace millrace::net
