#include "net/quic_send_queue.hpp"

#include <algorithm>

namespace millrace::net {

base::duration quic_send_queue::oldest_unsent_age(base::instant now) const noexcept {
  if (next_ >= entries_.size()) return base::duration::zero();
  return std::max(base::duration::zero(), std::chrono::duration_cast<base::duration>(now - entries_[next_].queued_at));
}

void quic_send_queue::push(base::send_chain&& chain, base::instant now) {
  chain.drain([&](base::slice&& part) {
    end_ += part.size();
    entries_.push_back({std::move(part), now});
  });
}

void quic_send_queue::push(const base::send_chain& chain, base::instant now) {
  for (const auto& part : chain.parts()) entries_.push_back({part, now});
  end_ += chain.size();
}

void quic_send_queue::sent(std::uint64_t bytes) noexcept {
  sent_ += std::min(bytes, end_ - sent_);
  while (next_ < entries_.size() && next_begin_ + entries_[next_].bytes.size() <= sent_) {
    next_begin_ += entries_[next_].bytes.size();
    ++next_;
  }
}

void quic_send_queue::acknowledged(std::uint64_t offset) noexcept {
  acknowledged_ = std::max(acknowledged_, std::min(offset, sent_));
  while (!entries_.empty() && front_begin_ + entries_.front().bytes.size() <= acknowledged_) {
    front_begin_ += entries_.front().bytes.size();
    entries_.pop_front();
    --next_;  // a freed entry was sent, so next_ is beyond it
  }
}

void quic_send_queue::drop_unsent() noexcept {
  const std::size_t kept = sent_ > next_begin_ ? next_ + 1 : next_;  // a slice that was sent in part stays whole
  while (entries_.size() > kept) {
    end_ -= entries_.back().bytes.size();
    entries_.erase(entries_.end() - 1);
  }
}

void quic_send_queue::clear() noexcept {
  entries_.clear();
  acknowledged_ = sent_ = front_begin_ = next_begin_ = end_;
  next_ = 0;
}

}  // namespace millrace::net
