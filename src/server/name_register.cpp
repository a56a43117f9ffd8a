#include "server/name_register.hpp"

#include <algorithm>
#include <utility>

#include "server/access.hpp"

namespace millrace::server {

base::result<name_register::claim> name_register::publish(std::string_view name, shard_index shard, shards& tell) {
  const std::lock_guard held(lock_);
  auto at = entries_.find(name);
  if (at == entries_.end()) at = entries_.emplace(std::string(name), entry{}).first;
  auto& e = at->second;
  if (e.successor.id != 0 || (e.holder.id != 0 && !e.holder.may_be_followed())) {
    return base::error{base::error_kind::busy, "somebody publishes already"};
  }
  claim made{next_id_++, shard, e.holder.id != 0, e.holder.shard};
  (made.follows ? e.successor : e.holder) = {made.id, shard, false, false, {}};
  tell = e.watchers;
  return made;
}

void name_register::yield(std::string_view name, std::uint64_t id) {
  const std::lock_guard held(lock_);
  if (const auto at = entries_.find(name); at != entries_.end() && at->second.holder.id == id) at->second.holder.yields = true;
}

bool name_register::take_over(std::string_view name, std::uint64_t id, shards& tell) {
  const std::lock_guard held(lock_);
  const auto at = entries_.find(name);
  if (at == entries_.end() || at->second.successor.id != id) return false;
  auto& e = at->second;
  tell = e.watchers;
  if (e.holder.id != 0 && std::find(tell.begin(), tell.end(), e.holder.shard) == tell.end()) tell.push_back(e.holder.shard);
  e.holder = std::exchange(e.successor, {});
  return true;
}

void name_register::release(std::string_view name, std::uint64_t id, shards& tell) {
  const std::lock_guard held(lock_);
  const auto at = entries_.find(name);
  if (at == entries_.end()) return;
  auto& e = at->second;
  // Its token stands for the one that let it in.
  if (e.successor.id == id && e.holder.token_shown && !e.successor.token.empty()) {
    e.holder.token = std::move(e.successor.token);
    e.holder.token_shown = false;
  }
  for (auto* const each : {&e.holder, &e.successor}) {
    if (each->id == id) *each = {};
  }
  tell = e.watchers;
  forget_if_unused(at);
}

bool name_register::has(std::string_view name, std::uint64_t id) const {
  const std::lock_guard held(lock_);
  const auto at = entries_.find(name);
  return at != entries_.end() && (at->second.holder.id == id || at->second.successor.id == id);
}

std::optional<shard_index> name_register::holder(std::string_view name) const {
  const std::lock_guard held(lock_);
  const auto at = entries_.find(name);
  return at != entries_.end() && at->second.holder.id != 0 ? std::optional(at->second.holder.shard) : std::nullopt;
}

std::optional<shard_index> name_register::successor(std::string_view name) const {
  const std::lock_guard held(lock_);
  const auto at = entries_.find(name);
  return at != entries_.end() && at->second.successor.id != 0 ? std::optional(at->second.successor.shard) : std::nullopt;
}

void name_register::offer_token(std::string_view name, std::uint64_t id, std::string token) {
  const std::lock_guard held(lock_);
  const auto at = entries_.find(name);
  if (at == entries_.end()) return;
  for (auto* const each : {&at->second.holder, &at->second.successor}) {
    if (each->id == id) each->token = std::move(token);
  }
}

bool name_register::take(std::string_view name, std::string_view token, shard_index& holder_shard) {
  const std::lock_guard held(lock_);
  const auto at = entries_.find(name);
  if (token.empty() || at == entries_.end() || !equal_in_constant_time(at->second.holder.token, token)) return false;
  auto& holder = at->second.holder;
  holder.token.clear();
  holder.token_shown = true;
  holder_shard = holder.shard;
  return true;
}

std::optional<shard_index> name_register::waits_with(std::string_view name, std::string_view token) const {
  const std::lock_guard held(lock_);
  const auto at = entries_.find(name);
  if (token.empty() || at == entries_.end() || at->second.successor.id == 0 || !equal_in_constant_time(at->second.successor.token, token)) return std::nullopt;
  return at->second.successor.shard;
}

void name_register::watch(std::string_view name, shard_index shard) {
  const std::lock_guard held(lock_);
  auto at = entries_.find(name);
  if (at == entries_.end()) at = entries_.emplace(std::string(name), entry{}).first;
  auto& watchers = at->second.watchers;
  if (std::find(watchers.begin(), watchers.end(), shard) == watchers.end()) watchers.push_back(shard);
}

void name_register::unwatch(std::string_view name, shard_index shard) {
  const std::lock_guard held(lock_);
  const auto at = entries_.find(name);
  if (at == entries_.end()) return;
  std::erase(at->second.watchers, shard);
  forget_if_unused(at);
}

bool name_register::watched(std::string_view name) const {
  const std::lock_guard held(lock_);
  const auto at = entries_.find(name);
  return at != entries_.end() && !at->second.watchers.empty();
}

bool name_register::may_follow(std::string_view name) const {
  const std::lock_guard held(lock_);
  const auto at = entries_.find(name);
  return at == entries_.end() || at->second.holder.id == 0 || at->second.holder.may_be_followed();
}

void name_register::set_elsewhere(const std::string& name, bool published) {
  const std::lock_guard held(lock_);
  if (published) elsewhere_.insert(name); else elsewhere_.erase(name);
}

bool name_register::elsewhere(std::string_view name) const {
  const std::lock_guard held(lock_);
  return elsewhere_.contains(name);
}

std::size_t name_register::size() const {
  const std::lock_guard held(lock_);
  return entries_.size();
}

void name_register::forget_if_unused(entries::iterator at) {
  const auto& e = at->second;
  if (e.holder.id == 0 && e.successor.id == 0 && e.watchers.empty()) entries_.erase(at);
}

}  // namespace millrace::server
