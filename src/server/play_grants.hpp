// Who may fetch a stream's HLS media: players carry the signature or token of a playlist's address to nothing that the playlist names, so whoever showed a
// right one may fetch what belongs to that stream, from the same address, until it expires or the rules no longer take it.
#pragma once
#include <boost/asio/ip/address.hpp>
#include <chrono>
#include <compare>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>

namespace millrace::server {

// Any thread.
class play_grants {
 public:
  using time = std::chrono::system_clock::time_point;
  static constexpr std::size_t grants_max = 100'000;  // beyond, only those that are known already go on

  // `shown`: what was right, as a query, to be asked about again.
  void grant(const std::string& stream, const boost::asio::ip::address& to, const std::string& shown, time until, time now) {
    const std::lock_guard held(mutex_);
    if (all_.size() >= grants_max) std::erase_if(all_, [&](const auto& each) { return each.second.until <= now; });
    const key at{stream, to, shown};
    if (all_.size() < grants_max || all_.contains(at)) all_.insert_or_assign(at, one{until, rules_});
  }
  // `still(shown)`: whether it is right by the rules of now; called for what was granted before doubt(), once each.
  template <class Still>
  [[nodiscard]] bool granted(const std::string& stream, const boost::asio::ip::address& to, time now, Still still) {
    const std::lock_guard held(mutex_);
    for (auto at = all_.lower_bound({stream, to, {}}); at != all_.end() && at->first.stream == stream && at->first.to == to;) {
      auto& each = at->second;
      if (now < each.until && (each.rules == rules_ || still(at->first.shown))) {
        each.rules = rules_;
        return true;
      }
      at = all_.erase(at);
    }
    return false;
  }
  // The rules are other ones now, on every thread.
  void doubt() {
    const std::lock_guard held(mutex_);
    ++rules_;
  }

 private:
  struct key {
    std::string stream;
    boost::asio::ip::address to;
    std::string shown;  // several viewers may sit behind one address
    friend std::strong_ordering operator<=>(const key&, const key&) = default;
    friend bool operator==(const key&, const key&) = default;
  };
  struct one {
    time until;
    std::uint64_t rules;  // of which it is right
  };
  std::mutex mutex_;
  std::uint64_t rules_ = 0;
  std::map<key, one> all_;
};

}  // namespace millrace::server
