// How many connections each address has: one client must not take every place.
#pragma once
#include <boost/asio/ip/address.hpp>
#include <cstddef>
#include <map>
#include <memory>
#include <mutex>

#include "base/time.hpp"
#include "net/address_block.hpp"

namespace millrace::net {

// Any thread. Tickets may outlive the table's owner, they share it.
class address_table : public std::enable_shared_from_this<address_table> {
 public:
  // `most`: connections at a time. `per_second`: new ones, with as many at once as there may be at a time, so that all who sit behind one address can come
  // back together; 0: any number.
  // `loopback`: counts that too, as tests want it.
  explicit address_table(std::size_t most_per_address, double new_per_second = 0, bool loopback = false)
      : most_(most_per_address), rate_(new_per_second), loopback_(loopback) {}

  enum class verdict : unsigned char { admitted, too_many, too_fast };
  [[nodiscard]] verdict look(const boost::asio::ip::address& address, base::instant now) const;
  // Counts until the last copy of the ticket is gone; nullptr when the address has all it may have, and look() says why.
  std::shared_ptr<void> take(const boost::asio::ip::address& address, base::instant now);
  [[nodiscard]] std::size_t addresses() const {
    const std::lock_guard held(lock_);
    return counts_.size() - idle_;
  }

 private:
  [[nodiscard]] bool counted(const boost::asio::ip::address& address) const;
  void give_back(const address_block& at);

  struct record {
    std::size_t open = 0;
    double used = 0;        // of the bucket of new ones
    base::instant at{};     // when that was
  };
  [[nodiscard]] double used_now(const record& of, base::instant now) const;
  [[nodiscard]] verdict judge(const record& of, base::instant now) const;
  void forget_idle(base::instant now);

  static constexpr std::size_t idle_max = 50'000;  // addresses that are remembered although they have nothing open
  const std::size_t most_;
  const double rate_;
  const bool loopback_;
  mutable std::mutex lock_;
  std::map<address_block, record> counts_;
  std::size_t idle_ = 0;
};

}  // namespace millrace::net
