#include "net/repeat_policy.hpp"

#include <algorithm>
#include <cmath>

namespace millrace::net {
namespace {

using duration = repeat_policy::duration;

constexpr duration rate_window{1'000'000};
constexpr double full_memory = 2, full_share_max = 0.4;  // seconds; of the time
constexpr double queue_seconds = 0.03, queue_bytes_min = 8'000;
// Sound is repeated where other media is not: it is little, and must stay so.
constexpr double urgent_rate = 50'000, urgent_burst = 8'000;  // bytes per second, bytes
constexpr std::uint64_t urgent_max = 3'000;

double seconds(duration d) { return std::chrono::duration<double>(d).count(); }
double growth(std::uint64_t from, std::uint64_t to) { return to > from ? static_cast<double>(to - from) : 0.0; }

}  // namespace

void repeat_policy::remember(duration now, const sample& s) {
  if (!past_.empty() && now - past_.back().at < slot) return;
  past_.push_back({now, s});
  while (now - past_.front().at > window_max) past_.pop_front();
  double delivered = 0, sent = 0;
  for (std::size_t i = 1; i < past_.size(); ++i) {
    const auto& a = past_[i - 1];
    const auto& b = past_[i];
    delivered = std::max(delivered, growth(a.s.bytes_delivered, b.s.bytes_delivered) / seconds(b.at - a.at));
    sent = std::max(sent, growth(a.s.bytes_sent, b.s.bytes_sent) / seconds(b.at - a.at));
  }
  peak_ = std::min(delivered, sent);  // acknowledgements that were held up come all at once
  const auto first = std::find_if(past_.begin(), past_.end(), [&](const entry& e) { return now - e.at <= rate_window; });
  const auto& from = first != past_.begin() ? *std::prev(first) : *first;
  rate_ = now > from.at ? growth(from.s.bytes_sent, s.bytes_sent) / seconds(now - from.at) : 0;
}

// The oldest entry of the window in which loss counts; null: there is none yet.
const repeat_policy::entry* repeat_policy::loss_from() const {
  const entry* from = nullptr;
  for (auto e = past_.rbegin(); e != past_.rend() && e->at >= measured_from_; ++e) {
    from = &*e;
    if (past_.back().at - e->at >= window && past_.back().s.packets_sent - e->s.packets_sent >= window_packets) break;
  }
  return from;
}

bool repeat_policy::update(duration now, const sample& s) {
  remember(now, s);
  floor_.update(now, s.rtt);  // of smoothed values: the least sample would make a queue of a mobile network's jitter
  const auto floor = floor_.get();
  const bool full = s.rtt > floor + std::max(rtt_rise_max, floor / 4) || s.waited > waited_max;
  const auto* const from = loss_from();
  const auto packets = from != nullptr ? s.packets_sent - from->s.packets_sent : 0;
  const auto losses = from != nullptr ? s.packets_lost - from->s.packets_lost : 0;
  const double seen = packets >= packets_min && losses >= losses_min ? static_cast<double>(losses) / static_cast<double>(packets) : 0;
  if (on_) {
    // What is left of the loss is normally much less than the loss. Much more is the work of the repetitions; how much more allows for
    // bursts, of which the few lost packets that started this tell little.
    const bool worse = seen > 3 * loss_ + 0.05;
    suspended_ = full;
    full_share_ += ((full ? 1 : 0) - full_share_) * (1 - std::exp(-seconds(now - updated_) / full_memory));
    updated_ = now;
    if (full_share_ > full_share_max || worse) {
      stop(now, s.rtt);
      not_before_ = now + back_off_;
      back_off_ = std::min(2 * back_off_, back_off_max);
    } else if (now - since_ >= hold_) {
      stop(now, s.rtt);
      hold_ = std::min(2 * hold_, hold_max);
      back_off_ = back_off_min;
    } else {
      grow(now, s.rtt);
    }
    return on_;
  }
  if (packets >= packets_min) loss_ = seen;
  if (now - since_ >= window_max) hold_ = hold_min;  // was clean for so long: another occasion
  if (seen > loss_min && !full && now >= not_before_) start(now, seen);
  return on_;
}

void repeat_policy::start(duration now, double loss) {
  on_ = true;
  loss_ = loss;
  since_ = measured_from_ = stepped_ = drained_ = updated_ = now;
  ceiling_ = std::max(share_max * peak_, gain * rate_);
  imagined_queue_ = full_share_ = 0;
  urgent_tokens_ = urgent_burst;
  suspended_ = false;
}

// The fate of what is under way is known a round trip later, and what was lost of it is no measure of the path.
void repeat_policy::stop(duration now, duration rtt) {
  on_ = false;
  since_ = now;
  measured_from_ = now + rtt + rtt / 4;
}

void repeat_policy::grow(duration now, duration rtt) {
  if (suspended_) stepped_ = now;
  if (now - stepped_ < std::max(step, 4 * rtt)) return;
  stepped_ = now;
  if (ceiling_ < 2 * rate_) ceiling_ *= gain;
}

// A path of `ceiling_`, in the mind: what media alone would queue there gets no repetitions, or a key frame would be made twice as long.
bool repeat_policy::take(duration now, std::uint64_t bytes, bool urgent) {
  if (!on_) return false;
  imagined_queue_ = std::max(0.0, imagined_queue_ - ceiling_ * seconds(now - drained_));
  urgent_tokens_ = std::min(urgent_burst, urgent_tokens_ + urgent_rate * seconds(now - drained_));
  drained_ = now;
  const auto wanted = static_cast<double>(bytes);
  imagined_queue_ += wanted;  // the first copy
  if (suspended_ || imagined_queue_ + wanted > std::max(queue_bytes_min, ceiling_ * queue_seconds)) {
    if (!urgent || bytes > urgent_max || urgent_tokens_ < wanted) return false;
    urgent_tokens_ -= wanted;
  }
  imagined_queue_ += wanted;
  return true;
}

}  // namespace millrace::net
