#include "net/quic_stream_transport.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>

#include "base/spare.hpp"

namespace millrace::net {
namespace {

// What waits in memory for one reader is bounded, however large the network's own queue may be.
constexpr std::size_t window_max = 4u << 20;
constexpr std::size_t window_min = 32u << 10;  // a fresh connection's 12 KB would not even take one key frame's first chunks
constexpr std::size_t usual_windows = 2;         // that are unacknowledged while a lost packet is repaired
constexpr quic_time millisecond = 1'000'000, flush_max = 2'000 * millisecond;
// What came and is not yet delivered lies in memory of the thread: most connections receive next to nothing.
using spare_bytes = base::spare<std::uint8_t, (256u << 10)>;
// After the peer's FIN its CONNECTION_CLOSE, which carries code and reason, is on its way: give it this long to arrive.
constexpr quic_time fin_grace_min = 300 * millisecond, fin_grace_max = 1'000 * millisecond;

}  // namespace

quic_stream_transport::quic_stream_transport(std::shared_ptr<quic_connection> connection, boost::asio::io_context& io,
                                             open_callback on_open)
    : connection_(std::move(connection)), io_(io), on_open_(std::move(on_open)) {}

void quic_stream_transport::expect_stream_until(quic_time when) { connection_->set_deadline(when); }

void quic_stream_transport::give_up() {
  on_open_ = nullptr;
  if (!opened_) connection_->close_for_good(static_cast<std::uint64_t>(close_code::no_error), "given up");
}

transport_facts quic_stream_transport::facts() const {
  transport_facts out;
  connection_->fill(out);
  out.bytes_sent = queue_.sent_offset() + (side_ ? side_->bytes_sent() : 0);
  out.bytes_received = bytes_received_ + (side_ ? side_->bytes_received() : 0);
  return out;
}

traffic quic_stream_transport::traffic_so_far() const {
  return {queue_.sent_offset() + (side_ ? side_->bytes_sent() : 0), bytes_received_ + (side_ ? side_->bytes_received() : 0)};
}

std::size_t quic_stream_transport::held_bytes() const {
  const auto unacknowledged = queue_.unacknowledged_bytes() + static_cast<std::size_t>(side_ ? side_->unacknowledged_bytes() : 0);
  const auto usual = usual_windows * window();
  return queued_bytes() + (unacknowledged > usual ? unacknowledged - usual : 0);
}

base::duration quic_stream_transport::oldest_queued_age(base::instant now) const {
  const auto own = queue_.oldest_unsent_age(now);
  return side_ ? std::max(own, side_->oldest_queued_age(now)) : own;
}

// Null in the byte-stream mapping.
quic_side_streams* quic_stream_transport::side() {
  if (!side_ && connection_->handshake_completed() && connection_->alpn() == roqr_alpn) side_.emplace(connection_);
  return side_ ? &*side_ : nullptr;
}

std::optional<std::chrono::microseconds> quic_stream_transport::round_trip() const { return connection_->round_trip(); }

void quic_stream_transport::pull_from(base::group_source* source) {
  if (auto* const streams = side()) streams->pull_from(source);
}

void quic_stream_transport::pull() {
  if (auto* const streams = side()) streams->pulled();
  connection_->touch();
}

void quic_stream_transport::stop_stream(std::int64_t stream, std::uint64_t code) {
  if (auto* const streams = side()) streams->stop(stream, code);
}

std::size_t quic_stream_transport::window() const {
  return std::clamp(static_cast<std::size_t>(connection_->congestion_window()), window_min, window_max);
}

std::size_t quic_stream_transport::send_budget() const {
  const std::size_t whole = window(), waiting = queue_.unsent_bytes();
  if (waiting < whole && !connection_->is_too_much(queue_.unacknowledged_bytes())) return whole - waiting;
  budget_was_zero_ = true;
  return 0;
}

// Asks for a deliver(): in a turn of the endpoint, or posted when the connection has ended and gets no more turns.
void quic_stream_transport::wake() {
  if (connection_->alive()) return connection_->wake();
  boost::asio::post(io_, [self = shared_from_this()] { self->deliver(); });
}

void quic_stream_transport::start(transport_handler& handler) {
  handler_ = &handler;
  wake();  // what arrived before this waits in received_, and perhaps the end behind it
}

void quic_stream_transport::send(base::send_chain&& chain) {
  if (finishing_ || write_refused_ || !connection_->alive()) chain.clear();
  if (chain.empty()) return;
  queue_.push(std::move(chain), instant_of(connection_->now()));
  static_cast<void>(send_budget());  // notes an exhausted budget, so that on_writable follows even if nobody asks
  connection_->touch();
}

void quic_stream_transport::pause_receive(bool paused) {
  if (paused_ == paused) return;
  paused_ = paused;
  if (!paused) wake();
}

void quic_stream_transport::close(close_code code, std::string reason) {
  handler_ = nullptr;
  if (side_) side_->pull_from(nullptr);
  if (finishing_ || !connection_->alive()) return;
  finishing_ = true;
  finish_code_ = code;
  finish_reason_ = std::move(reason);
  connection_->set_deadline(connection_->now() + flush_max);
  connection_->wake();
}

void quic_stream_transport::abort() {
  handler_ = nullptr;
  if (side_) side_->pull_from(nullptr);
  connection_->close(static_cast<std::uint64_t>(close_code::general_error), "aborted");
}

// The last outside reference is gone. After close() that is as it should be; otherwise nobody can end this connection any
// more, and its handler may be about to die.
void quic_stream_transport::on_handle_dropped() {
  handler_ = nullptr;
  if (side_) side_->pull_from(nullptr);
  if (!finishing_) abort();
}

bool quic_stream_transport::on_stream_open(std::int64_t stream) {
  if (stream == 0 && connection_->is_server()) {
    stream_ = 0;
    return true;
  }
  return side() != nullptr;
}

void quic_stream_transport::on_stream_bytes(std::int64_t stream, base::bytes_view bytes, bool fin) {
  if (stream != stream_) {
    if (auto* const streams = side()) streams->on_bytes(stream, bytes, fin);
    return;
  }
  bytes_received_ += bytes.size();
  if (received_.capacity() == 0) received_ = spare_bytes::of_thread().take();
  received_.insert(received_.end(), bytes.begin(), bytes.end());
  if (fin) fin_received_ = true;
}

void quic_stream_transport::on_stream_acknowledged(std::int64_t stream, std::uint64_t below) {
  if (stream == stream_) return queue_.acknowledged(below);
  if (side_) side_->on_acknowledged(stream, below);
}

void quic_stream_transport::on_stream_reset(std::int64_t stream, std::uint64_t code) {
  if (stream == stream_ && !fin_received_) reset_received_ = code;
  if (stream != stream_ && side_) side_->on_reset(stream, code);
}

void quic_stream_transport::on_stop_sending(std::int64_t stream, std::uint64_t) {
  if (stream != stream_ && side_) side_->on_stopped(stream);
  if (stream == stream_) refuse_write();  // ngtcp2 answers with RESET_STREAM; the slices that were sent stay until the stream is closed
}

void quic_stream_transport::refuse_write() {
  write_refused_ = true;
  queue_.drop_unsent();
}

void quic_stream_transport::on_stream_close(std::int64_t stream) {
  if (stream != stream_) {
    if (side_) side_->on_close(stream);
    return;
  }
  write_refused_ = true;
  queue_.clear();  // ngtcp2 no longer touches the stream's data
}

void quic_stream_transport::begin_write() {
  flow_blocked_ = false;
  if (side_) side_->begin_write();
}

void quic_stream_transport::on_blocked(std::int64_t stream) {
  if (stream != stream_ && side_) return side_->on_blocked(stream);
  flow_blocked_ = true;
}

quic_offer quic_stream_transport::offer(bool fresh) {
  const bool mine = stream_ >= 0 && !flow_blocked_ && !write_refused_ && !fin_sent_;
  if (!mine || queue_.unsent_bytes() == 0) {
    const auto other = side_ ? side_->offer(fresh) : quic_offer{};
    if (other.stream >= 0 || !mine) return other;
    return finishing_ ? quic_offer{stream_, nullptr, 0, true, true} : quic_offer{};
  }
  const auto parts = offer_space();
  const std::size_t count = queue_.peek(parts.data(), parts.size());
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < count; ++i) bytes += parts[i].len;
  return {stream_, parts.data(), count, finishing_ && bytes == queue_.unsent_bytes(), side_.has_value()};
}

void quic_stream_transport::on_taken(std::int64_t stream, std::uint64_t bytes, bool fin) {
  if (stream != stream_ && side_) return side_->on_taken(stream, bytes, fin);
  queue_.sent(bytes);
  if (fin) fin_sent_ = true;
}

void quic_stream_transport::on_write_refused(std::int64_t stream) {
  if (stream != stream_ && side_) return side_->on_refused(stream);
  refuse_write();
}

void quic_stream_transport::on_handshake_completed() {
  if (connection_->is_server()) return;  // stream 0 is the client's to open
  stream_ = connection_->open_stream();
  if (stream_ != 0) {
    connection_->close(static_cast<std::uint64_t>(close_code::general_error), "the server allows no bidirectional stream");
  }
}

void quic_stream_transport::on_path_changed(std::string remote, std::chrono::milliseconds gap) {
  path_change_ = path_change{std::move(remote), gap};
}

void quic_stream_transport::after_write() {
  if (side_ && side_->flushed_since()) connection_->wake();
  if (side_ && side_->take_dry()) {
    writable_due_ = true;
    connection_->wake();
  }
  // A quarter of the window free before anyone is woken, or every acknowledged packet would be a wake-up.
  if (budget_was_zero_ && queue_.unsent_bytes() <= window() - window() / 4 && !connection_->is_too_much(queue_.unacknowledged_bytes())) {
    budget_was_zero_ = false;
    writable_due_ = true;
    connection_->wake();
  }
}

void quic_stream_transport::on_deadline(quic_time) {
  if (!opened_ && stream_ < 0) {
    return connection_->close(static_cast<std::uint64_t>(close_code::general_error), "no stream was opened in time");
  }
  if (finishing_) return connection_->close(static_cast<std::uint64_t>(finish_code_), finish_reason_);
  fin_grace_over_ = true;
  wake();
}

// All that close() promised is done once the peer has every byte, or never will.
void quic_stream_transport::finish_when_flushed() {
  if (!finishing_ || !connection_->alive()) return;
  const bool flushed = fin_sent_ && queue_.acknowledged_offset() == queue_.end_offset() && (!side_ || side_->flushed());
  if (flushed || write_refused_ || stream_ < 0) connection_->close(static_cast<std::uint64_t>(finish_code_), finish_reason_);
}

void quic_stream_transport::announce() {
  if (opened_ || !on_open_ || stream_ < 0 || !connection_->handshake_completed() || !connection_->alive()) return;
  opened_ = true;
  if (connection_->is_server()) connection_->set_deadline(quic_never);
  const auto tell = std::exchange(on_open_, nullptr);
  // The handle is a share of its own, so that its end is seen even though the connection holds this object too.
  tell(transport_ptr(this, [self = shared_from_this()](transport*) { self->on_handle_dropped(); }));
}

void quic_stream_transport::deliver() {
  const auto self = shared_from_this();
  announce();
  if (handler_ != nullptr && path_change_) {
    const auto change = *std::exchange(path_change_, std::nullopt);
    handler_->on_path_changed(change.remote, change.gap);
  }
  deliver_bytes();
  if (side_ && side_->take_flushed() && handler_ != nullptr && !end_) handler_->on_groups_flushed();
  if (std::exchange(writable_due_, false) && handler_ != nullptr && !end_) handler_->on_writable();
  deliver_end();
  finish_when_flushed();
}

void quic_stream_transport::deliver_bytes() {
  if (side_ && side_->anything_received()) {
    if (handler_ == nullptr && finishing_) side_->discard_received();
    if (handler_ != nullptr && !paused_) {
      side_->deliver(handler_);
      if (handler_ != nullptr && received_.empty()) handler_->on_receive_done();
    }
  }
  if (received_.empty()) return;
  if (handler_ == nullptr) {
    if (finishing_) {  // nobody reads any more; keep the peer's window open so that it gets to our FIN
      connection_->credit(stream_, received_.size());
      base::give_back(received_);
    }
    return;
  }
  if (paused_) return;
  auto bytes = std::move(received_);
  base::give_back(received_);
  connection_->credit(stream_, bytes.size());
  handler_->on_receive(bytes);
  if (handler_ != nullptr) handler_->on_receive_done();
  spare_bytes::of_thread().give(bytes);
}

void quic_stream_transport::deliver_end() {
  if (end_ && on_open_) {
    const auto tell = std::exchange(on_open_, nullptr);
    return tell(end_->reason);
  }
  if (handler_ == nullptr || ended_reported_) return;
  std::optional<close_info> info;
  if (reset_received_) {
    info = close_info{{base::error_kind::unreachable, "stream reset by the peer"}, true, reset_received_};
  } else if (end_) {
    // An end in order comes after the bytes that were sent before it; any other end has no time to lose.
    const bool unread = !received_.empty() || (side_ && side_->anything_received());
    if (end_->by_peer && end_->reason.kind != base::error_kind::unreachable && unread) return;
    info = end_;
  } else if (fin_received_ && received_.empty()) {
    if (!fin_grace_started_) {
      fin_grace_started_ = true;
      connection_->set_deadline(connection_->now() + std::clamp(3 * connection_->probe_timeout(), fin_grace_min, fin_grace_max));
      return;
    }
    if (!fin_grace_over_) return;
    info = close_info{{base::error_kind::closed, "the peer ended the stream"}, true, std::nullopt};
  }
  if (!info) return;
  ended_reported_ = true;
  auto* const handler = std::exchange(handler_, nullptr);
  if (side_) side_->pull_from(nullptr);
  if (connection_->alive()) close(close_code::no_error, {});  // our half: flush, FIN, close
  handler->on_closed(*info);
}

void quic_stream_transport::on_end(close_info info) {
  end_ = std::move(info);
  queue_.clear();  // the ngtcp2 connection is deleted: its pointers are gone
  if (side_) side_->clear();
  wake();
}

}  // namespace millrace::net
