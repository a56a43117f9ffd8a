// Opening the sockets of a listener, with errors that say what to do. Used by listener.cpp.
#pragma once
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <string>

#include "base/result.hpp"
#include "net/port_group.hpp"

namespace millrace::net {

// Bound, listening, non-blocking; an IPv6 socket takes IPv4 too. `address_option`, `receive_buffer` and `group` as in listener_options.
base::result<boost::asio::ip::tcp::acceptor> open_acceptor(boost::asio::io_context& io, const boost::asio::ip::tcp::endpoint& local,
                                                           const std::string& address_option, std::size_t receive_buffer = 0, const port_group& group = {});

// Takes one that another process opened so.
base::result<boost::asio::ip::tcp::acceptor> adopt_acceptor(boost::asio::io_context& io, int socket);

// Binds a UDP socket there and closes it again: the same errors, before the QUIC side tries.
base::result<void> probe_udp(const boost::asio::ip::address& address, std::uint16_t port, const std::string& address_option);

// False where the kernel was built or booted without IPv6.
bool has_ipv6();

}  // namespace millrace::net
