// How many lines of a log a server can fill with its words. Pure.
#pragma once
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "base/time.hpp"
#include "client/limits.hpp"

namespace millrace::client {

class words_ration {
 public:
  explicit words_ration(const client_limits& limits) : burst_(limits.words_burst), per_second_(limits.words_per_second), left_(burst_) {}

  // Whether one more line may be logged now, and what to put behind it: " (42 more left out)" when there were some since the last one.
  std::optional<std::string> take(base::instant now) {
    left_ = std::min(burst_, left_ + per_second_ * std::chrono::duration<double>(now - since_).count());
    since_ = now;
    if (left_ < 1) {
      ++left_out_;
      return std::nullopt;
    }
    left_ -= 1;
    const auto count = std::exchange(left_out_, 0);
    return count == 0 ? std::string() : " (" + std::to_string(count) + " more left out)";
  }

 private:
  double burst_, per_second_, left_;
  base::instant since_{};
  std::uint64_t left_out_ = 0;
};

}  // namespace millrace::client
