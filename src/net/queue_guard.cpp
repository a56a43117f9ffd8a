#include "net/queue_guard.hpp"

#include <algorithm>

namespace millrace::net {
namespace {

using duration = queue_guard::duration;

constexpr duration patience_min{500'000};
constexpr duration settling{500'000};  // what was sent on the path before this one and acknowledged on this one is no measure of either
constexpr duration calm{1'000'000};    // nothing had to be held back for so long: the guard ends
constexpr duration moment_length{25'000}, samples_apart{8'000};
constexpr duration steady{5'000};  // a delay that spreads by no more does not jump
constexpr double probe_gain = 1.25, probe_max = 4;
double seconds(duration d) { return std::chrono::duration<double>(d).count(); }

}  // namespace

// The best of the last slots counts: what was delivered while little was sent says nothing about the path. So while we guard, slots in
// which nothing was held back do not count, unless they are better.
void queue_guard::measure_rate(duration now, std::uint64_t delivered) {
  if (slot_began_.count() == 0) {
    slot_began_ = now;
    slot_delivered_ = delivered;
  }
  if (now - slot_began_ < slot) return;
  const double rate = static_cast<double>(delivered - std::min(delivered, slot_delivered_)) / seconds(now - slot_began_);
  if (!guarding_ || limited_ >= slot_began_ || rate > *std::max_element(rates_.begin(), rates_.end())) {
    std::rotate(rates_.begin(), rates_.end() - 1, rates_.end());
    rates_.front() = rate;
  }
  slot_began_ = now;
  slot_delivered_ = delivered;
}

duration queue_guard::least_lately(duration now, duration rtt) {
  if (now - sampled_ >= samples_apart) {
    std::rotate(samples_.begin(), samples_.end() - 1, samples_.end());
    samples_.front() = rtt;
    sampled_ = now;
  }
  samples_.front() = std::min(samples_.front(), rtt);
  if (now - present_.began >= moment_length) {
    before_ = now - present_.began < 2 * moment_length ? present_ : moment{};
    present_ = {now, rtt};
  }
  present_.least = std::min(present_.least, rtt);
  const auto least = *std::min_element(samples_.begin(), samples_.end());
  return usual_.spread() > steady ? std::min({least, present_.least, before_.least}) : least;
}

// Whether to guard.
bool queue_guard::watch(duration now, duration rtt, bool ours_is_long) {
  floor_.update(now, rtt);
  if (guarding_) {
    usual_.skip();  // what stands in the queue now must not become usual
  } else {
    usual_.update(now, rtt);
  }
  const auto least = least_lately(now, rtt);
  queue_ = std::max(duration(0), least - without_queue());
  if (queue_ <= too_long()) {
    long_since_.reset();
    if (!short_since_) short_since_ = now;
    if (aside_since_ && now - *short_since_ >= aside_calm) aside_since_.reset();
    // What has piled up here meanwhile goes out at the pace of the path, not all at once. What was measured may be less than that: of what
    // was sent while there was little to send, or of a path that got wider.
    if (guarding_ && queue_ <= too_long() / 2 && limited_ > probed_ && now - probed_ >= least) {
      probe_ = std::min(probe_ * probe_gain, probe_max);
      probed_ = now;
    }
    return guarding_ && now - limited_ < calm;
  }
  short_since_.reset();
  probe_ = 1;
  probed_ = now;
  if (aside_since_ && now - *aside_since_ < aside_max) return false;
  aside_since_.reset();
  if (!long_since_ || ours_is_long) long_since_ = now;
  if (now - *long_since_ >= std::max(patience_min, 2 * least)) {
    aside_since_ = now;
    return false;
  }
  if (!guarding_) limited_ = now;
  return true;
}

std::uint64_t queue_guard::update(duration now, const sample& s) {
  if (s.rtt.count() == 0) return room_;
  measure_rate(now, s.bytes_delivered);
  if (!began_) began_ = now;
  if (unsettled_ && now - *began_ < settling) return room_;
  const double best = *std::max_element(rates_.begin(), rates_.end());
  // A queue that is short enough may just as well be a way that got longer, which is to be filled as it is.
  const auto round_trip = without_queue() + (queue_ <= too_long() ? queue_ : duration(0));
  const auto under_way_max = std::max(bytes_min, static_cast<std::uint64_t>(probe_ * best * seconds(round_trip + too_long() / 2)));
  if (s.bytes_delivered != delivered_) {  // a new round trip time comes with something delivered
    delivered_ = s.bytes_delivered;
    guarding_ = watch(now, s.rtt, s.bytes_in_flight > std::max(2 * bytes_min, under_way_max + under_way_max / 2));
  }
  if (s.bytes_in_flight >= under_way_max) limited_ = now;
  room_ = guarding_ ? under_way_max - std::min(under_way_max, s.bytes_in_flight) : no_limit;
  return room_;
}

}  // namespace millrace::net
