#include "net/tcp_transport.hpp"

#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <optional>
#include <vector>

#include "base/fifo.hpp"
#include "net/endpoint_text.hpp"
#include "net/receive_rounds.hpp"
#include "net/tcp_facts.hpp"

namespace millrace::net {
namespace {

using boost::asio::ip::tcp;
using clock = std::chrono::steady_clock;

constexpr std::size_t read_buffer_size = 64u << 10;
constexpr std::size_t read_per_turn = 512u << 10;  // then the other connections of this thread get their turn
constexpr int round_max = 48 << 10;                // more than this is not left to the next round; nor is what fills the window that the peer has
constexpr std::size_t last_words_max = 1u << 20;   // read after a failed write: the peer's reason may lie there
constexpr std::size_t slices_per_write = 64;
constexpr int unsent_in_kernel = 64 << 10;
constexpr std::chrono::seconds flush_deadline{2};
constexpr std::chrono::seconds linger_deadline{1};

// One per thread: an idle connection owns no receive buffer, and no handler reads a transport from inside on_receive.
std::span<std::uint8_t> read_buffer() {
  thread_local std::array<std::uint8_t, read_buffer_size> buffer;
  return buffer;
}

class tcp_transport;

// One per io_context: the transports that have something to write at the end of this turn of the loop. One post for all of them.
class flush_list final : public boost::asio::execution_context::service {
 public:
  using key_type = flush_list;
  static boost::asio::execution_context::id id;
  explicit flush_list(boost::asio::execution_context& context) : service(context), io_(static_cast<boost::asio::io_context&>(context)) {}
  void add(std::shared_ptr<tcp_transport> one);

 private:
  void shutdown() noexcept override {
    due_.clear();
    going_.clear();
  }
  void run();

  boost::asio::io_context& io_;
  std::vector<std::shared_ptr<tcp_transport>> due_, going_;
  bool posted_ = false;
};
boost::asio::execution_context::id flush_list::id;

class tcp_transport final : public transport, public receive_rounds::reader, public std::enable_shared_from_this<tcp_transport> {
 public:
  tcp_transport(tcp::socket socket, std::unique_ptr<channel> channel)
      : socket_(std::move(socket)), channel_(std::move(channel)), rounds_(receive_rounds::of(socket_.get_executor().context())) {
    boost::system::error_code ignored;
    local_ = socket_.local_endpoint(ignored);
    remote_ = socket_.remote_endpoint(ignored);
    set_tcp_options(socket_.native_handle());
  }

  [[nodiscard]] transport_kind kind() const override { return channel_->kind(); }

  [[nodiscard]] transport_facts facts() const override {
    transport_facts facts;
    facts.kind = kind();
    facts.local = endpoint_text(local_.address(), local_.port());
    facts.remote = endpoint_text(remote_.address(), remote_.port());
    facts.bytes_sent = bytes_sent_;
    facts.bytes_received = bytes_received_;
    channel_->describe(facts);
    if (phase_ != phase::gone) read_tcp_info(descriptor_, facts);
    return facts;
  }

  [[nodiscard]] std::size_t queued_bytes() const override { return queued_bytes_; }

  [[nodiscard]] base::duration oldest_queued_age(base::instant now) const override {
    if (queue_.empty() || now <= queue_.front().since) return base::duration::zero();
    return now - queue_.front().since;
  }

  [[nodiscard]] traffic traffic_so_far() const override { return {bytes_sent_, bytes_received_}; }
  [[nodiscard]] std::uint64_t delivered_bytes() const override {
    return phase_ == phase::gone ? bytes_sent_ : tcp_bytes_acknowledged(descriptor_).value_or(bytes_sent_);
  }
  [[nodiscard]] std::size_t send_budget() const override {
    if (phase_ != phase::open || queued_bytes_ >= tcp_high_water) return 0;
    return tcp_high_water - queued_bytes_;
  }

  void start(transport_handler& handler) override {
    if (phase_ != phase::open) return;
    handler_ = &handler;
    // Not a wait: TLS may hold bytes that it read together with the end of the handshake.
    if (!paused_) post_read();
  }

  void send(base::send_chain&& chain) override {
    if (phase_ != phase::open) chain.clear();
    if (chain.empty()) return;
    const auto now = clock::now();
    queued_bytes_ += chain.size();
    chain.drain([&](base::slice&& part) { queue_.push_back({std::move(part), now}); });
    if (queued_bytes_ >= tcp_high_water) budget_was_empty_ = true;
    post_flush();
  }

  void pause_receive(bool paused) override {
    if (paused_ == paused) return;
    paused_ = paused;
    if (!paused_ && handler_ != nullptr) post_read();
  }

  bool count_only() override {
    counting_ = channel_->kind() == transport_kind::tcp;
    return counting_;
  }

  void receive_in_rounds(bool may) override {
    if (in_rounds_ == may || phase_ == phase::gone) return;
    in_rounds_ = may;
    may ? rounds_.join(*this) : rounds_.leave(*this);
  }

  void close(close_code, std::string) override {
    if (phase_ != phase::open) return;
    handler_ = nullptr;
    phase_ = phase::flushing;
    arm_deadline(flush_deadline);
    post_flush();
  }

  void abort() override {
    handler_ = nullptr;
    if (phase_ == phase::gone) return;
    reset();
  }

 private:
  // open -> (close) flushing -> lingering -> gone; the peer's end leads through flushing to gone.
  enum class phase : unsigned char { open, flushing, lingering, gone };
  struct queued_slice {
    base::slice bytes;
    base::instant since;
  };

  // --- reading ---

  void post_read() {
    if (read_under_way_) return;
    read_under_way_ = true;
    boost::asio::post(socket_.get_executor(), [self = shared_from_this()] { self->on_readable(); });
  }

  void wait_to_read(channel_status want) {
    if (read_under_way_) return;
    read_under_way_ = true;
    socket_.async_wait(want == channel_status::want_write ? tcp::socket::wait_write : tcp::socket::wait_read,
                       [self = shared_from_this()](const boost::system::error_code&) { self->on_readable(); });
  }

  // The wait for the socket stays: the kernel ends it when there is too much for a round, or when the pipe is over. read(2) is not affected.
  void gather(bool on) override {
    const int least = on ? round_max : 1;
    ::setsockopt(descriptor_, SOL_SOCKET, SO_RCVLOWAT, &least, sizeof least);
  }

  void read_round() override {
    const auto self = shared_from_this();
    read();
  }

  void on_readable() {
    read_under_way_ = false;
    if (phase_ == phase::lingering) return discard();
    read();
  }

  void read() {
    if (phase_ != phase::open || handler_ == nullptr || paused_) return;
    const auto last = receive_burst(read_per_turn);
    if (handler_ == nullptr || phase_ != phase::open) return;
    switch (last.status) {
      case channel_status::end: return peer_ended();
      case channel_status::failed: return pipe_gone({last.error, false, std::nullopt});
      case channel_status::done: return paused_ ? void() : post_read();  // the turn's share is used up
      default: return paused_ ? void() : wait_to_read(last.status);
    }
  }

  // Reads until the socket is drained, the share is used up or the handler had enough, then tells the handler that the burst is over.
  // want_read stands for "drained" too. Afterwards handler_ may be gone.
  channel_result receive_burst(std::size_t share) {
    if (counting_) return skip_burst(share);
    const auto buffer = read_buffer();
    std::size_t taken = 0;
    channel_result last;
    while (taken < share) {
      last = channel_->read(buffer);
      if (last.status != channel_status::done) break;
      taken += last.bytes;
      bytes_received_ += last.bytes;
      const bool drained = last.bytes < buffer.size() && !channel_->pending();
      handler_->on_receive(buffer.first(last.bytes));
      if (handler_ == nullptr) return last;
      if (drained) last.status = channel_status::want_read;
      if (drained || paused_) break;
    }
    if (taken != 0) handler_->on_receive_done();
    return last;
  }

  channel_result skip_burst(std::size_t share) {
    auto last = *channel_->skip(share);
    bytes_received_ += last.bytes;
    if (last.status == channel_status::done && last.bytes < share) last.status = channel_status::want_read;
    return last;
  }

  // After our FIN: what the peer still sends is thrown away, so that the kernel does not answer it with a reset which would take
  // our last bytes (a reason for the close) from under the peer's eyes.
  void discard() {
    std::size_t taken = 0;
    while (taken < read_per_turn) {
      const auto last = channel_->read(read_buffer());
      if (last.status == channel_status::end || last.status == channel_status::failed) return gone();
      if (last.status != channel_status::done) return wait_to_read(last.status);
      taken += last.bytes;
    }
    post_read();
  }

  // --- writing ---

  // Not at once: everything that one turn of the loop sends leaves in one write, and no error is met inside send().
  void post_flush() {
    if (flush_under_way_) return;
    flush_under_way_ = true;
    boost::asio::use_service<flush_list>(socket_.get_executor().context()).add(shared_from_this());
  }

  friend class flush_list;
  void flush() {
    flush_under_way_ = false;
    if (phase_ != phase::open && phase_ != phase::flushing) return;
    while (!queue_.empty()) {
      std::array<iovec, slices_per_write> parts{};
      const auto sent = channel_->write({parts.data(), gather(parts)});
      if (sent.status == channel_status::failed || sent.status == channel_status::end) return write_failed(sent.error);
      if (sent.status != channel_status::done) {
        wait_to_flush(sent.status);
        break;
      }
      take_from_queue(sent.bytes);
    }
    if (phase_ == phase::flushing) return queue_.empty() ? flushed() : void();
    if (budget_was_empty_ && queued_bytes_ < tcp_high_water) {
      budget_was_empty_ = false;
      if (handler_ != nullptr) handler_->on_writable();
    }
    if (handler_ != nullptr && queue_.empty()) handler_->on_drained();
  }

  void wait_to_flush(channel_status want) {
    flush_under_way_ = true;
    socket_.async_wait(want == channel_status::want_read ? tcp::socket::wait_read : tcp::socket::wait_write,
                       [self = shared_from_this()](const boost::system::error_code&) { self->flush(); });
  }

  std::size_t gather(std::span<iovec> parts) const {
    std::size_t count = 0;
    std::size_t skip = front_taken_;
    for (std::size_t i = 0; i < queue_.size() && count < parts.size(); ++i) {
      const auto& entry = queue_[i];
      // iovec has no const, writing does not change the bytes.
      parts[count++] = {const_cast<std::uint8_t*>(entry.bytes.data()) + skip, entry.bytes.size() - skip};
      skip = 0;
    }
    return count;
  }

  void take_from_queue(std::size_t bytes) {
    bytes_sent_ += bytes;
    queued_bytes_ -= bytes;
    while (bytes != 0) {
      const std::size_t left = queue_.front().bytes.size() - front_taken_;
      if (bytes < left) {
        front_taken_ += bytes;
        break;
      }
      bytes -= left;
      front_taken_ = 0;
      queue_.pop_front();
    }
  }

  // --- ends ---

  void write_failed(const base::error& why) {
    if (phase_ == phase::flushing) return gone();
    drop_queue();
    if (handler_ == nullptr) return gone();
    close_info info{why, false, std::nullopt};
    if (!paused_) {
      // The peer may have said why before it went: let the handler hear that first.
      const auto last = receive_burst(last_words_max);
      if (handler_ == nullptr || phase_ != phase::open) return;
      // Where the kernel gave the peer up, reading ends as well.
      if (last.status == channel_status::end && why.kind != base::error_kind::timeout) info = ended_by_peer();
    }
    pipe_gone(info);
  }

  static close_info ended_by_peer() { return {{base::error_kind::closed, "the peer closed the connection"}, true, std::nullopt}; }

  void peer_ended() {
    auto* handler = std::exchange(handler_, nullptr);
    const auto self = shared_from_this();
    // It may still read: what is queued goes out as with close().
    peer_has_ended_ = true;
    phase_ = phase::flushing;
    arm_deadline(flush_deadline);
    post_flush();
    handler->on_closed(ended_by_peer());
  }

  void pipe_gone(const close_info& info) {
    auto* handler = std::exchange(handler_, nullptr);
    const auto self = shared_from_this();
    if (handler != nullptr) handler->on_closed(info);  // before the socket goes: facts() are still there
    gone();
  }

  void flushed() {
    channel_->end();
    boost::system::error_code ignored;
    socket_.shutdown(tcp::socket::shutdown_send, ignored);
    if (peer_has_ended_ || ignored) return gone();
    phase_ = phase::lingering;
    arm_deadline(linger_deadline);
    if (!read_under_way_) discard();
  }

  void arm_deadline(clock::duration after) {
    if (!deadline_) deadline_.emplace(socket_.get_executor());
    deadline_->expires_after(after);
    deadline_->async_wait([self = shared_from_this()](const boost::system::error_code& failure) {
      if (failure || self->phase_ == phase::gone) return;
      // A peer that did not take our bytes in time shall not keep them in the kernel either.
      if (self->phase_ == phase::flushing) return self->reset();
      self->gone();
    });
  }

  void reset() {
    boost::system::error_code ignored;
    socket_.set_option(boost::asio::socket_base::linger(true, 0), ignored);
    gone();
  }

  void gone() {
    if (phase_ == phase::gone) return;
    receive_in_rounds(false);
    phase_ = phase::gone;
    drop_queue();
    if (deadline_) deadline_->cancel();
    boost::system::error_code ignored;
    socket_.close(ignored);
  }

  void drop_queue() {
    queue_.clear();
    queued_bytes_ = 0;
    front_taken_ = 0;
  }

  tcp::socket socket_;
  std::unique_ptr<channel> channel_;
  const int descriptor_ = socket_.native_handle();
  receive_rounds& rounds_;
  tcp::endpoint local_, remote_;
  transport_handler* handler_ = nullptr;
  base::fifo<queued_slice> queue_;
  std::size_t front_taken_ = 0;  // bytes of the front slice already written
  std::size_t queued_bytes_ = 0;
  std::uint64_t bytes_sent_ = 0, bytes_received_ = 0;
  std::optional<boost::asio::steady_timer> deadline_;  // only once it is needed
  phase phase_ = phase::open;
  bool paused_ = false, counting_ = false, in_rounds_ = false, peer_has_ended_ = false, budget_was_empty_ = false;
  bool read_under_way_ = false, flush_under_way_ = false;  // a wait or a post
};

void flush_list::add(std::shared_ptr<tcp_transport> one) {
  due_.push_back(std::move(one));
  if (std::exchange(posted_, true)) return;
  boost::asio::post(io_, [this] { run(); });
}

void flush_list::run() {
  posted_ = false;
  going_.swap(due_);
  for (const auto& one : going_) one->flush();
  going_.clear();
}

}  // namespace

void set_tcp_options(int socket) {
  const auto set = [socket](int level, int option, int value) { ::setsockopt(socket, level, option, &value, sizeof value); };
  set(IPPROTO_TCP, TCP_NODELAY, 1);
  set(IPPROTO_TCP, TCP_NOTSENT_LOWAT, unsent_in_kernel);
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, 60);
  set(IPPROTO_TCP, TCP_KEEPINTVL, 15);
  set(IPPROTO_TCP, TCP_KEEPCNT, 4);
}

transport_ptr make_tcp_transport(tcp::socket socket, std::unique_ptr<channel> channel) {
  return std::make_shared<tcp_transport>(std::move(socket), std::move(channel));
}

}  // namespace millrace::net
