// Who may do what: address ranges, keys, patterns, signed addresses, under names and queries that a peer made up. What an operator did not allow is never
// allowed, and no secret gets into a text.
#include "base/pattern.hpp"
#include "operations.hpp"
#include "server/access.hpp"
#include "server/signature.hpp"

namespace {

using namespace millrace;
using fuzz::operations;
using fuzz::require;

constexpr std::string_view secret = "0f1e2d3c4b5a", sign_secret = "another secret of the operator";

boost::asio::ip::address any_address(operations& in) {
  if (in.chance()) return boost::asio::ip::address_v4(static_cast<std::uint32_t>(in.number(4)));
  boost::asio::ip::address_v6::bytes_type bytes{};
  const auto kind = in(3);
  if (kind == 0) bytes[10] = bytes[11] = 0xff;  // an IPv4 address in the clothes of IPv6
  if (kind == 1) bytes[15] = 1;
  for (std::size_t i = kind == 0 ? 12 : 0; kind != 1 && i < 16; ++i) bytes[i] = in.byte();
  return boost::asio::ip::address_v6(bytes);
}

// As base/pattern.hpp says, without its speed.
bool matches(std::string_view pattern, std::string_view text) {
  if (pattern.empty()) return text.empty();
  if (pattern[0] != '*') return !text.empty() && text[0] == pattern[0] && matches(pattern.substr(1), text.substr(1));
  for (std::size_t i = 0; i <= text.size(); ++i) {
    if (matches(pattern.substr(1), text.substr(i))) return true;
  }
  return false;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  operations in(data, size);
  const auto pattern = in.text(8), name = in.text(12);
  require(base::matches_pattern(pattern, name) == matches(pattern, name));

  server::access_rules rules;
  rules.publish_allow.clear();
  rules.play_allow.clear();
  const auto written = in.text(24);
  const auto ranges = server::address_range::parse(written);
  if (ranges) require(!ranges->empty()); else require(ranges.error().kind == base::error_kind::usage && !ranges.error().text.empty());
  const bool use_range = in.chance() && ranges;
  if (use_range) rules.publish_allow = *ranges, rules.play_allow = *ranges;
  const bool use_key = in.chance();
  if (use_key) rules.publish_keys.push_back({pattern, std::string(secret)});
  const bool use_signature = in.chance();
  if (use_signature) rules.sign_secrets.emplace_back(sign_secret);

  const auto from = any_address(in);
  const std::chrono::system_clock::time_point now{std::chrono::seconds(1'000'000 + in(100))};
  const auto expires = std::chrono::sys_seconds(std::chrono::seconds(1'000'000 + in(100)));
  bool signed_for_this = false, right_key = false;
  std::string query;
  const auto action = in.chance() ? server::signed_action::publish : server::signed_action::play;
  const auto kind = in(4);
  if (kind == 0) {
    query = server::signed_query(sign_secret, action, name, expires);
    signed_for_this = true;
    if (in(4) == 0) query[in(query.size())] ^= 1, signed_for_this = false;
  } else if (kind == 1) {
    query = "key=" + std::string(secret);
    right_key = true;
  }
  const auto more = in.text(40);
  if (!more.empty()) query += (query.empty() ? "" : "&") + more;

  bool in_range = false;
  if (use_range) {
    for (const auto& range : *ranges) in_range = in_range || range.contains(from);
  }
  const bool valid = use_signature && signed_for_this && expires > now;
  const auto publish = server::may_publish(rules, from, name, query, nullptr, now);
  const auto play = server::may_play(rules, from, name, query, now);
  const bool key_fits = use_key && right_key && base::matches_pattern(pattern, name);
  // (What the input wrote behind it itself may hold the key as well, which a fuzzer that sees the comparison finds.)
  const bool guessed = more.find(secret) != std::string::npos;
  if (publish.allowed) require(in_range || key_fits || guessed || (valid && action == server::signed_action::publish));
  if (play.allowed) require(in_range || (valid && action == server::signed_action::play));
  // A signature that is not right is not made good by an address.
  if (in_range && !server::query_parameter(query, "sign")) require(play.allowed);
  for (const auto* text : {&publish.why, &play.why}) require(text->find(secret) == std::string::npos || guessed || name.find(secret) != std::string::npos);
  const auto shown = server::without_secrets(query);
  require(server::query_parameter(shown, "key").value_or("***") == "***" && server::query_parameter(shown, "sign").value_or("***") == "***");
  static_cast<void>(server::signature_end(query));
  return 0;
}
