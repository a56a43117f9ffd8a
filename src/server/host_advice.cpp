#include "server/host_advice.hpp"

#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "net/quic_options.hpp"

namespace millrace::server {
namespace {

constexpr std::size_t descriptors_wanted = 4096, descriptors_advised = 65'536;

// Asked of a socket: /proc/sys, where the limits are, is not for a service that is locked in.
std::optional<std::size_t> buffer_given(int socket, int which) {
  int bytes = net::udp_buffer_bytes;
  socklen_t size = sizeof bytes;
  ::setsockopt(socket, SOL_SOCKET, which, &bytes, size);  // the kernel cuts it to its limit without a word
  if (::getsockopt(socket, SOL_SOCKET, which, &bytes, &size) != 0) return std::nullopt;
  return static_cast<std::size_t>(bytes) / 2;  // it counts its own expense as much again (man 7 socket)
}

}  // namespace

host_facts look_at_host() {
  host_facts out;
  if (const int socket = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0); socket >= 0) {
    out.udp_receive_max = buffer_given(socket, SO_RCVBUF);
    out.udp_send_max = buffer_given(socket, SO_SNDBUF);
    ::close(socket);
  }
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) out.descriptors_max = static_cast<std::size_t>(limit.rlim_cur);
  return out;
}

std::vector<std::string> host_advice(const host_facts& host, bool quic) {
  std::vector<std::string> out;
  const std::size_t wanted = net::udp_buffer_bytes;
  const auto least = std::min(host.udp_receive_max.value_or(wanted), host.udp_send_max.value_or(wanted));
  if (quic && least < wanted) {
    out.push_back(fmt::format("UDP sockets get buffers of {} KiB only, and what bursts to many QUIC peers do not fit into them is lost: "
                              "sysctl -w net.core.rmem_max={} net.core.wmem_max={} (for good: two such lines in /etc/sysctl.d/millrace.conf)",
                              least / 1024, wanted, wanted));
  }
  if (host.descriptors_max < descriptors_wanted) {
    out.push_back(fmt::format("{} file descriptors may be open, one for each connection: ulimit -n {} before the start, or LimitNOFILE={} in the unit", host.descriptors_max,
                              descriptors_advised, descriptors_advised));
  }
  return out;
}

}  // namespace millrace::server
