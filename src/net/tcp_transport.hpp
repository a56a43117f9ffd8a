// A transport on one TCP socket; the channel decides whether TLS lies between.
#pragma once
#include <boost/asio/ip/tcp.hpp>
#include <memory>

#include "net/channel.hpp"
#include "net/transport.hpp"

namespace millrace::net {

// More than this in the queue and send_budget() is 0.
inline constexpr std::size_t tcp_high_water = 256u << 10;

// The options that every RTMP connection wants: no delay for small messages, little unsent data in the kernel (what lies there can
// no longer be dropped), keep-alive against peers that vanished.
void set_tcp_options(int socket);

// Takes a connected socket and a channel on it whose handshake is complete. Callable on the socket's thread only.
transport_ptr make_tcp_transport(boost::asio::ip::tcp::socket socket, std::unique_ptr<channel> channel);

}  // namespace millrace::net
