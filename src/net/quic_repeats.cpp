#include "net/quic_repeats.hpp"

#include <algorithm>

namespace millrace::net {
namespace {

constexpr std::size_t kept_bytes_max = 256u << 10;  // ten milliseconds of 200 Mb/s
constexpr quic_time slack = 1'000'000;              // one wake-up for what is due about now
constexpr quic_time observe_every = std::chrono::nanoseconds(repeat_policy::slot).count();

}  // namespace

void quic_repeats::observe(quic_time now, const ngtcp2_conn_info& info, bool waiting) {
  if (!waiting) {
    waiting_since_ = quic_never;
  } else if (waiting_since_ == quic_never) {
    waiting_since_ = now;
  }
  if (now < observe_next_ && !policy_.on()) return;  // starting may wait for its time, stopping may not
  observe_next_ = now + observe_every;
  repeat_policy::sample s;
  s.packets_sent = info.pkt_sent;
  s.packets_lost = info.pkt_lost;
  s.bytes_sent = info.bytes_sent;
  s.bytes_delivered = bytes_delivered(info);
  s.rtt = microseconds_of(info.smoothed_rtt);
  if (waiting) s.waited = microseconds_of(now - waiting_since_);
  if (!policy_.update(microseconds_of(now), s)) return clear();
  if (!policy_.suspended()) return;
  copies_.erase_if([this](const copy& each) {
    if (!each.urgent) kept_bytes_ -= each.bytes.size();
    return !each.urgent;
  });
}

void quic_repeats::keep(quic_time now, const udp_batch& batch, bool urgent) {
  if (!policy_.take(microseconds_of(now), batch.bytes.size(), urgent)) return;
  kept_bytes_ += batch.bytes.size();
  copies_.push_back({now + delay, urgent, {batch.bytes.begin(), batch.bytes.end()}, batch.segment, batch.local, batch.remote, batch.ecn});
  while (kept_bytes_ > kept_bytes_max) {  // the newest is worth most
    kept_bytes_ -= copies_.front().bytes.size();
    copies_.pop_front();
  }
}

bool quic_repeats::poll_due(quic_time now, const ngtcp2_conn* conn, udp_batch& into) {
  if (due() > now + slack) return false;
  ngtcp2_conn_info info;
  ngtcp2_conn_get_conn_info2(conn, &info);
  if (info.bytes_in_flight == 0) {  // all of it has arrived, or is being sent again
    clear();
    return false;
  }
  auto& first = copies_.front();
  going_.swap(first.bytes);
  kept_bytes_ -= going_.size();
  into = {going_, first.segment, first.local, first.remote, first.ecn};
  copies_.pop_front();
  const auto datagrams = (going_.size() + into.segment - 1) / into.segment;
  sent_.datagrams += datagrams;
  sent_.bytes += going_.size();
  sent_.useful += static_cast<double>(datagrams) * policy_.loss() * (1 - policy_.loss());
  return true;
}

void quic_repeats::clear() {
  copies_.clear();
  kept_bytes_ = 0;
}

void quic_repeats::reset() {
  clear();
  policy_.reset();
}

}  // namespace millrace::net
