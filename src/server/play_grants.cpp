#include "server/play_grants.hpp"

#include <algorithm>
#include <tuple>

namespace millrace::server {

std::uint64_t play_grants::rules() const {
  const std::lock_guard held(mutex_);
  return rules_;
}

void play_grants::grant(const promise& what, time now) {
  const std::lock_guard held(mutex_);
  const auto [secret, fresh] = secrets_.try_emplace(what.shown);
  auto& known = secret->second;
  if (fresh) bytes_ += what.shown.size();
  known.until = what.until;
  if (what.rules >= known.rules) {  // otherwise newer ones have been asked meanwhile
    known.rules = what.rules;
    known.right = true;
  }
  const auto [at, first] = by_key_.try_emplace({net::block_of(what.to), what.stream});
  if (first) at->second = places_.insert(places_.begin(), {at->first, {}});
  places_.splice(places_.begin(), places_, at->second);
  auto& here = *at->second;
  if (std::find(here.shown.begin(), here.shown.end(), secret) == here.shown.end()) {
    here.shown.push_back(secret);
    ++known.places;
    ++grants_;
  }
  if (here.shown.size() > secrets_max) {
    // Those that nobody has asked about since the rules changed go first: they may all be withdrawn.
    const auto worth = [&](const auto& one) { return std::tuple(one->second.rules == rules_ && one->second.right, one->second.until); };
    const auto least = *std::min_element(here.shown.begin(), here.shown.end(), [&](const auto& a, const auto& b) { return worth(a) < worth(b); });
    drop_if(here, [&](const auto& one) { return one == least; });
  }
  forget_old(now);
}

bool play_grants::granted(const std::string& stream, const boost::asio::ip::address& to, time now, const question& still) {
  const key of{net::block_of(to), stream};
  std::unique_lock held(mutex_);
  while (true) {
    const auto at = by_key_.find(of);
    if (at == by_key_.end()) return false;
    auto& here = *at->second;
    const auto holds = [&](const auto& one) { return now < one->second.until && one->second.rules == rules_ && one->second.right; };
    if (std::any_of(here.shown.begin(), here.shown.end(), holds)) {
      places_.splice(places_.begin(), places_, at->second);
      return true;
    }
    drop_if(here, [&](const auto& one) { return one->second.until <= now || one->second.rules == rules_; });
    if (here.shown.empty()) {
      places_.erase(at->second);
      by_key_.erase(at);
      return false;
    }
    const auto shown = (*std::max_element(here.shown.begin(), here.shown.end(), [](const auto& a, const auto& b) { return a->second.until < b->second.until; }))->first;
    const auto rules = rules_;
    held.unlock();
    const bool right = still(shown);
    held.lock();
    if (const auto asked = secrets_.find(shown); asked != secrets_.end() && asked->second.rules < rules) {
      asked->second.rules = rules;
      asked->second.right = right;
    }
  }
}

void play_grants::doubt() {
  const std::lock_guard held(mutex_);
  ++rules_;
}

std::size_t play_grants::size() const {
  const std::lock_guard held(mutex_);
  return grants_;
}

template <class Which>
void play_grants::drop_if(place& from, Which which) {
  std::erase_if(from.shown, [&](const secrets::iterator& one) {
    if (!which(one)) return false;
    --grants_;
    if (--one->second.places == 0) {
      bytes_ -= one->first.size();
      secrets_.erase(one);
    }
    return true;
  });
}

// Only from the end, so that nobody waits for a look at all of them; what has expired in between gets there.
void play_grants::forget_old(time now) {
  const auto over = [&](const auto& one) { return one->second.until <= now; };
  while (!places_.empty()) {
    auto& last = places_.back();
    if (grants_ <= grants_max && bytes_ <= bytes_max && !std::all_of(last.shown.begin(), last.shown.end(), over)) return;
    drop_if(last, [](const auto&) { return true; });
    by_key_.erase(last.of);
    places_.pop_back();
  }
}

}  // namespace millrace::server
