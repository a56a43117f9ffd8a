// How long frames stay at the server on their way to one viewer. Pure.
#pragma once
#include <algorithm>
#include <chrono>
#include <optional>

#include "base/time.hpp"

namespace millrace::hub {

// One viewer. A note per frame costs two comparisons.
class delay_watch {
 public:
  // A frame that arrived then goes to the transport now. What came before the viewer did is no delay of its.
  void handed_over(base::instant now, base::instant arrival) noexcept {
    if (now - second_ >= std::chrono::seconds(1)) {
      before_ = now - second_ < std::chrono::seconds(2) ? worst_ : base::duration(0);
      worst_ = base::duration(0);
      second_ = now;
      if (!begin_) begin_ = now;
    }
    worst_ = std::max<base::duration>(worst_, now - std::max(arrival, *begin_));
    last_ = now;
  }
  // The worst of the last second or two; for a viewer that takes nothing although there is something: since when.
  [[nodiscard]] std::chrono::milliseconds worst(base::instant now, bool blocked) const noexcept {
    auto out = now - second_ < std::chrono::seconds(2) ? std::max(worst_, before_) : base::duration(0);
    if (blocked && begin_) out = std::max<base::duration>(out, now - last_);
    return std::chrono::duration_cast<std::chrono::milliseconds>(out);
  }

 private:
  base::instant second_{}, last_{};
  std::optional<base::instant> begin_;
  base::duration worst_{0}, before_{0};
};

}  // namespace millrace::hub
