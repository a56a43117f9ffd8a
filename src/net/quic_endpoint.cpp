#include "net/quic_endpoint.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <utility>

namespace millrace::net {
namespace {

// Bounds of one turn, so that other sockets and timers of the thread get theirs.
constexpr std::size_t datagrams_per_turn = 512;
constexpr int rounds_per_turn = 4;
// A round for some hundred viewers takes tens of milliseconds. Who comes meanwhile (a handshake, a new viewer's acknowledgements) does not wait for
// all of it: a turn writes for so many that were touched last, and for so many of those that wait.
constexpr std::size_t writes_per_turn = 32, later_writes_per_turn = 16, starting_writes_per_turn = 64;

}  // namespace

quic_timer& quic_endpoint::timer() {
  if (!timer_) {
    timer_ = std::make_unique<quic_timer>(io_, [weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->on_timer();
    });
  }
  return *timer_;
}

void quic_endpoint::add_socket(std::shared_ptr<quic_udp_socket> socket) {
  sockets_.push_back(socket);
  wait_readable(socket);
}

void quic_endpoint::remove_sockets_but(const udp_address& used) {
  std::erase_if(sockets_, [&](const auto& socket) {
    if (socket->local() == used) return false;
    socket->close();
    return true;
  });
}

void quic_endpoint::drop_unsent() {
  if (!blocked()) return;
  unsent_.clear();
  waiting_writable_ = false;  // its socket may be closed, and then calls nobody; if it is not, on_writable() finds nothing to do
  post_turn();
}

void quic_endpoint::close_sockets() {
  for (const auto& socket : sockets_) socket->close();
  sockets_.clear();
  unread_.clear();
  unsent_.clear();
  touched_.clear();
  later_.clear();
  if (timer_) timer_->cancel();
}

quic_udp_socket* quic_endpoint::socket_for(const udp_address& local) const {
  for (const auto& socket : sockets_) {
    if (socket->local() == local) return socket.get();
  }
  return present_socket();
}

void quic_endpoint::touch(quic_connection& which) {
  if (!open() || which.touched) return;
  which.touched = true;
  touched_.push_back(which.shared_from_this());
  if (!collecting_) post_turn();
}

void quic_endpoint::retime(quic_connection& which, quic_time due) { timer().set(which, due); }

void quic_endpoint::send(const udp_batch& batch) {
  quic_udp_socket* const socket = socket_for(batch.local);
  if (socket == nullptr) return;
  std::size_t done = 0;
  if (!blocked()) {
    const auto sent = socket->send(batch);
    datagrams_sent_ += sent.datagrams;
    if (sent.error != 0) pending_error_ = sent.error;
    if (!sent.blocked) return;
    done = sent.bytes;
  }
  unsent_.push_back(
      {{batch.bytes.begin() + static_cast<std::ptrdiff_t>(done), batch.bytes.end()}, batch.segment, batch.local, batch.remote, batch.ecn});
  wait_writable();
}

void quic_endpoint::wait_readable(const std::shared_ptr<quic_udp_socket>& socket) {
  socket->wait_readable([self = shared_from_this(), socket] { self->on_readable(socket); });
}

void quic_endpoint::wait_writable() {
  if (waiting_writable_ || unsent_.empty()) return;
  quic_udp_socket* const socket = socket_for(unsent_.front().local);
  if (socket == nullptr) return;
  waiting_writable_ = true;
  socket->wait_writable([self = shared_from_this()] { self->on_writable(); });
}

void quic_endpoint::on_readable(const std::shared_ptr<quic_udp_socket>& socket) {
  if (!reading_) return unread_.push_back(socket);
  const auto self = shared_from_this();
  collecting_ = true;
  const auto got = socket->receive(datagrams_per_turn, [this](const udp_datagram& datagram) {
    ++datagrams_received_;
    on_datagram(datagram);
  });
  // An ICMP error is reported once and cleared, so waiting again does not spin.
  if (got.error != 0 && open()) on_socket_error(got.error);
  collecting_ = false;
  turn();
  if (std::find(sockets_.begin(), sockets_.end(), socket) != sockets_.end()) wait_readable(socket);
}

void quic_endpoint::read_again() {
  reading_ = true;
  for (const auto& socket : std::exchange(unread_, {})) wait_readable(socket);
}

void quic_endpoint::collect(const std::function<void()>& take) {
  const auto self = shared_from_this();
  collecting_ = true;
  take();
  collecting_ = false;
  turn();
}

void quic_endpoint::on_writable() {
  waiting_writable_ = false;
  while (!unsent_.empty()) {
    auto& front = unsent_.front();
    quic_udp_socket* const socket = socket_for(front.local);
    if (socket == nullptr) return;
    const auto sent = socket->send({front.bytes, front.segment, front.local, front.remote, front.ecn});
    datagrams_sent_ += sent.datagrams;
    if (sent.blocked) {
      front.bytes.erase(front.bytes.begin(), front.bytes.begin() + static_cast<std::ptrdiff_t>(sent.bytes));
      return wait_writable();
    }
    unsent_.pop_front();
  }
  turn();
}

void quic_endpoint::on_timer() {
  timer().fired();
  if (!open()) return;
  const auto self = shared_from_this();
  collecting_ = true;
  const quic_time now = quic_now();
  // While the socket is full nothing may be built, so expiries wait too; on_writable runs the turn that arms the timer again.
  while (!blocked()) {
    auto* const due = timer().pop_due(now);
    if (due == nullptr) break;
    const auto connection = static_cast<quic_connection*>(due)->shared_from_this();
    connection->on_timer(now);
  }
  collecting_ = false;
  turn();
}

void quic_endpoint::post_turn() {
  if (turn_posted_) return;
  turn_posted_ = true;
  boost::asio::post(io_, [self = shared_from_this()] {
    self->turn_posted_ = false;
    self->turn();
  });
}

// Handlers may close anything in here, this endpoint included.
void quic_endpoint::turn() {
  if (collecting_) return;
  const auto self = shared_from_this();
  collecting_ = true;
  for (int round = 0; round < rounds_per_turn && !touched_.empty() && open(); ++round) {
    // Deliveries touch other connections (a publisher's frame goes to its viewers), so the list grows while we walk it.
    for (std::size_t i = 0; i < touched_.size(); ++i) {
      const auto connection = touched_[i];
      connection->touched_again = false;
      connection->deliver();
    }
    if (blocked()) break;  // on_writable goes on
    write_touched();
  }
  write_later();
  collecting_ = false;
  if (!open()) return;
  if (const int error = std::exchange(pending_error_, 0); error != 0) on_socket_error(error);
  if (!open()) return;
  if (!(touched_.empty() && later_.empty()) && !blocked()) post_turn();
  if (!blocked()) timer().arm();
}

void quic_endpoint::write_touched() {
  writing_.swap(touched_);
  std::size_t written = 0;
  // Who starts waits for nobody who has started.
  const auto others = std::partition(writing_.begin(), writing_.end(), [](const auto& each) { return each->starting(); });
  const auto first = static_cast<std::size_t>(others - writing_.begin());
  const std::size_t most = std::max(writes_per_turn, std::min(first, starting_writes_per_turn));
  for (auto& connection : writing_) {
    if (written++ < most) {
      write(*connection);
    } else {
      later_.push_back(std::move(connection));
    }
  }
  writing_.clear();
}

void quic_endpoint::write_later() {
  for (std::size_t written = 0; written < later_writes_per_turn && !later_.empty() && !blocked() && open(); ++written) {
    const auto connection = std::move(later_.front());
    later_.pop_front();
    if (std::exchange(connection->touched_again, false)) connection->deliver();
    if (open()) write(*connection);
  }
}

void quic_endpoint::write(quic_connection& which) {
  const bool again = which.touched_again;
  which.touched = which.touched_again = false;
  if (blocked() || again) {
    // Full: its write waits. Again: something was handed to it after its delivery; deliver it in the next round.
    touch(which);
  }
  if (!blocked()) which.write();
}

}  // namespace millrace::net
