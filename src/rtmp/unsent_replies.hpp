// How much of what a session answered still waits in its transport, where replies and media stand in one queue.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace millrace::rtmp {

// Never less than there are, and no older ones than of the last two fillings of the queue: replies are counted between marks, and gone
// once everything up to the mark behind them has left. So a viewer whose queue is never empty gathers none.
class unsent_replies {
 public:
  // `bytes` go to the transport, `replies` of them are replies.
  void handed_over(std::size_t bytes, std::size_t replies) {
    handed_over_ += bytes;
    newer_ += replies;
  }
  // `queued` bytes of what was handed over have not left. Returns how many of those are replies.
  std::size_t waiting(std::size_t queued) {
    if (handed_over_ - std::min<std::uint64_t>(queued, handed_over_) >= mark_) {
      older_ = std::exchange(newer_, 0);
      mark_ = handed_over_;
    }
    return std::min(older_ + newer_, queued);
  }

 private:
  std::uint64_t handed_over_ = 0, mark_ = 0;  // bytes since the beginning
  std::size_t older_ = 0, newer_ = 0;         // replies before the mark and behind it
};

}  // namespace millrace::rtmp
