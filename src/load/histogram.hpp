// Times in steps of 0.1 ms up to a minute. Pure.
#pragma once
#include <algorithm>
#include <cstdint>
#include <vector>

#include "base/time.hpp"

namespace millrace::load {

class histogram {
 public:
  void add(base::duration d) {
    const auto at = static_cast<std::size_t>(std::clamp<std::int64_t>(d.count() / step_ns, 0, steps - 1));
    if (at >= counts_.size()) counts_.resize(at + 1);
    ++counts_[at];
    ++total_;
    max_ = std::max(max_, d);
  }
  [[nodiscard]] std::uint64_t total() const { return total_; }
  [[nodiscard]] double max_ms() const { return static_cast<double>(max_.count()) / 1e6; }
  // The time within which this share (0 to 1) of all lies, in ms; 0 without any.
  [[nodiscard]] double share_ms(double share) const {
    const auto wanted = static_cast<std::uint64_t>(share * static_cast<double>(total_));
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      seen += counts_[i];
      if (seen > wanted || seen == total_) return total_ == 0 ? 0 : static_cast<double>((i + 1) * step_ns) / 1e6;
    }
    return 0;
  }

 private:
  static constexpr std::int64_t step_ns = 100'000, steps = 600'000;
  std::vector<std::uint32_t> counts_;  // as many as are needed
  std::uint64_t total_ = 0;
  base::duration max_{0};
};

}  // namespace millrace::load
