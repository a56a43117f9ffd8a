// Alone in its file: <linux/tcp.h> has the whole tcp_info but does not go together with <netinet/tcp.h>, which Asio includes.
#include "net/tcp_facts.hpp"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <limits>

namespace millrace::net {
namespace {

// An older kernel fills a shorter structure and says so.
bool has(socklen_t size, std::size_t offset, std::size_t width) { return offset + width <= size; }

}  // namespace

std::optional<std::uint64_t> tcp_bytes_acknowledged(int socket) {
  tcp_info info{};
  socklen_t size = sizeof info;
  if (::getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return std::nullopt;
  if (!has(size, offsetof(tcp_info, tcpi_bytes_acked), sizeof info.tcpi_bytes_acked)) return std::nullopt;
  return info.tcpi_bytes_acked;
}

void read_tcp_info(int socket, transport_facts& facts) {
  tcp_info info{};
  socklen_t size = sizeof info;
  if (::getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return;
  if (info.tcpi_rtt != 0) facts.rtt = std::chrono::microseconds(info.tcpi_rtt);
  facts.congestion_window = std::uint64_t{info.tcpi_snd_cwnd} * info.tcpi_snd_mss;
  facts.packets_lost = info.tcpi_total_retrans;
  if (has(size, offsetof(tcp_info, tcpi_min_rtt), sizeof info.tcpi_min_rtt) && info.tcpi_min_rtt != 0 &&
      info.tcpi_min_rtt != std::numeric_limits<__u32>::max()) {
    facts.rtt_min = std::chrono::microseconds(info.tcpi_min_rtt);
  }
  if (has(size, offsetof(tcp_info, tcpi_segs_out), sizeof info.tcpi_segs_out)) facts.packets_sent = info.tcpi_segs_out;
  std::array<char, 17> name{};
  size = name.size() - 1;
  if (::getsockopt(socket, IPPROTO_TCP, TCP_CONGESTION, name.data(), &size) == 0) facts.congestion_control = name.data();
}

}  // namespace millrace::net
