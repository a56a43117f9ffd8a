#include "server/allowance.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace millrace::server {

std::string_view allowance::set(std::string_view name, std::int64_t value) {
  constexpr std::int64_t most = 100'000'000;  // three years of seconds, a hundred gigabits
  if (value < 0) return "takes no negative number";
  if (value > most) return "is more than can be: leave it out where there is no limit";
  if (name == "at_once") at_once = static_cast<std::uint32_t>(value);
  if (name == "kbps") kbps = static_cast<std::uint32_t>(value);
  if (name == "session_s") session = std::chrono::seconds(value);
  return {};
}

std::int64_t allowance::get(std::string_view name) const {
  if (name == "at_once") return at_once;
  if (name == "kbps") return kbps;
  return session.count();
}

bool rate_meter::take(std::size_t bytes, base::instant at) {
  const std::lock_guard held(lock_);
  used_ = used_at(at) + static_cast<double>(bytes);
  last_ = std::max(last_, at);
  return used_ <= bytes_per_second_ * burst_seconds;
}

void rate_meter::allow(std::uint32_t kbps) {
  const std::lock_guard held(lock_);
  bytes_per_second_ = kbps * 125.0;
}

bool rate_meter::drained(base::instant at) const {
  const std::lock_guard held(lock_);
  return used_at(at) == 0;
}

// Threads look at the clock before they come here: one may be a little behind another.
double rate_meter::used_at(base::instant at) const {
  const double passed = std::chrono::duration<double>(std::max(at - last_, base::duration{0})).count();
  return std::max(0.0, used_ - bytes_per_second_ * passed);
}

allowance_register::seat& allowance_register::seat::operator=(seat&& other) noexcept {
  if (this == &other) return *this;
  leave();
  of_ = std::exchange(other.of_, nullptr);
  holder_ = std::move(other.holder_);
  stream_ = std::move(other.stream_);
  rate_ = std::move(other.rate_);
  return *this;
}

void allowance_register::seat::leave() {
  auto* const from = std::exchange(of_, nullptr);
  if (from == nullptr) return;
  const std::lock_guard held(from->lock_);
  const auto holder = from->holders_.find(holder_);
  if (holder == from->holders_.end()) return;
  const auto stream = holder->second.find(stream_);
  if (stream == holder->second.end() || --stream->second.seats > 0 || stream->second.rests_until != base::instant{} || stream->second.rate) return;
  holder->second.erase(stream);
  if (holder->second.empty()) from->holders_.erase(holder);
}

base::result<allowance_register::seat> allowance_register::take(const std::string& holder, const std::string& stream, const allowance& allows, base::instant now) {
  const std::lock_guard held(lock_);
  forget_spent(now);
  const auto known = holders_.find(holder);
  if (known != holders_.end()) {
    const auto used = known->second.find(stream);
    if (used != known->second.end() && used->second.rests_until != base::instant{}) {
      const auto left = std::chrono::ceil<std::chrono::seconds>(used->second.rests_until - now);
      return base::error{base::error_kind::limit, fmt::format("has used up what it allows: wait {} s", left.count())};
    }
    const bool another = used == known->second.end() || used->second.seats == 0;
    const auto streams = std::count_if(known->second.begin(), known->second.end(), [](const auto& one) { return one.second.seats > 0; });
    if (another && allows.at_once != 0 && streams >= static_cast<std::ptrdiff_t>(allows.at_once)) {
      return base::error{base::error_kind::limit, fmt::format("publishes {} already, which is as many as it allows", streams == 1 ? "a stream" : std::to_string(streams) + " streams")};
    }
  }
  auto& one = holders_[holder][stream];
  ++one.seats;
  if (allows.kbps == 0) one.rate = nullptr;
  else if (one.rate) one.rate->allow(allows.kbps);
  else one.rate = std::make_shared<rate_meter>(allows.kbps);
  return seat(*this, holder, stream, one.rate);
}

void allowance_register::rest(const std::string& holder, const std::string& stream, base::instant now) {
  const std::lock_guard held(lock_);
  auto& one = holders_[holder][stream];
  one.rests_until = now + rest_time;
  one.rate = nullptr;  // paid for by the rest
}

// There are as many as were sent away within a minute or left within ten seconds, each with a right key.
void allowance_register::forget_spent(base::instant now) {
  for (auto& [holder, streams] : holders_) {
    for (auto& [stream, each] : streams) {
      if (now >= each.rests_until) each.rests_until = {};
    }
    std::erase_if(streams, [&](const auto& one) {
      return one.second.seats == 0 && one.second.rests_until == base::instant{} && (!one.second.rate || one.second.rate->drained(now));
    });
  }
  std::erase_if(holders_, [](const auto& one) { return one.second.empty(); });
}

}  // namespace millrace::server
