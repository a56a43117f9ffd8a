// How late media comes by its own clock. Arrival minus decoding time is the delay of the way plus a constant that nobody knows; its smallest
// value of late stands for a way without any queue, so what exceeds it is time that the media waited somewhere: in the encoder, in our
// client's queue, in the network. Pure.
#pragma once
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <limits>

#include "base/time.hpp"

namespace millrace::server {

// One publication.
class arrival_clock {
 public:
  // Of every frame that has a time of its own (no configuration, no metadata), as it came from the publisher.
  void saw(base::instant arrival, std::int64_t dts_ms) noexcept {
    const auto offset = std::chrono::duration_cast<std::chrono::milliseconds>(arrival.time_since_epoch()).count() - dts_ms;
    // A clock that was set anew is no backlog.
    if (latest_ != none && std::abs(offset - latest_) > step_ms) {
      best_.fill(none);
      worst_ = none;
    }
    latest_ = offset;
    best_[slot_] = std::min(best_[slot_], offset);
    worst_ = worst_ == none ? offset : std::max(worst_, offset);
  }
  // Once a second: the worst of the second in ms, against the best of the last half minute. A steady drift between the clocks of two hosts goes with the window.
  float take_second() noexcept {
    const auto least = *std::min_element(best_.begin(), best_.end());
    const float out = worst_ == none || least == none ? 0 : static_cast<float>(worst_ - least);
    worst_ = none;
    slot_ = (slot_ + 1) % best_.size();
    best_[slot_] = none;
    return out;
  }

 private:
  static constexpr std::int64_t none = std::numeric_limits<std::int64_t>::max();
  static constexpr std::int64_t step_ms = 10'000;
  static constexpr std::size_t seconds = 30;
  static constexpr std::array<std::int64_t, seconds> nothing() {
    std::array<std::int64_t, seconds> all{};
    all.fill(none);
    return all;
  }
  std::array<std::int64_t, seconds> best_ = nothing();  // of each second
  std::size_t slot_ = 0;
  std::int64_t latest_ = none, worst_ = none;
};

}  // namespace millrace::server
