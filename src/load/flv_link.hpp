// A player of HTTP-FLV, as much of one as a load needs.
#pragma once
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <variant>

#include "base/result.hpp"
#include "client/link.hpp"
#include "load/media_source.hpp"
#include "media/flv.hpp"

namespace millrace::load {

struct http_target {
  std::string host;
  bool host_is_ip = false;
  std::uint16_t port = 80;
  bool tls = false;
  std::string path;  // "/live/a.flv?x=1", as it is sent

  // With "-2", "-3", … before ".flv", for streams beyond the first.
  [[nodiscard]] http_target of_stream(unsigned index) const;
};
// "http://HOST[:PORT]/APP/NAME.flv", https too.
base::result<http_target> parse_http_target(std::string_view url);

// Tells its handler what a client::link would: started when the server said 200, frames, and the end. One thread.
class flv_link final : private net::transport_handler, public std::enable_shared_from_this<flv_link> {
 public:
  // `handler` lives until close() or on_link_down.
  static std::shared_ptr<flv_link> open(boost::asio::io_context& io, const http_target& target, const net::verify_options& verify, client::link_handler& handler);
  ~flv_link() override;

  [[nodiscard]] std::uint64_t bytes_received() const { return transport_ ? transport_->traffic_so_far().received : 0; }
  void pause_receive(bool paused) { if (transport_) transport_->pause_receive(paused); }
  bool count_only() { return transport_ && transport_->count_only(); }
  void close();

 private:
  flv_link(boost::asio::io_context& io, http_target target, client::link_handler& handler) : io_(io), target_(std::move(target)), handler_(&handler) {}
  void dial(const net::verify_options& verify);
  void on_dialed(std::variant<net::dialed, net::dial_failure> outcome);
  void on_receive(base::bytes_view bytes) override;
  void on_receive_done() override {}
  void on_writable() override {}
  void on_closed(const net::close_info& info) override;
  void down(base::error why);

  boost::asio::io_context& io_;
  const http_target target_;
  client::link_handler* handler_;  // null after close()
  boost::asio::cancellation_signal cancel_dial_;
  bool dialing_ = false;           // the signal may only be given while there is something that listens
  net::transport_ptr transport_;
  std::string head_;               // of the response, until it is whole
  bool started_ = false;
  media::flv::reader reader_{marked_bytes};
};

}  // namespace millrace::load
