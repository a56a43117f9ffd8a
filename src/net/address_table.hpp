// How many connections each address has: one client must not take every place.
#pragma once
#include <array>
#include <boost/asio/ip/address.hpp>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>

namespace millrace::net {

// Any thread. Tickets may outlive the table's owner, they share it.
class address_table : public std::enable_shared_from_this<address_table> {
 public:
  explicit address_table(std::size_t most_per_address) : most_(most_per_address) {}

  [[nodiscard]] bool admits(const boost::asio::ip::address& address) const;
  // Counts until the last copy of the ticket is gone; nullptr when the address has all it may have.
  std::shared_ptr<void> take(const boost::asio::ip::address& address);
  [[nodiscard]] std::size_t addresses() const {
    const std::lock_guard held(lock_);
    return counts_.size();
  }

 private:
  // An IPv4 address in mapped form, or the first 64 bits of an IPv6 address: one home or server has a whole /64.
  using key = std::array<std::uint8_t, 16>;
  static key key_of(const boost::asio::ip::address& address);
  void give_back(const key& at);

  const std::size_t most_;
  mutable std::mutex lock_;
  std::map<key, std::size_t> counts_;
};

}  // namespace millrace::net
