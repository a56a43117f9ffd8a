#include "net/repeat_policy.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

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
std::uint64_t growth(std::uint64_t from, std::uint64_t to) { return to > from ? to - from : 0; }
template <class T>
T capped(std::uint64_t value) {
  return static_cast<T>(std::min<std::uint64_t>(value, std::numeric_limits<T>::max()));
}

}  // namespace

void repeat_policy::remember(duration now, const sample& s) {
  if (looked_ && now - last_at_ < slot) return;
  if (!looked_ || now - last_at_ > window_max) {
    looked_ = true;
    first_ = count_ = 0;
    first_at_ = now;
  } else {
    if (!steps_) steps_ = std::make_unique<std::array<step_of, steps_max>>();
    if (count_ == steps_max) drop_first();
    (*steps_)[(first_ + count_++) % steps_max] = {capped<std::uint32_t>(static_cast<std::uint64_t>((now - last_at_).count())),
                                                  capped<std::uint32_t>(growth(last_.bytes_sent, s.bytes_sent)),
                                                  capped<std::uint32_t>(growth(last_.bytes_delivered, s.bytes_delivered)),
                                                  capped<std::uint16_t>(growth(last_.packets_sent, s.packets_sent)),
                                                  capped<std::uint16_t>(growth(last_.packets_lost, s.packets_lost))};
    while (now - first_at_ > window_max) drop_first();
  }
  last_at_ = now;
  last_ = s;
  measure();
}

void repeat_policy::drop_first() {
  first_at_ += duration((*steps_)[first_].microseconds);
  first_ = (first_ + 1) % steps_max;
  --count_;
}

void repeat_policy::measure() {
  double delivered = 0, sent = 0;  // bytes per microsecond
  std::uint64_t lately = 0;
  duration age{0}, lately_age{0};
  for (std::size_t i = 0; i < count_; ++i) {
    const auto& one = back(i);
    const double per_microsecond = 1.0 / one.microseconds;
    delivered = std::max(delivered, one.bytes_delivered * per_microsecond);
    sent = std::max(sent, one.bytes_sent * per_microsecond);
    if (age <= rate_window) {
      lately += one.bytes_sent;
      lately_age = age + duration(one.microseconds);
    }
    age += duration(one.microseconds);
  }
  peak_ = std::min(delivered, sent) * 1e6;  // acknowledgements that were held up come all at once
  rate_ = lately_age.count() > 0 ? static_cast<double>(lately) / seconds(lately_age) : 0;
}

// In the window in which loss counts.
repeat_policy::loss_seen repeat_policy::loss_until(const sample& s) const {
  if (!looked_ || last_at_ < measured_from_) return {};
  loss_seen out;
  duration age{0};
  for (std::size_t i = 0; i < count_ && (age < window || out.packets < window_packets); ++i) {
    const auto& one = back(i);
    age += duration(one.microseconds);
    if (last_at_ - age < measured_from_) break;
    out.packets += one.packets_sent;
    out.lost += one.packets_lost;
  }
  out.packets += growth(last_.packets_sent, s.packets_sent);
  out.lost += growth(last_.packets_lost, s.packets_lost);
  return out;
}

bool repeat_policy::update(duration now, const sample& s) {
  remember(now, s);
  floor_.update(now, s.rtt);  // of smoothed values: the least sample would make a queue of a mobile network's jitter
  const auto floor = floor_.get();
  const bool full = s.rtt > floor + std::max(rtt_rise_max, floor / 4) || s.waited > waited_max;
  const auto [packets, losses] = loss_until(s);
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
