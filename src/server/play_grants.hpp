// Who may fetch a stream's HLS media: players carry the signature or token of a playlist's address to nothing that the playlist names, so whoever showed a
// right one may fetch what belongs to that stream, from the same address, until it expires or the rules no longer take it.
#pragma once
#include <boost/asio/ip/address.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "net/address_block.hpp"

namespace millrace::server {

// Any thread. An address is a net::address_block here.
class play_grants {
 public:
  using time = std::chrono::system_clock::time_point;
  // Of one stream and address. One that is right lets everybody there go on, so a few are enough for any number of viewers behind one address: those that
  // last longest stay. More than one, because the rules may stop taking some of them; not many more, because then each may have to be asked about at once.
  static constexpr std::size_t secrets_max = 100;
  // Of all; beyond, the stream and address that nobody fetched of for the longest time give way. So who only asks for much displaces nobody who watches.
  static constexpr std::size_t grants_max = 100'000, bytes_max = 32u << 20;

  // What will be granted if the stream turns out to be there: what is granted for names alone would have no bounds but those of this table.
  struct promise {
    std::string stream;
    boost::asio::ip::address to;
    std::string shown;    // what was right, as a query, to be asked about again
    time until;
    std::uint64_t rules;  // by which it was right: rules() of then
  };
  [[nodiscard]] std::uint64_t rules() const;
  void grant(const promise& what, time now);
  // `still(shown)`: whether it is right by the rules of now. Asked under no lock, of what was granted before doubt(), until one is right; what it said
  // holds for all streams and addresses that this was shown for.
  using question = std::function<bool(const std::string& shown)>;
  [[nodiscard]] bool granted(const std::string& stream, const boost::asio::ip::address& to, time now, const question& still);
  // The rules are other ones now, on every thread.
  void doubt();
  [[nodiscard]] std::size_t size() const;

 private:
  struct state {
    time until{};
    std::uint64_t rules = 0;  // by which it is …
    bool right = false;
    std::size_t places = 0;
  };
  using secrets = std::map<std::string, state>;  // tokens are long, and many may show the same one
  using key = std::pair<net::address_block, std::string>;
  struct place {
    key of;
    std::vector<secrets::iterator> shown;
  };
  template <class Which>
  void drop_if(place& from, Which which);
  void forget_old(time now);

  mutable std::mutex mutex_;
  std::uint64_t rules_ = 1;
  secrets secrets_;
  std::list<place> places_;  // by the last use, the newest first
  std::map<key, std::list<place>::iterator> by_key_;
  std::size_t grants_ = 0, bytes_ = 0;  // the latter of secrets_
};

}  // namespace millrace::server
