#include "net/quic_timer.hpp"

#include <boost/asio/steady_timer.hpp>

namespace millrace::net {

quic_time quic_now() {
  return static_cast<quic_time>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch()).count());
}

namespace {
constexpr std::size_t spare_max = 4096;  // 64 bytes each
}

struct quic_timer::waiter {
  explicit waiter(boost::asio::io_context& io) : timer(io) {}
  boost::asio::steady_timer timer;
};

quic_timer::quic_timer(boost::asio::io_context& io, std::function<void()> on_due)
    : waiter_(std::make_unique<waiter>(io)), on_due_(std::make_shared<const std::function<void()>>(std::move(on_due))) {}

quic_timer::~quic_timer() = default;

void quic_timer::set(entry& which, quic_time due) {
  if (which.due_ == due) return;
  queue::node_type node;  // used again: no allocation per write
  if (which.due_ != quic_never) {
    node = queue_.extract({which.due_, &which});
  } else if (!spare_.empty()) {
    node = std::move(spare_.back());
    spare_.pop_back();
  }
  which.due_ = due;
  if (due == quic_never) return keep(std::move(node));
  if (!node) {
    queue_.emplace(due, &which);
    return;
  }
  node.value() = {due, &which};
  queue_.insert(std::move(node));
}

void quic_timer::keep(queue::node_type node) {
  if (spare_.size() < spare_max) spare_.push_back(std::move(node));
}

quic_timer::entry* quic_timer::pop_due(quic_time now) {
  if (queue_.empty() || queue_.begin()->first > now) return nullptr;
  entry* const which = queue_.begin()->second;
  keep(queue_.extract(queue_.begin()));
  which->due_ = quic_never;
  return which;
}

void quic_timer::arm() {
  if (queue_.empty()) return;  // an armed timer may fire for nothing; that is cheaper than cancelling it
  const quic_time due = queue_.begin()->first;
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
