#include "net/listen_sockets.hpp"

#include <boost/asio/ip/udp.hpp>
#include <boost/asio/ip/v6_only.hpp>

#include "net/endpoint_text.hpp"

namespace millrace::net {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using asio::ip::udp;

base::error refused(const char* protocol, const asio::ip::address& address, std::uint16_t port, const std::string& address_option,
                    const boost::system::error_code& why) {
  const std::string with = " with " + address_option + " ADDR:PORT";
  const std::string what = std::string(protocol) + " " + endpoint_text(address, port);
  std::string text;
  if (why == asio::error::address_in_use) {
    text = what + " is in use (address already in use): stop the other server or choose another" + with;
  } else if (why == asio::error::access_denied) {
    text = what + ": permission denied" +
           (port != 0 && port < 1024 ? ": ports below 1024 need root or the capability CAP_NET_BIND_SERVICE" : "") +
           "; choose another" + with;
  } else if (why.value() == EADDRNOTAVAIL) {
    text = what + ": this host has no such address: choose one of its own, or 0.0.0.0 for all," + with;
  } else if (why.value() == EAFNOSUPPORT) {
    text = what + ": this host has no IPv6: choose an IPv4 address" + with;
  } else {
    text = what + ": " + why.message() + "; choose another" + with;
  }
  return {base::error_kind::local, std::move(text)};
}

template <class Socket>
boost::system::error_code open_and_bind(Socket& socket, const typename Socket::endpoint_type& local, const port_group& group = {}) {
  boost::system::error_code failure;
  socket.open(local.protocol(), failure);
  if (!failure && local.address().is_v6()) socket.set_option(asio::ip::v6_only(false), failure);
  // Only within a group: a second server on the same port has to be an error, not half of the connections.
  if (!failure && !group.share(socket.native_handle())) failure.assign(errno, boost::system::system_category());
  if constexpr (std::is_same_v<Socket, tcp::acceptor>) {
    if (!failure) socket.set_option(asio::socket_base::reuse_address(true), failure);
  }
  if (!failure) socket.bind(local, failure);
  return failure;
}

}  // namespace

base::result<tcp::acceptor> open_acceptor(asio::io_context& io, const tcp::endpoint& local, const std::string& address_option, std::size_t receive_buffer,
                                          const port_group& group) {
  if (group.shared() && group.index == 0) {  // the group itself would share the port with any other group of this user
    tcp::acceptor alone(io);
    if (const auto failure = open_and_bind(alone, local); failure) return refused("tcp", local.address(), local.port(), address_option, failure);
  }
  tcp::acceptor acceptor(io);
  auto failure = open_and_bind(acceptor, local, group);
  // Before listen(): what is accepted inherits it, and offers no larger window from the start.
  if (!failure && receive_buffer > 0) {
    acceptor.set_option(asio::socket_base::receive_buffer_size(static_cast<int>(receive_buffer)), failure);
  }
  if (!failure) acceptor.listen(asio::socket_base::max_listen_connections, failure);
  if (!failure) acceptor.non_blocking(true, failure);
  if (failure) return refused("tcp", local.address(), local.port(), address_option, failure);
  return base::result<tcp::acceptor>(std::move(acceptor));
}

base::result<tcp::acceptor> adopt_acceptor(asio::io_context& io, int socket) {
  sockaddr_storage bound{};
  socklen_t size = sizeof bound;
  tcp::acceptor acceptor(io);
  boost::system::error_code failure;
  if (::getsockname(socket, reinterpret_cast<sockaddr*>(&bound), &size) != 0) failure.assign(errno, boost::system::system_category());
  if (!failure) acceptor.assign(bound.ss_family == AF_INET6 ? tcp::v6() : tcp::v4(), socket, failure);
  if (!failure) acceptor.non_blocking(true, failure);
  if (failure) return base::error{base::error_kind::local, "a listening socket cannot be taken over: " + failure.message()};
  return base::result<tcp::acceptor>(std::move(acceptor));
}

base::result<void> probe_udp(const asio::ip::address& address, std::uint16_t port, const std::string& address_option) {
  asio::io_context io;
  udp::socket socket(io);
  if (const auto failure = open_and_bind(socket, udp::endpoint(address, port)); failure) return refused("udp", address, port, address_option, failure);
  return {};
}

bool has_ipv6() {
  asio::io_context io;
  udp::socket socket(io);
  return !open_and_bind(socket, udp::endpoint(asio::ip::address_v6::loopback(), 0)) ||
         !open_and_bind(socket, udp::endpoint(asio::ip::address_v6::any(), 0));
}

}  // namespace millrace::net
