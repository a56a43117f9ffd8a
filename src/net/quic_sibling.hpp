// The other process on the same UDP sockets while one server takes over from another: each reads what it gets, and passes on what carries the other's
// connection ids. Internal to quic_*.cpp and listener.cpp.
#pragma once
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "net/quic_udp_socket.hpp"

namespace millrace::net {

// Two bytes of every connection id of a process, the same in all of them: behind the first one, which leads to a shard (port_group.hpp). 0: none.
using process_tag = std::uint16_t;
void put_tag(std::span<std::uint8_t> id, process_tag tag);
bool has_tag(std::span<const std::uint8_t> id, process_tag tag);

// One end of a pair of sockets (SOCK_SEQPACKET). One thread. What does not fit is lost, as on any network.
class quic_sibling : public std::enable_shared_from_this<quic_sibling> {
 public:
  quic_sibling(boost::asio::io_context& io, int channel, process_tag tag);
  [[nodiscard]] process_tag tag() const noexcept { return tag_; }
  // False once the other process has closed its end.
  [[nodiscard]] bool there() const { return channel_.is_open(); }
  void forward(const udp_datagram& datagram);
  // Calls `each` with what the other passes on, and `gone` once it has closed its end: it has no use for the socket, or has ended.
  void start(std::function<void(const udp_datagram&)> each, std::function<void()> gone);
  void close();

 private:
  void wait();
  boost::asio::posix::stream_descriptor channel_;
  const process_tag tag_;
  std::function<void(const udp_datagram&)> each_;
  std::function<void()> gone_;
  std::vector<std::uint8_t> buffer_;
};

}  // namespace millrace::net
