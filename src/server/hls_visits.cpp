#include "server/hls_visits.hpp"

#include <iterator>

namespace millrace::server {

hls_visits::one* hls_visits::find(const key& of, base::instant now) {
  const auto at = by_key_.find(of);
  if (at == by_key_.end() || now - at->second->last > silence) return nullptr;
  at->second->last = now;
  all_.splice(all_.begin(), all_, at->second);
  return &all_.front();
}

std::optional<std::string> hls_visits::known(const std::string& stream, const boost::asio::ip::address& from, base::instant now) {
  const std::lock_guard held(mutex_);
  const auto* const found = find({net::block_of(from), stream}, now);
  return found != nullptr && !found->name.empty() ? std::optional(found->name) : std::nullopt;
}

void hls_visits::begin(const std::string& stream, const boost::asio::ip::address& from, std::string name, hook_visit visit, base::instant now) {
  std::list<one> ended, begun;
  begun.push_back({{net::block_of(from), stream}, std::move(name), std::move(visit), now});
  const std::lock_guard held(mutex_);
  put(std::move(begun), ended);
}

void hls_visits::attend(const std::string& stream, const boost::asio::ip::address& from, hook_caller& caller, const hook_question& question, base::instant now) {
  std::list<one> ended, begun;
  const key of{net::block_of(from), stream};
  const std::lock_guard held(mutex_);
  if (find(of, now) != nullptr) return;
  begun.push_back({of, {}, hook_visit(caller, question), now});
  put(std::move(begun), ended);
}

void hls_visits::put(std::list<one>&& begun, std::list<one>& ended) {
  const auto [at, fresh] = by_key_.try_emplace(begun.front().of);
  if (!fresh) ended.splice(ended.end(), all_, at->second);
  all_.splice(all_.begin(), begun);
  at->second = all_.begin();
  if (all_.size() > visits_max) {
    by_key_.erase(all_.back().of);
    ended.splice(ended.end(), all_, std::prev(all_.end()));
  }
}

void hls_visits::end_silent(base::instant now) {
  std::list<one> ended;
  const std::lock_guard held(mutex_);
  while (!all_.empty() && now - all_.back().last > silence) {
    by_key_.erase(all_.back().of);
    ended.splice(ended.end(), all_, std::prev(all_.end()));
  }
}

void hls_visits::clear() {
  std::list<one> ended;
  const std::lock_guard held(mutex_);
  by_key_.clear();
  ended.swap(all_);
}

std::size_t hls_visits::size() const {
  const std::lock_guard held(mutex_);
  return all_.size();
}

}  // namespace millrace::server
