#include "server/fan_out.hpp"

#include <chrono>
#include <ctime>
#include <utility>

#include "base/log.hpp"

namespace millrace::server {
namespace {

constexpr std::chrono::milliseconds worth_telling{10};
constexpr std::chrono::seconds log_pause{10};
// A publisher sends some 77 messages a second: with shorter windows most looks would find nothing.
constexpr std::chrono::milliseconds read_in_rounds_from{20}, read_as_it_comes_below{15};

base::duration thread_busy() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

}  // namespace

fan_out::fan_out(boost::asio::io_context& io, fan_out_pace::settings settings, std::size_t shard)
    : pace_(settings), shard_(shard), timer_(io), publishers_(net::receive_rounds::of(io)) {}

void fan_out::announce(const std::shared_ptr<hub::stream>& stream) {
  pace_.count(stream->take_turns());
  const bool watched = stream->claim_flush();
  if (watched) waiting_.push_back(stream);
  if (armed_ || in_round_) return;
  const auto now = std::chrono::steady_clock::now();
  const auto due = pace_.next_round();
  if (due <= now) return round(now);  // without viewers too: publishers alone may keep a shard busy
  if (watched) arm(due);
}

void fan_out::arm(base::instant due) {
  if (std::exchange(armed_, true)) return;
  timer_.expires_at(due);
  timer_.async_wait([this, alive = std::weak_ptr(alive_)](boost::system::error_code failed) {
    if (failed || alive.expired()) return;
    armed_ = false;
    round(std::chrono::steady_clock::now());
  });
}

// Whether frames are late because of us, and by how much, but not each time that the window moves.
void fan_out::tell_operator(base::instant now) {
  const bool gathering = pace_.window() >= worth_telling;
  if (gathering == told_gathering_ || now - told_ < log_pause) return;
  told_ = now;
  told_gathering_ = gathering;
  if (gathering) {
    base::log::info("shard {}: busy: frames are gathered for {} ms before viewers get them (play.load_per_cent, play.gather_ms_max)", shard_,
                    std::chrono::duration_cast<std::chrono::milliseconds>(pace_.window()).count());
  } else {
    base::log::info("shard {}: frames go out at once again", shard_);
  }
}

void fan_out::round(base::instant now) {
  pace_.begin_round(now, thread_busy);
  // The round in which it begins may come from inside a publisher's announce(), and what would be read of that one may be its end.
  const bool gathered = publishers_.gathering();
  publishers_.gather(pace_.window() >= (publishers_.gathering() ? read_as_it_comes_below : read_in_rounds_from));
  tell_operator(now);
  in_round_ = true;
  if (gathered && publishers_.gathering()) publishers_.round();
  going_.swap(waiting_);
  if (!going_.empty()) ++rounds_;
  for (const auto& stream : going_) stream->flush();
  going_.clear();
  in_round_ = false;
  if (!waiting_.empty() || publishers_.gathering()) arm(pace_.next_round());
}

}  // namespace millrace::server
