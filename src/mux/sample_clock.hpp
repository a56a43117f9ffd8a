// Where frames of sound lie in time: RTMP gives milliseconds, a container counts samples.
#pragma once
#include <algorithm>
#include <cstdint>
#include <cstdlib>

namespace millrace::mux {

// Milliseconds make 1024 samples of 44.1 kHz last 23 or 24 ms in turn, which a decoder hears as gaps and overlaps. So each frame begins
// where the one before it ended, as long as that agrees with its time; a clock that runs a little off is followed slowly, a hole at once.
class sample_clock {
 public:
  explicit sample_clock(std::uint32_t rate) : rate_(rate) {}

  // The begin of a frame of `samples`, in samples. Always later than the one before.
  std::int64_t place(std::int64_t time_ms, std::int64_t samples) {
    const auto wanted = scaled(time_ms);
    const auto off = wanted - next_;
    auto at = next_;
    if (!begun_ || std::abs(off) > scaled(step_ms)) {
      at = begun_ ? std::max(wanted, last_ + 1) : wanted;
    } else if (std::abs(off) > scaled(agreed_ms)) {
      at += std::max<std::int64_t>(std::abs(off) - scaled(agreed_ms), 16) / 16 * (off < 0 ? -1 : 1);
    }
    begun_ = true;
    last_ = at;
    next_ = at + samples;
    return at;
  }

 private:
  // Two roundings to a millisecond differ by less than 2.
  static constexpr std::int64_t agreed_ms = 2;
  // More than that is no jitter that could be smoothed without hearing it against the picture.
  static constexpr std::int64_t step_ms = 50;
  [[nodiscard]] std::int64_t scaled(std::int64_t ms) const { return (ms * rate_ + (ms < 0 ? -500 : 500)) / 1000; }

  std::int64_t rate_;
  bool begun_ = false;
  std::int64_t next_ = 0, last_ = 0;
};

}  // namespace millrace::mux
