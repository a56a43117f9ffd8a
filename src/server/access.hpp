// Who may publish and who may play. Secure by default: publishing from outside loopback needs a rule or a key.
#pragma once
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/network_v4.hpp>
#include <boost/asio/ip/network_v6.hpp>
#include <chrono>
#include <cstdint>
#include <deque>
#include <list>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/pattern.hpp"
#include "base/result.hpp"
#include "base/time.hpp"
#include "net/address_block.hpp"
#include "server/allowance.hpp"
#include "server/jwt.hpp"
#include "server/query.hpp"

namespace millrace::server {

class publish_keys;

// One address range: "10.0.0.0/8", "2001:db8::/32", a single address, "loopback" or "all".
class address_range {
 public:
  // Error (kind usage) names the text and shows the forms.
  static base::result<std::vector<address_range>> parse(std::string_view text);
  // IPv4-mapped IPv6 addresses count as their IPv4 form.
  [[nodiscard]] bool contains(const boost::asio::ip::address& address) const;

 private:
  std::variant<boost::asio::ip::network_v4, boost::asio::ip::network_v6> network_;
};

// A secret for the streams whose "app/name" matches a pattern; '*' stands for any run of characters.
struct stream_key {
  std::string pattern;
  std::string secret;
  allowance allows = {};
};

struct access_rules {
  std::vector<address_range> publish_allow;  // may publish without a key
  std::vector<stream_key> publish_keys;      // "?key=SECRET" behind the stream name lets anybody publish
  std::vector<address_range> play_allow = *address_range::parse("all");  // may play without a signature
  jwt_rules jwt;                             // tokens ("?jwt=…"), for publishing and playing
  std::vector<std::string> sign_secrets;     // of signed addresses (signature.hpp), for publishing and playing
  std::vector<address_range> recordings_allow = *address_range::parse("loopback");  // may play recordings over RTMP, if they may play at all
};
access_rules default_access_rules();  // publish: loopback; play: all

struct access_decision {
  bool allowed = false;
  std::string why;  // for the log and, without secrets, for the peer
  bool by_address = false;  // so it has to be asked again when the address changes
  bool wrong = false;       // a key, a token or a signature was shown that is not right: no hook can allow it
  std::chrono::system_clock::time_point until{};  // of a token or a signature …
  std::string shown = {};   // … which this is, as a query
  allowance allows = {};    // of a key or a token …
  std::string holder = {};  // … which this tells from all others; not for people or logs, since a token says it about itself
};

using base::matches_pattern;

// `made`: keys beside those of the rules; null: there are none.
access_decision may_publish(const access_rules& rules, const boost::asio::ip::address& from, std::string_view stream, std::string_view query,
                            publish_keys* made = nullptr, std::chrono::system_clock::time_point now = {});
access_decision may_play(const access_rules& rules, const boost::asio::ip::address& from, std::string_view stream, std::string_view query,
                         std::chrono::system_clock::time_point now);
// What decisions with by_address come down to for another address.
bool may_publish_by_address(const access_rules& rules, const boost::asio::ip::address& from);
bool may_play_by_address(const access_rules& rules, const boost::asio::ip::address& from);
// The second of the two questions about recordings: that of who may play at all is answered, by may_play() or by a back end. No signature or token
// replaces it, so it is to be asked again for another address in any case.
access_decision recordings_allowed(const access_rules& rules, const boost::asio::ip::address& from);
// Both.
access_decision may_play_recordings(const access_rules& rules, const boost::asio::ip::address& from, std::string_view stream, std::string_view query,
                                    std::chrono::system_clock::time_point now);

// Guessing costs a second a try: so long an answer that refuses is held back.
inline constexpr std::chrono::seconds refusal_delay{1};

// Slows down guessing: after 10 refusals within a minute an address (of IPv6, its /64) is refused unheard. Any thread.
class failure_guard {
 public:
  [[nodiscard]] bool locked_out(const boost::asio::ip::address& address, base::instant now);
  // `now` does not go back. True: from now on it is locked out.
  bool failed(const boost::asio::ip::address& address, base::instant now);

 private:
  static constexpr std::size_t failures_max = 10;
  static constexpr std::chrono::seconds window{60};
  static constexpr std::size_t addresses_max = 10'000;  // beyond this, who failed longest ago is forgotten
  struct record {
    net::address_block of;
    std::deque<base::instant> times;
  };
  void forget_old(base::instant now);
  std::mutex lock_;
  std::list<record> records_;  // by the last failure, the newest last
  std::map<net::address_block, std::list<record>::iterator> by_address_;
};

}  // namespace millrace::server
