#include "client/rate_advice.hpp"

#include <algorithm>
#include <cmath>

namespace millrace::client {

std::optional<double> rate_advice::update(base::instant now, double sent, base::duration wait) {
  const auto before = last_;
  last_ = now;
  if (!before || sent <= 0) return target_;
  const double most = headroom * sent;  // more than that was not tried
  if (!target_) target_ = most;
  if (wait > wait_max) {
    target_ = back_off * sent;  // less than gets through, so that the queue goes
  } else if (wait < wait_max / 2) {
    target_ = std::min(most, std::max(*target_, sent) * std::pow(growth_per_second, std::chrono::duration<double>(now - *before).count()));
  }
  return target_;
}

}  // namespace millrace::client
