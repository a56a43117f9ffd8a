// A UDP socket with what QUIC needs and Asio does not have: many datagrams per system call in both directions (recvmmsg and
// UDP_GRO, UDP_SEGMENT), ECN bits, and the true local address of every datagram.
#pragma once
#include <netinet/in.h>
#include <sys/socket.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/udp.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/slice.hpp"
#include "net/port_group.hpp"

namespace millrace::net {

// A socket address by value, in the form that both the kernel and ngtcp2 take.
class udp_address {
 public:
  udp_address() = default;
  explicit udp_address(const boost::asio::ip::udp::endpoint& from);
  udp_address(const sockaddr* from, socklen_t size);

  [[nodiscard]] const sockaddr* data() const noexcept { return &bytes_.any; }
  [[nodiscard]] sockaddr* data() noexcept { return &bytes_.any; }
  [[nodiscard]] socklen_t size() const noexcept { return size_; }
  [[nodiscard]] bool is_v6() const noexcept { return bytes_.any.sa_family == AF_INET6; }
  [[nodiscard]] bool is_v4_mapped() const noexcept;
  [[nodiscard]] std::uint16_t port() const noexcept;
  [[nodiscard]] const sockaddr_in& v4() const noexcept { return bytes_.v4; }
  [[nodiscard]] const sockaddr_in6& v6() const noexcept { return bytes_.v6; }
  void set_v4(in_addr address) noexcept { bytes_.v4.sin_addr = address; }
  void set_v6(const in6_addr& address) noexcept { bytes_.v6.sin6_addr = address; }
  // IPv4-mapped addresses (a "::" socket talking to an IPv4 peer) come out as IPv4: that is what people and rules know.
  [[nodiscard]] boost::asio::ip::udp::endpoint endpoint() const;
  [[nodiscard]] std::string text() const;  // "127.0.0.1:1935", "[::1]:1935"
  friend bool operator==(const udp_address& a, const udp_address& b) noexcept;

 private:
  union {
    sockaddr any;
    sockaddr_in v4;
    sockaddr_in6 v6;
  } bytes_{};
  socklen_t size_ = 0;
};

struct udp_datagram {
  base::bytes_view bytes;  // valid only during the call that hands it over
  udp_address local, remote;
  std::uint8_t ecn = 0;
};

// Packets for one destination, back to back; all are `segment` bytes long but the last, which may be shorter.
struct udp_batch {
  base::bytes_view bytes;
  std::size_t segment = 0;
  udp_address local, remote;
  std::uint8_t ecn = 0;
};

// One thread. Waiting callbacks are dropped, not called, once the socket is closed or destroyed.
class quic_udp_socket {
 public:
  // Most that one batch may hold: the kernel refuses more than 64 segments (older ones) or 65,507 bytes.
  static constexpr std::size_t batch_segments_max = 64;
  static constexpr std::size_t batch_bytes_max = 64'000;

  // Bound and unconnected (a server). "::" takes IPv4 too. The error (kind local) carries no address: the caller knows it.
  static base::result<std::unique_ptr<quic_udp_socket>> bind(boost::asio::io_context& io, const boost::asio::ip::udp::endpoint& local,
                                                             const port_group& group = {});
  // Takes a socket that bind() of another process made.
  static base::result<std::unique_ptr<quic_udp_socket>> adopt(boost::asio::io_context& io, int socket, const port_group& group);
  // Connected to one peer (a client), so that ICMP errors come back. Error kind unreachable when there is no route.
  static base::result<std::unique_ptr<quic_udp_socket>> connect(boost::asio::io_context& io, const boost::asio::ip::udp::endpoint& remote);
  ~quic_udp_socket();
  quic_udp_socket(const quic_udp_socket&) = delete;
  quic_udp_socket& operator=(const quic_udp_socket&) = delete;

  [[nodiscard]] const udp_address& local() const noexcept { return local_; }
  // Of a connected one: through which interface its datagrams leave, whatever the routes say; 0: the routes decide. A wish.
  void send_through(unsigned interface);
  void wait_readable(std::function<void()> then);
  void wait_writable(std::function<void()> then);
  void close();
  [[nodiscard]] int descriptor() const;

  struct received {
    std::size_t datagrams = 0;
    int error = 0;      // errno of a failed call other than EAGAIN; ICMP errors of a connected socket come here
    bool more = false;  // stopped at the limit, not because the socket is empty
  };
  // Hands over what waits in the socket, about `most` datagrams, but for those that claim to come from port 0. `each` must not call
  // receive on any socket of this thread.
  received receive(std::size_t most, const std::function<void(const udp_datagram&)>& each);

  struct sent {
    std::size_t bytes = 0;  // of the batch: gone to the kernel, or given up because of `error`
    bool blocked = false;   // the rest has to wait for wait_writable
    int error = 0;
    std::size_t datagrams = 0;
  };
  sent send(const udp_batch& batch);

 private:
  struct state;
  explicit quic_udp_socket(std::shared_ptr<state> s) : state_(std::move(s)) {}
  void prepare(bool v6);
  long send_call(const udp_batch& batch, base::bytes_view bytes, bool segmented) const;

  std::shared_ptr<state> state_;
  udp_address local_;
  bool wildcard_ = false;  // bound to no particular address: each datagram tells which one it came to
  bool connected_ = false;
  bool v6_ = false;
  int segmentation_refused_ = 0;  // in a row
  std::chrono::steady_clock::time_point segmentation_from_{};
};

}  // namespace millrace::net
