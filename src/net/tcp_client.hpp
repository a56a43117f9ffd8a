// TCP and TLS connections from the client's side.
#pragma once
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <optional>
#include <string>

#include "base/result.hpp"
#include "net/identity.hpp"
#include "net/transport.hpp"

namespace millrace::net {

struct tcp_connect_options {
  boost::asio::ip::tcp::endpoint remote;
  bool tls = false;
  std::string server_name;
  bool server_name_is_ip = false;
  verify_options verify;
  // Data that the peer neither acknowledges nor has room for is waited for so long (TCP_USER_TIMEOUT), then the connection is closed with
  // kind timeout. The kernel's own patience is a quarter of an hour.
  std::chrono::milliseconds unacknowledged_max{15'000};
};

// Resolves to a transport whose handshake (TLS included) is complete. Cancellable (asio cancellation slot); error kinds as quic_connect.
boost::asio::awaitable<base::result<transport_ptr>> tcp_connect(tcp_connect_options options);

}  // namespace millrace::net
