#include "net/address_table.hpp"

#include <algorithm>

#include "net/endpoint_text.hpp"

namespace millrace::net {
namespace {

bool counted(const boost::asio::ip::address& address) { return !unmapped(address).is_loopback(); }

}  // namespace

address_table::key address_table::key_of(const boost::asio::ip::address& address) {
  const auto plain = unmapped(address);
  key made{};
  if (plain.is_v4()) {
    const auto bytes = plain.to_v4().to_bytes();
    made[10] = made[11] = 0xff;
    std::copy(bytes.begin(), bytes.end(), made.begin() + 12);
  } else {
    const auto bytes = plain.to_v6().to_bytes();
    std::copy_n(bytes.begin(), 8, made.begin());
  }
  return made;
}

bool address_table::admits(const boost::asio::ip::address& address) const {
  if (!counted(address)) return true;
  const std::lock_guard held(lock_);
  const auto found = counts_.find(key_of(address));
  return found == counts_.end() ? most_ > 0 : found->second < most_;
}

std::shared_ptr<void> address_table::take(const boost::asio::ip::address& address) {
  if (!counted(address)) return std::make_shared<int>();
  const auto at = key_of(address);
  {
    const std::lock_guard held(lock_);
    auto& count = counts_[at];
    if (count >= most_) {
      if (count == 0) counts_.erase(at);
      return nullptr;
    }
    ++count;
  }
  return {static_cast<void*>(this), [table = shared_from_this(), at](void*) { table->give_back(at); }};
}

void address_table::give_back(const key& at) {
  const std::lock_guard held(lock_);
  const auto found = counts_.find(at);
  if (found != counts_.end() && --found->second == 0) counts_.erase(found);
}

}  // namespace millrace::net
