#include "server/access.hpp"

#include <algorithm>

#include "base/escape.hpp"
#include "server/publish_keys.hpp"
#include "server/signature.hpp"

namespace millrace::server {
namespace ip = boost::asio::ip;

base::result<std::vector<address_range>> address_range::parse(std::string_view text) {
  const auto one = [](auto network) {
    address_range range;
    range.network_ = network;
    return range;
  };
  if (text == "loopback") {
    return std::vector{one(ip::make_network_v4("127.0.0.0/8")), one(ip::make_network_v6("::1/128"))};
  }
  if (text == "all") return std::vector{one(ip::make_network_v4("0.0.0.0/0")), one(ip::make_network_v6("::/0"))};
  boost::system::error_code failed;
  const std::string written(text);
  if (text.find('/') == std::string_view::npos) {
    const auto address = ip::make_address(written, failed);
    if (!failed && address.is_v4()) return std::vector{one(ip::network_v4(address.to_v4(), 32))};
    if (!failed) return std::vector{one(ip::network_v6(address.to_v6(), 128))};
  } else if (text.find(':') != std::string_view::npos) {
    const auto network = ip::make_network_v6(written, failed);
    if (!failed) return std::vector{one(network.canonical())};
  } else {
    const auto network = ip::make_network_v4(written, failed);
    if (!failed) return std::vector{one(network.canonical())};
  }
  return base::error{base::error_kind::usage,
                     "\"" + written + "\" is no address range: write 10.0.0.0/8, 2001:db8::/32, a single address, loopback or all"};
}

bool address_range::contains(const ip::address& address) const {
  ip::address plain = address;
  if (plain.is_v6() && plain.to_v6().is_v4_mapped()) plain = ip::make_address_v4(ip::v4_mapped, plain.to_v6());
  if (const auto* v4 = std::get_if<ip::network_v4>(&network_)) {
    return plain.is_v4() && ip::network_v4(plain.to_v4(), v4->prefix_length()).canonical() == *v4;
  }
  const auto& v6 = std::get<ip::network_v6>(network_);
  return plain.is_v6() && ip::network_v6(plain.to_v6(), v6.prefix_length()).canonical() == v6;
}

access_rules default_access_rules() {
  access_rules rules;
  rules.publish_allow = *address_range::parse("loopback");
  return rules;
}

namespace {

bool any_contains(const std::vector<address_range>& ranges, const ip::address& address) {
  return std::any_of(ranges.begin(), ranges.end(), [&](const auto& range) { return range.contains(address); });
}

// Nothing: there is no signature, or nothing to check it by.
std::optional<access_decision> signature_decides(const access_rules& rules, signed_action what, std::string_view stream, std::string_view query,
                                                 std::chrono::system_clock::time_point now) {
  if (rules.sign_secrets.empty()) return std::nullopt;
  switch (check_signature(rules.sign_secrets, what, stream, query, now)) {
    case signature_verdict::none: break;
    case signature_verdict::right:
      return access_decision{.allowed = true,
                             .why = "signature",
                             .until = signature_end(query),
                             .shown = "expires=" + std::string(query_parameter(query, "expires").value_or("")) + "&sign=" + std::string(query_parameter(query, "sign").value_or(""))};
    case signature_verdict::wrong: return access_decision{false, "wrong signature", false, true};
    case signature_verdict::expired: return access_decision{false, "this signature has expired", false, true};
  }
  return std::nullopt;
}

// Nothing: no token was shown, or there is nothing to check it by.
std::optional<access_decision> token_decides(const access_rules& rules, signed_action what, std::string_view stream, std::string_view query,
                                             std::chrono::system_clock::time_point now) {
  const auto token = query_parameter(query, "jwt");
  if (!rules.jwt.keys || !token) return std::nullopt;
  const auto claims = check_jwt(rules.jwt, *token, now);
  if (!claims) return access_decision{false, claims.error().text, false, true};
  const auto& patterns = what == signed_action::publish ? claims->publish : claims->play;
  if (std::none_of(patterns.begin(), patterns.end(), [&](const auto& each) { return matches_pattern(each, stream); })) {
    return access_decision{false, std::string("the token does not allow to ") + (what == signed_action::publish ? "publish" : "play") + " this stream", false, true};
  }
  return access_decision{.allowed = true,
                         .why = claims->subject.empty() ? "token" : "token of " + base::escaped(claims->subject, 64),
                         .until = claims->expires,
                         .shown = "jwt=" + std::string(*token),
                         .allows = claims->allows,
                         .holder = "token of " + claims->subject};
}

std::optional<access_decision> something_decides(const access_rules& rules, signed_action what, std::string_view stream, std::string_view query,
                                                 std::chrono::system_clock::time_point now) {
  if (auto by_token = token_decides(rules, what, stream, query, now)) return by_token;
  return signature_decides(rules, what, stream, query, now);
}

}  // namespace

access_decision may_publish(const access_rules& rules, const ip::address& from, std::string_view stream, std::string_view query, publish_keys* made,
                            std::chrono::system_clock::time_point now) {
  const auto given = query_parameter(query, "key");
  bool needs_key = false;
  for (const auto& key : rules.publish_keys) {
    if (!matches_pattern(key.pattern, stream)) continue;
    needs_key = true;
    if (given && equal_in_constant_time(*given, key.secret)) return {.allowed = true, .why = "key of " + key.pattern, .allows = key.allows, .holder = "key of " + key.pattern};
  }
  if (made != nullptr) {
    const auto answer = made->check(stream, given, now);
    switch (answer.what) {
      case publish_keys::verdict::no_key: break;
      case publish_keys::verdict::right: return {.allowed = true, .why = "key " + answer.id, .allows = answer.allows, .holder = "key " + answer.id};
      case publish_keys::verdict::expired: return {false, "this key has expired", false, true};
      case publish_keys::verdict::wrong: needs_key = true;
    }
  }
  if (given && needs_key) return {false, "wrong key", false, true};
  if (auto decided = something_decides(rules, signed_action::publish, stream, query, now)) return *decided;
  if (may_publish_by_address(rules, from)) return {true, "address rule", true};
  if (needs_key) return {false, "this stream needs its key: append ?key=SECRET to the stream name"};
  return {false, "publishing from this address is not allowed: allow it or set a key in the server's [publish] section"};
}

access_decision may_play(const access_rules& rules, const ip::address& from, std::string_view stream, std::string_view query,
                         std::chrono::system_clock::time_point now) {
  if (auto decided = something_decides(rules, signed_action::play, stream, query, now)) return *decided;
  if (may_play_by_address(rules, from)) return {true, "address rule", true};
  return {false, rules.sign_secrets.empty() ? "playing from this address is not allowed" : "playing from this address is not allowed without a signature: see millrace sign"};
}

bool may_publish_by_address(const access_rules& rules, const ip::address& from) { return any_contains(rules.publish_allow, from); }

bool may_play_by_address(const access_rules& rules, const ip::address& from) { return any_contains(rules.play_allow, from); }

access_decision recordings_allowed(const access_rules& rules, const ip::address& from) {
  if (any_contains(rules.recordings_allow, from)) return {true, "address rule", true};
  return {false, "playing recordings from this address is not allowed: see play.recordings_allow"};
}

access_decision may_play_recordings(const access_rules& rules, const ip::address& from, std::string_view stream, std::string_view query,
                                    std::chrono::system_clock::time_point now) {
  const auto live = may_play(rules, from, stream, query, now);
  return live.allowed ? recordings_allowed(rules, from) : live;
}

bool failure_guard::locked_out(const ip::address& address, base::instant now) {
  const std::lock_guard held(lock_);
  forget_old(now);
  const auto found = by_address_.find(net::block_of(address));
  if (found == by_address_.end()) return false;
  const auto& times = found->second->times;
  return times.size() >= failures_max && now - times.front() <= window;
}

bool failure_guard::failed(const ip::address& address, base::instant now) {
  const std::lock_guard held(lock_);
  const auto block = net::block_of(address);
  const auto [at, fresh] = by_address_.try_emplace(block);
  if (fresh) at->second = records_.insert(records_.end(), {block, {}});
  records_.splice(records_.end(), records_, at->second);
  auto& times = at->second->times;
  times.push_back(now);
  if (times.size() > failures_max) times.pop_front();
  const bool locked = times.size() == failures_max && now - times.front() <= window;
  forget_old(now);
  return locked;
}

void failure_guard::forget_old(base::instant now) {
  while (!records_.empty() && (records_.size() > addresses_max || now - records_.front().times.back() > window)) {
    by_address_.erase(records_.front().of);
    records_.pop_front();
  }
}

}  // namespace millrace::server
