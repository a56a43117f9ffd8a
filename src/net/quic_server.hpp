// The QUIC side of a listener: one UDP socket, one ngtcp2 connection per client.
#pragma once
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/udp.hpp>
#include <chrono>
#include <functional>
#include <memory>

#include "base/result.hpp"
#include "net/accept_handler.hpp"
#include "net/identity.hpp"
#include "net/quic_options.hpp"
#include "net/transport.hpp"

namespace millrace::net {

class quic_server {
 public:
  virtual ~quic_server() = default;   // closes every connection that is left with an application close, then the socket
  [[nodiscard]] virtual std::uint16_t port() const = 0;
  [[nodiscard]] virtual quic_server_counters counters() const = 0;
  // Refuses new connections (CONNECTION_REFUSED); what is connected goes on.
  virtual void stop() = 0;
  [[nodiscard]] virtual int socket() const = 0;
  // Another process has the same socket: datagrams with connection ids of its tag go to it by `channel`, which is owned from then on.
  virtual void join_sibling(int channel, std::uint16_t tag) = 0;
  // The other process reads the socket from now on. What is connected here goes on by what that passes on; where it has closed its end of the channel, or
  // does later, this one reads again for them and refuses who is new.
  virtual void leave_reading_to_sibling() = 0;
  // That has ended: this one reads again.
  virtual void take_reading_back() = 0;
  // From the first Initial to the client's stream, of connections that begin from now on.
  virtual void set_handshake_timeout(std::chrono::milliseconds limit) = 0;
  // Of handshakes that begin from now on. Errors (kind local) leave the one before in place.
  virtual base::result<void> use(const identity& certificate) = 0;
};

// Who may come. Asked on the io_context's thread; empty functions allow everybody.
struct quic_admission {
  // Before any state is made for a new connection. Anybody may have written the address into a datagram, so nothing may be charged to it.
  std::function<bool(const boost::asio::ip::udp::endpoint&)> may_begin;
  // The client has proved to be at this address: by a token before any state is made, or else by a complete handshake. What is returned is held as long as
  // the connection; null refuses it.
  std::function<std::shared_ptr<void>(const boost::asio::ip::udp::endpoint&)> take;
};

// Hands over a transport when the client's bidirectional stream 0 has opened (handshake complete), and when its first Initial came; it is not
// started.
// `inherited`: a socket of another process that is to be used instead of a new one; -1: none. Owned in any case.
// Who is refused hears CONNECTION_REFUSED.
base::result<std::unique_ptr<quic_server>> quic_listen(boost::asio::io_context& io, boost::asio::ip::udp::endpoint local,
                                                       std::shared_ptr<const identity> certificate, quic_server_options options,
                                                       accept_handler on_accept, quic_admission admission, int inherited = -1);

}  // namespace millrace::net
