#include "hls/audience.hpp"

namespace millrace::hls {

void audience::took(const asker& who, std::uint64_t bytes, base::instant now) {
  const std::lock_guard lock(mutex_);
  auto at = all_.find({who.address, who.agent});
  if (at == all_.end()) {
    // Once a second: who comes beyond the most costs no walk over all of them each time.
    if (all_.size() >= viewers_max && now - tidied_ >= std::chrono::seconds(1)) {
      tidied_ = now;
      forget(now);
    }
    if (all_.size() >= viewers_max) return;
    at = all_.emplace(std::pair(who.address, who.agent), one{}).first;
    at->second.facts.since = std::chrono::system_clock::now();
  }
  auto& known = at->second;
  known.facts.who = who;
  ++known.facts.answers;
  known.facts.bytes += bytes;
  known.last = now;
}

void audience::forget(base::instant now) {
  std::erase_if(all_, [&](const auto& each) { return now - each.second.last > silence_; });
}

std::size_t audience::size(base::instant now) {
  const std::lock_guard lock(mutex_);
  forget(now);
  return all_.size();
}

std::vector<viewer_facts> audience::facts(base::instant now) {
  const std::lock_guard lock(mutex_);
  forget(now);
  std::vector<viewer_facts> out;
  out.reserve(all_.size());
  for (const auto& [key, known] : all_) out.push_back(known.facts);
  return out;
}

}  // namespace millrace::hls
