// A TCP connection between accept and hand-over: first byte, then the TLS handshake if that byte asks for one. Used by listener.cpp.
#pragma once
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>

#include "net/channel.hpp"
#include "net/tls_channel.hpp"

namespace millrace::net {

enum class incoming_outcome : unsigned char { ready, gone, refused_first_byte, refused_handshake };

struct incoming_options {
  bool plain = true;
  std::shared_ptr<const tls_server_context> tls;  // nullptr: no TLS
  std::chrono::milliseconds deadline{10'000};     // for all of it, dribbling does not extend it
};

// Keeps itself alive while it waits. `done` is called once, never from inside start(), unless abandon() comes first.
class incoming : public std::enable_shared_from_this<incoming> {
 public:
  using done_handler = std::function<void(incoming&, incoming_outcome, transport_ptr)>;

  incoming(boost::asio::ip::tcp::socket socket, incoming_options options, done_handler done);
  void start();
  void abandon();

 private:
  void wait(boost::asio::ip::tcp::socket::wait_type type);
  void step();
  void look_at_first_byte();
  void handshake();
  void finish(incoming_outcome outcome, transport_ptr made = nullptr);

  boost::asio::ip::tcp::socket socket_;
  incoming_options options_;
  done_handler done_;
  boost::asio::steady_timer deadline_;
  std::unique_ptr<channel> channel_;  // set once the first byte is known to be TLS
  std::string remote_;                // for the log
};

}  // namespace millrace::net
