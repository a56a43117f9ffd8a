// Viewers over HLS as a back end knows them: it is asked when somebody begins (hook on_play), not for each segment, and told when they have gone (on_play_done).
#pragma once
#include <boost/asio/ip/address.hpp>
#include <chrono>
#include <cstddef>
#include <list>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "base/time.hpp"
#include "net/address_block.hpp"
#include "server/hooks.hpp"

namespace millrace::server {

// Any thread. A viewer is a stream and a net::address_block here, as for play_grants: players carry the query of the first playlist to nothing that it
// names. Ends are told outside the lock.
class hls_visits {
 public:
  static constexpr std::size_t visits_max = 100'000;  // beyond, who fetched nothing for the longest time has left
  static constexpr std::chrono::seconds silence{60};  // then a viewer has left

  // The name that the stream has for them, and they go on; nothing: they have to be asked about, as those are whom attend() began.
  std::optional<std::string> known(const std::string& stream, const boost::asio::ip::address& from, base::instant now);
  // Once the stream turns out to be there: for names alone there would be no bound but this table's.
  void begin(const std::string& stream, const boost::asio::ip::address& from, std::string name, hook_visit visit, base::instant now);
  // As begin(), where nobody is asked: who is here goes on. `caller` is told of the end of what `question` would have asked.
  void attend(const std::string& stream, const boost::asio::ip::address& from, hook_caller& caller, const hook_question& question, base::instant now);
  void end_silent(base::instant now);
  void clear();
  [[nodiscard]] std::size_t size() const;

 private:
  using key = std::pair<net::address_block, std::string>;
  struct one {
    key of;
    std::string name;  // empty: nobody was asked
    hook_visit visit;
    base::instant last;
  };
  one* find(const key& of, base::instant now);
  void put(std::list<one>&& begun, std::list<one>& ended);
  mutable std::mutex mutex_;
  std::list<one> all_;  // by the last request, the newest first
  std::map<key, std::list<one>::iterator> by_key_;
};

}  // namespace millrace::server
