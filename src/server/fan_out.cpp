#include "server/fan_out.hpp"

#include <ctime>

namespace millrace::server {
namespace {

base::duration thread_busy() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

}  // namespace

void fan_out::announce(const std::shared_ptr<hub::stream>& stream) {
  if (!stream->claim_flush()) return;
  waiting_.push_back(stream);
  if (armed_) return;
  const auto now = std::chrono::steady_clock::now();
  const auto due = pace_.next_round();
  if (due <= now) return round(now);
  armed_ = true;
  timer_.expires_at(due);
  timer_.async_wait([this, alive = std::weak_ptr(alive_)](boost::system::error_code failed) {
    if (failed || alive.expired()) return;
    armed_ = false;
    round(std::chrono::steady_clock::now());
  });
}

void fan_out::round(base::instant now) {
  pace_.begin_round(now, thread_busy());
  going_.swap(waiting_);
  for (const auto& stream : going_) stream->flush();
  going_.clear();
}

}  // namespace millrace::server
