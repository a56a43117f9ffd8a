// How long frames are gathered before viewers get them: not at all while the shard has time, longer as it gets busy. Pure.
#pragma once
#include <algorithm>
#include <cstdint>
#include <utility>

#include "base/time.hpp"

namespace millrace::server {

// Waking a viewer costs about the same for one frame as for ten, so rounds that come less often cost less. Ten times a second the window
// grows by a quarter while the shard is busier than it is meant to be, and shrinks by a tenth while it is not. What a round takes is a delay too,
// for whoever comes last: as rounds get long the window gives way, so that both together stay within a fifth above the bound. A
// shard that is nearly full cannot afford that, since shorter windows cost more.
// Where frames and viewers are few, rounds are not what keeps the shard busy (handshakes, say), and gathering would only make them late.
class fan_out_pace {
 public:
  struct settings {
    std::chrono::milliseconds window_max{100};
    double load = 0.25;  // of a core
  };
  explicit fan_out_pace(settings s) : settings_(s) {}

  // So many turns, of a publisher or a viewer, could have been saved (hub::stream::take_turns). Counted whether they were or not: what is saved must not end the saving.
  void count(std::uint64_t turns) { turns_ += turns; }

  // A round begins. `thread_busy()` tells the CPU time of the shard's thread so far; it costs a system call and is seldom asked.
  template <class Busy>
  void begin_round(base::instant now, Busy&& thread_busy) {
    began_ = now;
    const bool first = measured_ == base::instant{};
    if (!first && now - measured_ < step) return;
    const base::duration busy = thread_busy();
    if (first) {
      measured_ = now;
      busy_ = busy;
      return;
    }
    const auto elapsed = static_cast<double>((now - measured_).count());
    const double load = static_cast<double>((busy - busy_).count()) / elapsed;
    const double turns = static_cast<double>(std::exchange(turns_, 0)) * static_cast<double>(turn_takes.count()) / elapsed;
    const bool worth_it = turns >= settings_.load * turns_least;
    measured_ = now;
    busy_ = busy;
    if (worth_it && load > settings_.load * 1.1) {
      window_ = std::max<base::duration>(window_min, window_ + window_ / 4);
    } else if (!worth_it || load < settings_.load * 0.9) {
      window_ -= window_ / 10;
      if (window_ < window_min) window_ = base::duration(0);
    }
    window_ = std::min(window_, window_most(load));
  }
  // Not before this.
  [[nodiscard]] base::instant next_round() const { return began_ + window_; }
  [[nodiscard]] base::duration window() const { return window_; }

 private:
  static constexpr base::duration step = std::chrono::milliseconds(100);
  static constexpr base::duration window_min = std::chrono::milliseconds(2);
  static constexpr base::duration turn_takes = std::chrono::microseconds(10);  // about (doc/decisions/cost-of-a-frame.md)
  static constexpr double turns_least = 0.125;                                 // of the load that is meant to be: 40 viewers of 77 frames a second, as it comes
  // `load`, of the time since the round before, is what a round takes of it.
  [[nodiscard]] base::duration window_most(double load) const {
    constexpr double busy = 0.5, full = 0.9;
    double share = std::min(1.0, 1.2 / (1 + std::min(load, busy)));
    if (load > busy) share += (1 - share) * std::min(1.0, (load - busy) / (full - busy));
    return std::chrono::duration_cast<base::duration>(settings_.window_max * share);
  }

  settings settings_;
  base::instant began_{}, measured_{};
  base::duration busy_{0}, window_{0};
  std::uint64_t turns_ = 0;
};

}  // namespace millrace::server
