// What a bad network does to packets, as arithmetic: rate, its dips and the queue, loss, delay and jitter, outages. No clock, no I/O.
#pragma once
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <random>
#include <vector>

namespace millrace::wan {

using nanoseconds = std::chrono::nanoseconds;

// A stretch of time since the link came up, once or again and again.
struct phase {
  nanoseconds start{0}, length{0};
  nanoseconds every{0};  // from one start to the next; 0: once

  [[nodiscard]] bool holds(nanoseconds at) const {
    if (at < start) return false;
    const nanoseconds into = every.count() > 0 ? (at - start) % every : at - start;
    return into < length;
  }
};

// One direction of a link.
struct link_options {
  nanoseconds delay{0};                               // one way
  nanoseconds jitter{0};                              // uniform, 0 to this, on top of the delay; never reorders
  double loss = 0;                                    // share of packets, 0 to 1
  double burst = 1;                                   // mean length of a run of losses (Gilbert model); 1: losses are independent
  std::uint64_t rate = 0;                             // bit/s of IP packets; 0: no limit
  nanoseconds queue{std::chrono::milliseconds(200)};  // a packet that would wait longer at the rate is dropped (drop tail)
  std::vector<phase> outages{};                       // what would leave the bottleneck then is lost
  struct dip {
    phase when;
    std::uint64_t rate = 0;
  };
  std::vector<dip> dips{};  // another rate for a while; each packet has the rate of the moment at which its first bit leaves
  std::uint64_t seed = 1;
};

struct link_counters {
  std::uint64_t packets = 0, bytes = 0;
  std::uint64_t lost = 0;  // by the loss model
  std::uint64_t queue_full = 0;
  std::uint64_t in_outage = 0;
};

class link_model {
 public:
  explicit link_model(link_options options) : options_(std::move(options)), random_(options_.seed) {}

  // When a packet of `bytes`, handed in at `now` (since the link came up, never running back), comes out at the far end; nothing: never.
  std::optional<nanoseconds> send(nanoseconds now, std::size_t bytes) {
    ++counters_.packets;
    counters_.bytes += bytes;
    nanoseconds out = now;
    const nanoseconds start = std::max(now, free_at_);
    if (const std::uint64_t rate = rate_at(start); rate > 0) {
      if (start - now > options_.queue) return ++counters_.queue_full, std::nullopt;
      const auto wire = static_cast<double>(bytes) * 8e9 / static_cast<double>(rate);
      out = free_at_ = start + nanoseconds(static_cast<std::int64_t>(wire));
    }
    for (const auto& one : options_.outages) {
      if (one.holds(out)) return ++counters_.in_outage, std::nullopt;
    }
    // Behind the bottleneck: a lost packet has used its share of the rate, as on a radio link.
    if (is_lost()) return ++counters_.lost, std::nullopt;
    out += options_.delay;
    if (options_.jitter.count() > 0) out += nanoseconds(std::uniform_int_distribution<std::int64_t>(0, options_.jitter.count())(random_));
    return last_out_ = std::max(out, last_out_);
  }

  [[nodiscard]] const link_counters& counters() const noexcept { return counters_; }

 private:
  [[nodiscard]] std::uint64_t rate_at(nanoseconds at) const {
    for (const auto& one : options_.dips) {
      if (one.when.holds(at)) return one.rate;
    }
    return options_.rate;
  }

  // Gilbert: in the bad state everything is lost; the stationary share of the bad state is `loss`, its mean stay `burst` packets.
  bool is_lost() {
    if (options_.loss <= 0) return false;
    if (options_.loss >= 1) return true;
    const double chance = std::uniform_real_distribution<double>(0, 1)(random_);
    if (options_.burst <= 1) return chance < options_.loss;
    const double leave = 1 / options_.burst;
    bad_ = bad_ ? chance >= leave : chance < leave * options_.loss / (1 - options_.loss);
    return bad_;
  }

  link_options options_;
  std::mt19937_64 random_;
  link_counters counters_;
  nanoseconds free_at_{0}, last_out_{0};
  bool bad_ = false;
};

}  // namespace millrace::wan
