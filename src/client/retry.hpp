// When and how often to come back after a lost session (doc/protocol: retry). Pure: time and randomness are passed in.
#pragma once
#include <chrono>
#include <cstdint>

#include "base/error.hpp"

namespace millrace::client {

// 1, 2, 4, 8, 16, 30, 30 … seconds, each with ±20 % jitter so that many clients of one restarted server do not come back together.
class backoff {
 public:
  // `random` is anything unpredictable for the first draw; the rest follows from it.
  explicit backoff(std::uint64_t random) : state_(random) {}

  std::chrono::milliseconds next();
  // A session was up: the next loss starts at 1 s again.
  void reset() noexcept { attempts_ = 0; }
  [[nodiscard]] unsigned attempts() const noexcept { return attempts_; }

 private:
  std::uint64_t state_;
  unsigned attempts_ = 0;
};

// Whether an error that ended a session, or an attempt to get one back, is worth another try. A refusal for want of rights, a
// certificate that was not accepted and a mistake in the person's own words do not get better by asking again.
bool worth_retrying(base::error_kind kind);

}  // namespace millrace::client
