#include "net/quic_timer.hpp"

#include <boost/asio/steady_timer.hpp>

namespace millrace::net {

quic_time quic_now() {
  return static_cast<quic_time>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch()).count());
}

struct quic_timer::waiter {
  explicit waiter(boost::asio::io_context& io) : timer(io) {}
  boost::asio::steady_timer timer;
};

quic_timer::quic_timer(boost::asio::io_context& io, std::function<void()> on_due)
    : waiter_(std::make_unique<waiter>(io)), on_due_(std::make_shared<const std::function<void()>>(std::move(on_due))) {}

quic_timer::~quic_timer() { queue_.clear(); }

void quic_timer::set(entry& which, quic_time due) {
  if (which.due_ == due) return;
  if (which.due_ != quic_never) queue_.erase(queue_.iterator_to(which));
  which.due_ = due;
  if (due != quic_never) queue_.insert(which);
}

quic_timer::entry* quic_timer::pop_due(quic_time now) {
  if (queue_.empty() || queue_.begin()->due_ > now) return nullptr;
  entry& which = *queue_.begin();
  set(which, quic_never);
  return &which;
}

void quic_timer::arm() {
  if (queue_.empty()) return;  // an armed timer may fire for nothing; that is cheaper than cancelling it
  const quic_time due = queue_.begin()->due_;
  if (due >= armed_for_) return;
  armed_for_ = due;
  waiter_->timer.expires_at(std::chrono::steady_clock::time_point(std::chrono::nanoseconds(due)));
  waiter_->timer.async_wait([then = on_due_](boost::system::error_code failed) {
    if (!failed) (*then)();
  });
}

void quic_timer::cancel() {
  waiter_->timer.cancel();
  armed_for_ = quic_never;
}

}  // namespace millrace::net
