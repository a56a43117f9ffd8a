// What an encoder may send, as far as its sender can tell: the queue says when it is too much, what gets through says how much is not. Pure.
#pragma once
#include <chrono>
#include <optional>

#include "base/time.hpp"

namespace millrace::client {

class rate_advice {
 public:
  // Down as soon as media waits for so long; up again while it waits for less than half of that.
  static constexpr std::chrono::milliseconds wait_max{200};
  static constexpr double back_off = 0.85, growth_per_second = 1.05, headroom = 1.5;

  // Now and then, best once a second. `sent`: bits per second that left for the network since the last call; `wait`: age of the oldest
  // media that has not. Returns bits per second; nothing before the second call, and while nothing is sent.
  std::optional<double> update(base::instant now, double sent, base::duration wait);

 private:
  std::optional<double> target_;
  std::optional<base::instant> last_;
};

}  // namespace millrace::client
