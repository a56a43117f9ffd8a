// One QUIC connection from the client's side, over its own UDP socket.
#pragma once
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/udp.hpp>
#include <functional>
#include <memory>
#include <string>

#include "base/result.hpp"
#include "net/quic_options.hpp"
#include "net/transport.hpp"

namespace millrace::net {

struct quic_connect_options {
  boost::asio::ip::udp::endpoint remote;
  std::string server_name;        // for SNI and the certificate's name; SNI is left out for IP literals
  bool server_name_is_ip = false;
  verify_options verify;
  quic_client_options quic;
};

// A connection attempt that can be given up. Destroying it aborts the attempt silently.
class quic_attempt {
 public:
  virtual ~quic_attempt() = default;
  // A datagram has come from the server's address, whatever it says.
  [[nodiscard]] virtual bool answered() const = 0;
};

// Starts at once. `done` is called exactly once unless the attempt is destroyed first, never from inside this call: with
// a transport whose handshake is complete and stream 0 open, or with an error whose kind tells what follows:
// certificate (never fall back) · unreachable (ICMP, or closed in the handshake) · unsupported (ALPN alert, no common version) · timeout.
std::unique_ptr<quic_attempt> quic_connect(boost::asio::io_context& io, quic_connect_options options,
                                           std::function<void(base::result<transport_ptr>)> done);

// Moves a live QUIC connection to a fresh local UDP port (network change); unsupported on other transports.
base::result<void> quic_rebind_local(transport& t);

}  // namespace millrace::net
