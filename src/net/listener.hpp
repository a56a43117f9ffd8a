// One address, one number: TCP (RTMP and TLS, told apart by the first byte) and UDP (QUIC).
#pragma once
#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "net/accept_handler.hpp"
#include "net/address_table.hpp"
#include "net/identity.hpp"
#include "net/port_group.hpp"
#include "net/quic_options.hpp"
#include "net/transport.hpp"

namespace millrace::net {

struct listen_address {
  std::string host;           // "0.0.0.0", "::", "127.0.0.1"; "::" takes IPv4 too
  std::uint16_t port = 1935;  // 0: any free one, the same for TCP and UDP
};
// "ADDR:PORT", "[v6]:PORT", ":PORT", "ADDR", "PORT".
base::result<listen_address> parse_listen_address(std::string_view text);

struct listener_options {
  listen_address address;
  std::string address_option = "--listen";  // what whoever started the program chooses the address with; for errors
  bool tcp = true;  // plain RTMP accepted on TCP
  std::string plain_scheme = "rtmp", tls_scheme = "rtmps";  // what addresses() calls them; what is spoken over them is the accept handler's matter
  bool tls = true;  // TLS accepted on the same TCP port
  bool quic = true;
  std::shared_ptr<const identity> certificate;  // needed for tls and quic
  quic_server_options quic_options;
  std::chrono::milliseconds handshake_deadline{10'000};  // first byte and TLS handshake; QUIC: up to the client's stream
  std::size_t handshaking_max = 1000;
  std::size_t reserved_descriptors = 32;  // of the process, at most a part of all: new connections are refused before these are taken
  std::size_t receive_buffer = 0;  // bytes that the kernel takes from a TCP peer before it is read; 0: as it sees fit
  std::size_t connections_per_address_max = 100;  // per IPv4 address or IPv6 /64; loopback is not counted
  double new_per_address_and_second = 0;          // likewise; 0: any number
  // Instead of a table of its own with that limit: for listeners that count together.
  std::shared_ptr<address_table> addresses;
  // One of several listeners at the same address, each on a thread of its own; opened in the order of their index. The first one finds out whether
  // some other program has the port.
  port_group group;
  port_group quic_group;  // of those of them that have QUIC, the first ones
  // Sockets of a process that hands over, instead of new ones; -1: none. Owned in any case.
  int inherited_tcp = -1, inherited_udp = -1;
};

struct listener_counters {
  std::uint64_t accepted_tcp = 0, accepted_tls = 0, accepted_quic = 0;
  std::uint64_t refused_first_byte = 0, refused_handshake = 0, refused_limit = 0, refused_rate = 0;
  quic_server_counters quic;
  listener_counters& operator+=(const listener_counters& other);
};

class listener {
 public:
  virtual ~listener() = default;  // closes the sockets; accepted transports live on (QUIC ones keep the UDP socket)
  [[nodiscard]] virtual std::uint16_t port() const = 0;
  [[nodiscard]] virtual std::vector<std::string> addresses() const = 0;  // "rtmp://0.0.0.0:1935", "rtmps://…", "rtmpq://…"
  [[nodiscard]] virtual listener_counters counters() const = 0;
  // Stops accepting; what is connected goes on.
  virtual void stop() = 0;
  // To be handed to another process: TCP and UDP, -1 where there is none.
  [[nodiscard]] virtual std::pair<int, int> sockets() const = 0;
  // As quic_server: another process has the same UDP socket; it alone accepts and reads from now on.
  virtual void join_sibling(int channel, std::uint16_t tag) = 0;
  virtual void leave_to_sibling() = 0;
  // That has ended: this one accepts and reads again, first of all who has come meanwhile.
  virtual void take_back() = 0;
  // As listener_options::handshake_deadline, of who comes from now on.
  virtual void set_handshake_deadline(std::chrono::milliseconds limit) = 0;
  // Who comes from now on is shown this certificate; what is connected goes on. Errors (kind local) leave the one before in place.
  virtual base::result<void> use(const std::shared_ptr<const identity>& certificate) = 0;
};

// Errors (kind local) say which socket failed and what to do: "udp 0.0.0.0:1935 is in use: stop the other server or pick --listen
// ADDR:PORT".
base::result<std::unique_ptr<listener>> listen(boost::asio::io_context& io, listener_options options, accept_handler on_accept);

}  // namespace millrace::net
