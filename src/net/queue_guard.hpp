// Keeps the queue before a bottleneck short, so that sound does not wait in it behind pictures. Pure: figures and time in, a decision out.
#pragma once
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <limits>
#include <optional>

#include "net/rtt_floor.hpp"
#include "net/usual_rtt.hpp"

namespace millrace::net {

// Congestion control fills a path; when its rate falls, what is then too much stands in a queue, and sound stands there as well, however
// urgent it was here. So pictures are held back as soon as the round trip time says that a queue has come to be, until no more is under way
// than the path delivers in its own round trip time and a little. What is held back can still be given up or overtaken.
//
// A queue is what the round trip time is above the usual one, for long enough and by more than it spreads by itself: on radio it jumps by
// tens of milliseconds, and to hold pictures back for that would only make them late.
//
// A queue that stays long although little of ours is under way is somebody else's. To go on would be to leave the path to them: then the
// guard stands aside until the queue has been short for `aside_calm`, or for `aside_max`.
class queue_guard {
 public:
  using duration = std::chrono::microseconds;
  struct sample {
    std::uint64_t bytes_delivered = 0;  // so far
    std::uint64_t bytes_in_flight = 0;
    duration rtt{0};  // latest, not smoothed; 0: none yet
  };

  // A shorter queue is none; nor is one of less than a quarter of the round trip, or of twice its spread.
  static constexpr duration delay_min{25'000};
  // More than this above the least round trip time nothing is usual, nor is twice the spread more: a path that has been too narrow from the
  // beginning knows nothing but queues.
  static constexpr duration usual_max{50'000};
  static constexpr std::uint64_t bytes_min = 6'000;  // may be under way at any rate
  static constexpr std::uint64_t no_limit = std::numeric_limits<std::uint64_t>::max();
  static constexpr duration aside_calm{2'000'000}, aside_max{30'000'000};

  // Before every write pass. Returns room().
  std::uint64_t update(duration now, const sample& s);
  // Another path: nothing is known any more.
  void reset() { *this = {}, unsettled_ = true; }
  // So many bytes of pictures may go now.
  [[nodiscard]] std::uint64_t room() const noexcept { return room_; }
  // How long a packet stands in the queue, as last measured.
  [[nodiscard]] duration queue() const noexcept { return queue_; }

 private:
  static constexpr duration slot{100'000};
  void measure_rate(duration now, std::uint64_t delivered);
  [[nodiscard]] bool watch(duration now, duration rtt, bool ours_is_long);
  [[nodiscard]] duration least_lately(duration now, duration rtt);
  [[nodiscard]] duration without_queue() const {
    return std::min(usual_.known() ? usual_.middle() : duration::max(), floor_.get() + usual_max);
  }
  [[nodiscard]] duration too_long() const { return std::max({delay_min, without_queue() / 4, std::min(usual_max, 2 * usual_.spread())}); }

  rtt_floor floor_;
  usual_rtt usual_;
  // Acknowledgements that were held back, or lost and made up for, are no queue, so the least counts: of the last samples, which are some
  // milliseconds apart, and where the delay jumps, of the last moments.
  std::array<duration, 3> samples_{};
  duration sampled_{0};
  struct moment {
    duration began{0}, least{duration::max()};
  };
  moment present_, before_;
  std::uint64_t delivered_ = 0;
  duration queue_{0};

  duration slot_began_{0};
  std::uint64_t slot_delivered_ = 0;
  std::array<double, 3> rates_{};  // bytes per second, of the last slots

  bool unsettled_ = false;  // what was sent on the path before this one may still be acknowledged
  std::optional<duration> began_;
  bool guarding_ = false;
  double probe_ = 1;  // so many times what was measured may be under way
  duration probed_{0};
  duration limited_{0};  // when as much as may be was under way last
  std::uint64_t room_ = no_limit;
  std::optional<duration> long_since_, short_since_;  // the queue; long: not counting the time in which much of it was ours
  std::optional<duration> aside_since_;
};

}  // namespace millrace::net
