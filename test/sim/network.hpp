// One direction of a simulated network: the link model of bench/wan, and what a real path does beside it: packets that overtake, copies,
// and bursts of loss that pass with time. (The link model's own last for so many packets, which a sender that backs off can make half a
// minute.)
#pragma once
#include <algorithm>
#include <cmath>
#include <random>
#include <utility>
#include <vector>

#include "wan/link_model.hpp"

namespace millrace::sim {

using wan::nanoseconds;

struct path_options : wan::link_options {
  nanoseconds fade{0};                                     // mean length of a burst in which everything is lost; 0: none
  double fade_share = 0;                                   // of the time
  double late = 0;                                         // share of packets that come later than those sent behind them
  nanoseconds late_by{std::chrono::milliseconds(30)};      // uniform, 0 to this
  double copies = 0;                                       // share of packets that arrive twice
  nanoseconds copy_within{std::chrono::milliseconds(10)};  // behind the first
};

class path {
 public:
  explicit path(path_options options)
      : options_(options), link_(options), random_(options.seed ^ 0x9e3779b97f4a7c15ULL), fades_(~options.seed) {}

  // Time on the link begins here; outages count from it.
  void bring_up(nanoseconds now) { up_since_ = now; }
  // When a packet of so many bytes comes out at the far end: never, once or twice.
  std::vector<nanoseconds> send(nanoseconds now, std::size_t bytes) {
    auto out = link_.send(now - up_since_, bytes + ip_and_udp_bytes);
    if (faded(now)) out.reset();
    // Drawn for every packet, lost or not, so that one fate does not shift the next ones.
    const double late = share_(random_), by = share_(random_), copy = share_(random_), behind = share_(random_);
    if (!out) return {};
    std::vector<nanoseconds> arrivals{up_since_ + *out};
    if (late < options_.late) arrivals[0] += part(options_.late_by, by);
    if (copy < options_.copies) arrivals.push_back(arrivals[0] + part(options_.copy_within, behind));
    return arrivals;
  }
  [[nodiscard]] const wan::link_counters& counters() const noexcept { return link_.counters(); }

 private:
  // Two states, each for an exponentially distributed time.
  bool faded(nanoseconds now) {
    if (options_.fade.count() == 0) return false;
    while (now >= state_until_) {
      in_fade_ = !in_fade_;
      const double mean = static_cast<double>(options_.fade.count()) * (in_fade_ ? 1 : 1 / options_.fade_share - 1);
      state_until_ = std::max(state_until_, up_since_) + nanoseconds(static_cast<std::int64_t>(-mean * std::log1p(-share_(fades_))));
    }
    return in_fade_;
  }
  static constexpr std::size_t ip_and_udp_bytes = 28;
  static nanoseconds part(nanoseconds of, double share) {
    return nanoseconds(static_cast<std::int64_t>(static_cast<double>(of.count()) * share));
  }

  path_options options_;
  wan::link_model link_;
  std::mt19937_64 random_, fades_;
  std::uniform_real_distribution<double> share_{0, 1};
  nanoseconds up_since_{0}, state_until_{0};
  bool in_fade_ = true;
};

}  // namespace millrace::sim
