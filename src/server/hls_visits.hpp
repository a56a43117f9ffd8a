// Viewers over HLS that a back end has allowed (hook on_play): it is asked when somebody begins, not for each segment, and told when they have gone.
#pragma once
#include <boost/asio/ip/address.hpp>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "base/time.hpp"
#include "server/hooks.hpp"

namespace millrace::server {

// Thread-safe. A viewer is an address here, as for play_grants: players carry the query of the first playlist to nothing that it names.
class hls_visits {
 public:
  static constexpr std::size_t visits_max = 100'000;   // beyond, each request is asked about
  static constexpr std::chrono::seconds silence{60};   // then a viewer has left

  // The name that the stream has for them, and they go on; nothing: they have to be asked about.
  std::optional<std::string> known(const std::string& stream, const boost::asio::ip::address& from, base::instant now) {
    const std::lock_guard held(mutex_);
    const auto at = all_.find({stream, from});
    if (at == all_.end() || now - at->second.last > silence) return std::nullopt;
    at->second.last = now;
    return at->second.name;
  }
  void begin(const std::string& stream, const boost::asio::ip::address& from, std::string name, hook_visit visit, base::instant now) {
    const std::lock_guard held(mutex_);
    if (all_.size() >= visits_max) return;
    all_.insert_or_assign({stream, from}, one{std::move(name), std::move(visit), now});
  }
  void end_silent(base::instant now) {
    const std::lock_guard held(mutex_);
    if (now - looked_ < std::chrono::seconds(1)) return;
    looked_ = now;
    std::erase_if(all_, [&](const auto& each) { return now - each.second.last > silence; });
  }
  void clear() {
    const std::lock_guard held(mutex_);
    all_.clear();
  }

 private:
  struct one {
    std::string name;
    hook_visit visit;
    base::instant last;
  };
  std::mutex mutex_;
  base::instant looked_{};
  std::map<std::pair<std::string, boost::asio::ip::address>, one> all_;
};

}  // namespace millrace::server
