// What the round trip time is while nothing queues on the path.
#pragma once
#include <algorithm>
#include <chrono>

namespace millrace::net {

// The least of the last one or two epochs. Not the least ever: a route that got longer would look like a queue for ever.
class rtt_floor {
 public:
  using duration = std::chrono::microseconds;
  static constexpr duration epoch{15'000'000};

  // `now` on any clock that does not go back; `rtt` more than 0.
  void update(duration now, duration rtt) {
    if (present_.count() == 0) {
      present_ = before_ = rtt;
      since_ = now;
    }
    if (now - since_ >= epoch) {
      before_ = present_;
      present_ = rtt;
      since_ = now;
    }
    present_ = std::min(present_, rtt);
  }
  // 0: nothing was measured yet.
  [[nodiscard]] duration get() const { return std::min(present_, before_); }

 private:
  duration present_{0}, before_{0}, since_{0};
};

}  // namespace millrace::net
