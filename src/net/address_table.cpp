#include "net/address_table.hpp"

#include <algorithm>

#include "net/endpoint_text.hpp"

namespace millrace::net {

bool address_table::counted(const boost::asio::ip::address& address) const { return loopback_ || !unmapped(address).is_loopback(); }

double address_table::used_now(const record& of, base::instant now) const {
  return std::max(0.0, of.used - rate_ * std::chrono::duration<double>(now - of.at).count());
}

address_table::verdict address_table::judge(const record& of, base::instant now) const {
  if (of.open >= most_) return verdict::too_many;
  if (rate_ > 0 && used_now(of, now) + 1 > static_cast<double>(most_)) return verdict::too_fast;
  return verdict::admitted;
}

address_table::verdict address_table::look(const boost::asio::ip::address& address, base::instant now) const {
  if (!counted(address)) return verdict::admitted;
  const std::lock_guard held(lock_);
  const auto found = counts_.find(block_of(address));
  return judge(found == counts_.end() ? record{} : found->second, now);
}

std::shared_ptr<void> address_table::take(const boost::asio::ip::address& address, base::instant now) {
  if (!counted(address)) return std::make_shared<int>();
  const auto at = block_of(address);
  {
    const std::lock_guard held(lock_);
    const auto found = counts_.find(at);
    if (judge(found == counts_.end() ? record{} : found->second, now) != verdict::admitted) return nullptr;
    auto& one = counts_[at];
    if (found != counts_.end() && one.open == 0) --idle_;
    ++one.open;
    one.used = used_now(one, now) + 1;
    one.at = now;
  }
  return {static_cast<void*>(this), [table = shared_from_this(), at](void*) { table->give_back(at); }};
}

void address_table::give_back(const address_block& at) {
  const std::lock_guard held(lock_);
  const auto found = counts_.find(at);
  if (found == counts_.end() || --found->second.open > 0) return;
  if (rate_ == 0) {
    counts_.erase(found);
    return;
  }
  // Remembered, or coming and going at once would always be new.
  if (++idle_ > idle_max) forget_idle(found->second.at);
}

// Whose bucket is full again by now; if that is not enough, all that have nothing open: a flood from so many addresses is not slowed by this table.
void address_table::forget_idle(base::instant now) {
  std::erase_if(counts_, [&](const auto& each) { return each.second.open == 0 && used_now(each.second, now) < 1; });
  idle_ = static_cast<std::size_t>(std::count_if(counts_.begin(), counts_.end(), [](const auto& each) { return each.second.open == 0; }));
  if (idle_ <= idle_max / 2) return;
  std::erase_if(counts_, [](const auto& each) { return each.second.open == 0; });
  idle_ = 0;
}

}  // namespace millrace::net
