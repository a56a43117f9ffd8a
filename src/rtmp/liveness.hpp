// Whether a peer still lives: user control pings after silence (RTMP 1.0 section 7.1.7), and the end after three times as much.
#pragma once
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>

#include "base/time.hpp"

namespace millrace::rtmp {

class liveness {
 public:
  explicit liveness(base::instant now) : started_(now), last_received_(now), next_ping_(now) {}

  void on_received(base::instant now) {
    last_received_ = now;
    if (after_) next_ping_ = now + *after_;
  }
  void enable(base::instant now, std::chrono::milliseconds after) {
    after_ = after;
    on_received(now);
  }
  // The timestamp of a PingRequest to send now: milliseconds since the start.
  std::optional<std::uint32_t> ping_due(base::instant now) {
    if (!after_ || dead(now) || now < next_ping_) return std::nullopt;
    next_ping_ = now + *after_;
    return static_cast<std::uint32_t>(std::chrono::duration_cast<std::chrono::milliseconds>(now - started_).count());
  }
  [[nodiscard]] bool dead(base::instant now) const { return after_ && now >= last_received_ + 3 * *after_; }
  [[nodiscard]] std::optional<base::instant> poll_timeout() const {
    if (!after_) return std::nullopt;
    return std::min(next_ping_, last_received_ + 3 * *after_);
  }

 private:
  base::instant started_;
  std::optional<std::chrono::milliseconds> after_;
  base::instant last_received_;
  base::instant next_ping_;
};

}  // namespace millrace::rtmp
