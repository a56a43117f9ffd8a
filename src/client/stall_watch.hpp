// Whether what was handed to a transport still gets to the peer. Pure.
#pragma once
#include <cstdint>

#include "base/time.hpp"

namespace millrace::client {

// The age of a queue does not tell: on a slow network it is old and moves all the same. So this looks at what was delivered, a few
// times within the patience, and costs nothing in between.
class stall_watch {
 public:
  stall_watch(base::duration patience, base::instant now) : patience_(patience), moved_(now), due_(now + every()) {}

  [[nodiscard]] base::instant due() const noexcept { return due_; }  // of the next look
  // `delivered`: bytes so far. True: there were `queued` ones, and none got there for the whole patience, at most a third more.
  bool look(base::instant now, std::uint64_t delivered, std::uint64_t queued) {
    due_ = now + every();
    if (queued == 0 || delivered != delivered_) moved_ = now;
    delivered_ = delivered;
    return now - moved_ >= patience_;
  }

 private:
  [[nodiscard]] base::duration every() const { return patience_ / 3; }

  base::duration patience_;
  base::instant moved_, due_;
  std::uint64_t delivered_ = 0;
};

}  // namespace millrace::client
