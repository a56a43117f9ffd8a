// A stream of the other process, while one takes over from the other: played from there, published here, so that viewers of both see it wherever its
// publisher is.
#pragma once
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "net/transport.hpp"
#include "rtmp/session.hpp"
#include "server/shared_streams.hpp"

namespace millrace::server {

// How the other process is reached: RTMP over loopback, for nobody but us.
struct sibling_door {
  std::uint16_t port = 0;
  std::string secret;
};
// What connect's query says for those who come through it, and what they say.
std::string sibling_query(const std::string& secret);
bool is_sibling(std::string_view query, std::string_view secret);

// Life: start(), … until stop() or `over` is called (posted, once). One thread.
class stream_follower final : public net::transport_handler, public std::enable_shared_from_this<stream_follower> {
 public:
  // `streams` outlives it.
  stream_follower(boost::asio::io_context& io, shared_streams& streams, std::string name, std::uint64_t seed, std::function<void()> over);
  void start(const sibling_door& door);
  void stop();

 private:
  void on_receive(base::bytes_view bytes) override;
  void on_receive_done() override;
  void on_writable() override {}
  void on_closed(const net::close_info& info) override;
  static boost::asio::awaitable<void> dial(std::weak_ptr<stream_follower> whose, sibling_door door);
  void opened(net::transport_ptr transport, const sibling_door& door);
  void turn();
  void arm();
  void finish(const std::string& why);
  bool publish();

  boost::asio::io_context& io_;
  shared_streams& streams_;
  const std::string name_;
  const std::uint64_t seed_;
  std::function<void()> over_;
  boost::asio::steady_timer timer_;
  net::transport_ptr transport_;
  std::unique_ptr<rtmp::client_session> session_;
  std::unique_ptr<live_publication> publication_;
};

}  // namespace millrace::server
