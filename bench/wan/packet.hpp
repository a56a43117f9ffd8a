// What the link knows of the packets that it carries: the ports of TCP and UDP over IPv4, which a NAT may change. No I/O.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

namespace millrace::wan {

enum class port_of { source, destination };

namespace detail {

constexpr unsigned char protocol_tcp = 6, protocol_udp = 17;

inline unsigned byte(std::span<const char> packet, std::size_t at) { return static_cast<unsigned char>(packet[at]); }
inline unsigned word(std::span<const char> packet, std::size_t at) { return byte(packet, at) << 8 | byte(packet, at + 1); }
inline void put_word(std::span<char> packet, std::size_t at, unsigned value) {
  packet[at] = static_cast<char>(value >> 8);
  packet[at + 1] = static_cast<char>(value & 0xffU);
}

// Where the TCP or UDP header begins; 0: none in this packet (another protocol, IPv6, a later fragment).
inline std::size_t transport_header(std::span<const char> packet) {
  if (packet.size() < 20 || byte(packet, 0) >> 4 != 4 || (word(packet, 6) & 0x1fffU) != 0) return 0;
  const std::size_t at = (byte(packet, 0) & 0x0fU) * 4;
  const unsigned protocol = byte(packet, 9);
  const std::size_t least = protocol == protocol_tcp ? 20 : 8;
  return (protocol == protocol_tcp || protocol == protocol_udp) && at >= 20 && packet.size() >= at + least ? at : 0;
}

}  // namespace detail

inline bool carries_ports(std::span<const char> packet) { return detail::transport_header(packet) != 0; }

// Turns a port into its other name and back: the same call on the way there (source) and on the way back (destination) is a NAT without
// a table. One bit, so that no two flows can meet.
inline void rewrite_port(std::span<char> packet, port_of which) {
  constexpr unsigned other_bit = 0x0800;
  const std::size_t at = detail::transport_header(packet);
  if (at == 0) return;
  const std::size_t port_at = at + (which == port_of::source ? 0 : 2);
  const bool udp = detail::byte(packet, 9) == detail::protocol_udp;
  const std::size_t sum_at = at + (udp ? 6 : 16);
  const unsigned old_port = detail::word(packet, port_at), new_port = old_port ^ other_bit;
  detail::put_word(packet, port_at, new_port);
  const unsigned old_sum = detail::word(packet, sum_at);
  if (udp && old_sum == 0) return;  // UDP without a checksum
  // RFC 1624, equation 3.
  unsigned sum = (~old_sum & 0xffffU) + (~old_port & 0xffffU) + new_port;
  sum = (sum & 0xffffU) + (sum >> 16);
  sum = (sum & 0xffffU) + (sum >> 16);
  const unsigned new_sum = ~sum & 0xffffU;
  detail::put_word(packet, sum_at, udp && new_sum == 0 ? 0xffffU : new_sum);
}

}  // namespace millrace::wan
