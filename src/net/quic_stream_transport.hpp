// Stream 0 of a QUIC connection as a net::transport: all of the byte-stream mapping, and the session's own stream in RoQR, whose other
// streams are quic_side_streams. Internal to quic_*.cpp.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "net/quic_connection.hpp"
#include "net/quic_send_queue.hpp"
#include "net/quic_side_streams.hpp"
#include "net/transport.hpp"

namespace millrace::net {

// Owned by its connection until that ends, and by whoever holds the handle that `on_open` gave out. User code (on_open, the
// handler) is called from deliver() only, which runs in a loop turn outside of ngtcp2 and of every call into this class.
class quic_stream_transport final : public transport, public quic_application, public std::enable_shared_from_this<quic_stream_transport> {
 public:
  using open_callback = std::function<void(base::result<transport_ptr>)>;
  // `on_open` is called once: when the handshake is complete and stream 0 is open, or with the reason why that will not happen.
  quic_stream_transport(std::shared_ptr<quic_connection> connection, boost::asio::io_context& io, open_callback on_open);
  // Server: the client has this long to open stream 0.
  void expect_stream_until(quic_time when);
  // Nobody waits for on_open any more.
  void give_up();
  [[nodiscard]] base::result<void> rebind_local() { return connection_->move_to_fresh_socket(); }

  // --- transport
  [[nodiscard]] transport_kind kind() const override { return transport_kind::quic; }
  [[nodiscard]] transport_facts facts() const override;
  [[nodiscard]] traffic traffic_so_far() const override;
  [[nodiscard]] std::optional<std::chrono::microseconds> round_trip() const override;
  [[nodiscard]] std::size_t queued_bytes() const override { return queue_.unsent_bytes() + (side_ ? side_->queued_bytes() : 0); }
  [[nodiscard]] std::size_t held_bytes() const override;
  [[nodiscard]] base::duration oldest_queued_age(base::instant now) const override;
  [[nodiscard]] std::size_t send_budget() const override;
  void start(transport_handler& handler) override;
  void send(base::send_chain&& chain) override;
  void pull_from(base::group_source* source) override;
  void pull() override;
  void expect_media() override { connection_->allow_media(); }
  void stop_stream(std::int64_t stream, std::uint64_t code) override;
  void pause_receive(bool paused) override;
  void close(close_code code, std::string reason) override;
  void abort() override;

  // --- quic_application
  bool on_stream_open(std::int64_t stream) override;
  void on_stream_bytes(std::int64_t stream, base::bytes_view bytes, bool fin) override;
  void on_stream_acknowledged(std::int64_t stream, std::uint64_t below) override;
  void on_stream_reset(std::int64_t stream, std::uint64_t code) override;
  void on_stop_sending(std::int64_t stream, std::uint64_t code) override;
  void on_stream_close(std::int64_t stream) override;
  void begin_write() override;
  quic_offer offer(bool fresh) override;
  void on_taken(std::int64_t stream, std::uint64_t bytes, bool fin) override;
  void on_blocked(std::int64_t stream) override;
  void on_write_refused(std::int64_t stream) override;
  void on_handshake_completed() override;
  void on_path_changed(std::string remote, std::chrono::milliseconds gap) override;
  void after_write() override;
  void on_deadline(quic_time now) override;
  [[nodiscard]] bool finishing() const override { return finishing_; }
  void deliver() override;
  void on_end(close_info info) override;

 private:
  [[nodiscard]] std::size_t window() const;
  quic_side_streams* side();
  void wake();
  void announce();
  void deliver_bytes();
  void deliver_end();
  void on_handle_dropped();
  void finish_when_flushed();
  void refuse_write();

  std::shared_ptr<quic_connection> connection_;
  boost::asio::io_context& io_;
  open_callback on_open_;
  transport_handler* handler_ = nullptr;

  std::int64_t stream_ = -1;
  bool opened_ = false;  // on_open_ has been called with a transport
  bool paused_ = false;
  bool finishing_ = false;  // close() was called: flush, FIN, wait, CONNECTION_CLOSE
  bool fin_sent_ = false;
  bool write_refused_ = false;  // STOP_SENDING or the like: nothing of ours gets through any more
  bool flow_blocked_ = false;   // in this write pass
  mutable bool budget_was_zero_ = false;
  bool writable_due_ = false;
  bool ended_reported_ = false;
  close_code finish_code_ = close_code::no_error;
  std::string finish_reason_;

  std::vector<std::uint8_t> received_;  // not yet delivered; its size is bounded by the flow control window
  bool fin_received_ = false;
  std::optional<std::uint64_t> reset_received_;
  bool fin_grace_over_ = false, fin_grace_started_ = false;
  std::optional<close_info> end_;  // the connection is gone
  struct path_change {
    std::string remote;
    std::chrono::milliseconds gap;
  };
  std::optional<path_change> path_change_;

  quic_send_queue queue_;
  std::optional<quic_side_streams> side_;  // RoQR
  std::uint64_t bytes_received_ = 0;
};

}  // namespace millrace::net
