// Who may fetch a stream's HLS media: players carry the signature of a playlist's address to nothing that the playlist names, so whoever showed a right one
// may fetch what belongs to that stream, from the same address, until it expires.
#pragma once
#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <chrono>
#include <map>
#include <mutex>
#include <string>
#include <utility>

namespace millrace::server {

// Thread-safe.
class play_grants {
 public:
  using time = std::chrono::system_clock::time_point;
  static constexpr std::size_t grants_max = 100'000;

  void grant(const std::string& stream, const boost::asio::ip::address& to, time until, time now) {
    const std::lock_guard held(mutex_);
    if (all_.size() >= grants_max) std::erase_if(all_, [&](const auto& each) { return each.second <= now; });
    if (all_.size() >= grants_max && !all_.contains({stream, to})) return;
    auto& known = all_[{stream, to}];
    known = std::max(known, until);
  }
  [[nodiscard]] bool granted(const std::string& stream, const boost::asio::ip::address& to, time now) const {
    const std::lock_guard held(mutex_);
    const auto at = all_.find({stream, to});
    return at != all_.end() && now < at->second;
  }

 private:
  mutable std::mutex mutex_;
  std::map<std::pair<std::string, boost::asio::ip::address>, time> all_;
};

}  // namespace millrace::server
