// What round trip times are usual on a path, and how far they spread by themselves (radio networks, Wi-Fi).
#pragma once
#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace millrace::net {

// Of the least of each tenth of a second, over the last ten seconds of observation; the user leaves out times that are not usual. Pure.
class usual_rtt {
 public:
  using duration = std::chrono::microseconds;
  static constexpr duration slot{100'000};
  static constexpr std::size_t slots_max = 100, slots_min = 5;

  // `now` on any clock that does not go back; `rtt` more than 0.
  void update(duration now, duration rtt) {
    if (least_.count() != 0 && now - slot_began_ >= slot) close_slot();
    if (least_.count() == 0) {
      slot_began_ = now;
      least_ = rtt;
    }
    least_ = std::min(least_, rtt);
  }
  // What has not become a slot yet is forgotten.
  void skip() { least_ = duration(0); }
  // Enough was seen to tell.
  [[nodiscard]] bool known() const { return count_ >= slots_min; }
  // Half of the time it is not longer than this. 0: not known().
  [[nodiscard]] duration middle() const { return middle_; }
  // How much more it is one tenth of the time.
  [[nodiscard]] duration spread() const { return spread_; }

 private:
  void close_slot() {
    slots_[next_++ % slots_max] = std::chrono::duration_cast<short_duration>(least_);
    count_ = std::min(count_ + 1, slots_max);
    least_ = duration(0);
    if (!known()) return;
    auto sorted = slots_;
    const auto end = sorted.begin() + static_cast<std::ptrdiff_t>(count_);
    const auto high = sorted.begin() + static_cast<std::ptrdiff_t>((count_ - 1) * 9 / 10);
    const auto middle = sorted.begin() + static_cast<std::ptrdiff_t>((count_ - 1) / 2);
    std::nth_element(sorted.begin(), high, end);
    if (middle != high) std::nth_element(sorted.begin(), middle, high);
    middle_ = *middle;
    spread_ = *high - middle_;
  }

  using short_duration = std::chrono::duration<std::uint32_t, std::micro>;  // an hour will do
  std::array<short_duration, slots_max> slots_{};
  std::size_t count_ = 0, next_ = 0;
  duration slot_began_{0}, least_{0};
  duration middle_{0}, spread_{0};
};

}  // namespace millrace::net
