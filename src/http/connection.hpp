// One HTTP connection: requests in, responses out, over any net::transport (TCP, TLS).
#pragma once
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "http/request_reader.hpp"
#include "http/response.hpp"
#include "net/transport.hpp"

namespace millrace::http {

class connection;

// Why a body_source ended whose peer took nothing.
inline constexpr std::string_view stuck_text = "takes no data";

// The one answer to a request. It may come later, on the connection's thread, and goes nowhere if the connection has ended by then. Dropped without
// an answer it says 500, so nobody waits for ever.
class reply {
 public:
  reply(std::weak_ptr<connection> to, std::uint64_t id) : to_(std::move(to)), id_(id) {}
  ~reply();
  reply(const reply&) = delete;
  reply& operator=(const reply&) = delete;
  void send(response r);
  [[nodiscard]] bool wanted() const { return !to_.expired(); }
  [[nodiscard]] std::uint64_t connection_id() const noexcept { return id_; }

 private:
  std::weak_ptr<connection> to_;
  const std::uint64_t id_;
  bool sent_ = false;
};
using reply_ptr = std::shared_ptr<reply>;

struct connection_limits {
  std::chrono::milliseconds request{10'000};  // for a whole request from its first byte, for the first one from accept: dribbling does not extend it
  std::chrono::milliseconds idle{60'000};     // between requests, from when the peer has the whole answer
  // A peer that takes no byte of what it is sent for this long is gone. Looked at once a second.
  std::chrono::milliseconds progress{10'000};
  std::uint32_t requests_max = 10'000;  // then the connection is closed in order
};

// What all connections of a shard share. Outlives them.
struct connection_context {
  boost::asio::io_context& io;
  connection_limits limits;
  std::function<void(request&&, reply_ptr)> handle;
  base::send_chain scratch = {};  // of one connection at a time
};

// Life: made with a transport that was accepted at `came`, start(), … until `on_done` is called (posted, once); the owner then drops it. One thread.
class connection final : public net::transport_handler, public std::enable_shared_from_this<connection> {
 public:
  connection(connection_context& shared, net::transport_ptr transport, base::instant came, std::uint64_t id, std::function<void()> on_done);
  ~connection() override;
  void start();
  // Ends after what is being sent, at once if that has no end of its own.
  void shut_down();
  // Ends at once: what is queued for the peer is lost.
  void give_up(const std::string& why);
  // So far, also of one that has ended.
  [[nodiscard]] net::traffic traffic() const { return transport_ ? transport_->traffic_so_far() : traffic_; }
  // Null once the connection has ended.
  [[nodiscard]] const net::transport* transport() const { return transport_.get(); }

 private:
  friend class reply;
  // reading -> answering -> sending, a body that comes bit by bit -> draining, until the peer has taken enough of it -> reading; or closing, until
  // it has taken all of the last answer.
  enum class phase : unsigned char { reading, answering, sending, switched, draining, closing };

  void on_receive(base::bytes_view bytes) override;
  void on_receive_done() override;
  void on_writable() override;
  void on_drained() override;
  void on_closed(const net::close_info& info) override;

  void next();
  void answer(response&& r);
  void pump();
  void pause(bool paused);
  void end_of_body();
  void close_when_taken(const std::string& why);
  void finish(const std::string& why, bool abort = false);
  void arm(std::chrono::milliseconds after);
  void arm_due();
  void on_timer();
  void watch_progress(base::instant at);

  connection_context& shared_;
  net::transport_ptr transport_;  // null once finished
  net::traffic traffic_;          // of a transport that is gone
  const std::uint64_t id_;
  std::function<void()> on_done_;
  const std::string remote_;
  request_reader reader_;
  boost::asio::steady_timer timer_;
  base::instant due_;  // of a request, or of silence
  phase phase_ = phase::reading;
  bool request_begun_ = false;
  bool keep_alive_ = false, head_ = false, stopping_ = false, pumping_ = false, paused_ = false;
  std::uint32_t requests_ = 0;
  std::unique_ptr<body_source> source_;
  std::optional<std::uint64_t> left_;  // of a source whose length was announced
  std::uint64_t sent_mark_ = 0;        // bytes, when the peer took some or had nothing to take last: at progress_at_
  base::instant progress_at_{};
};

}  // namespace millrace::http
