#include "rtmp/uri_host.hpp"

#include <algorithm>
#include <string>

#include "base/escape.hpp"

namespace millrace::rtmp {
namespace {

constexpr std::size_t host_bytes_max = 253;  // RFC 1035 section 2.3.4, as text
constexpr std::size_t label_bytes_max = 63;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
std::optional<unsigned> hex_value(char c) {
  if (is_digit(c)) return static_cast<unsigned>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a') + 10;
  if (c >= 'A' && c <= 'F') return static_cast<unsigned>(c - 'A') + 10;
  return std::nullopt;
}

bool is_localhost(std::string_view host) {
  static constexpr std::string_view localhost = "localhost";
  return std::ranges::equal(host, localhost, [](char a, char b) { return (is_letter(a) ? a | 0x20 : a) == b; });
}

base::error usage(std::string text) { return {base::error_kind::usage, std::move(text)}; }

}  // namespace

std::optional<std::array<std::uint8_t, 4>> parse_ipv4(std::string_view text) {
  std::array<std::uint8_t, 4> out{};
  for (std::size_t i = 0; i < 4; ++i) {
    const auto end = i < 3 ? text.find('.') : text.size();
    if (end == std::string_view::npos || end == 0 || end > 3) return std::nullopt;
    const auto part = text.substr(0, end);
    if (!std::ranges::all_of(part, is_digit) || (part.size() > 1 && part.front() == '0')) return std::nullopt;
    unsigned number = 0;
    for (const char c : part) number = number * 10 + static_cast<unsigned>(c - '0');
    if (number > 255) return std::nullopt;
    out[i] = static_cast<std::uint8_t>(number);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

std::optional<std::array<std::uint8_t, 16>> parse_ipv6(std::string_view text) {
  std::array<std::uint8_t, 16> out{};
  std::size_t filled = 0;          // bytes
  std::optional<std::size_t> gap;  // where "::" stands, in bytes
  if (text.starts_with("::")) {
    gap = 0;
    text.remove_prefix(2);
  }
  while (!text.empty()) {
    if (filled == out.size()) return std::nullopt;
    const auto end = std::min(text.find(':'), text.size());
    if (end == text.size() && text.find('.') != std::string_view::npos) {  // the last 32 bits as IPv4
      const auto tail = parse_ipv4(text);
      if (!tail || filled > out.size() - 4) return std::nullopt;
      std::ranges::copy(*tail, out.begin() + static_cast<std::ptrdiff_t>(filled));
      filled += 4;
      break;
    }
    if (end == 0 || end > 4) return std::nullopt;
    unsigned group = 0;
    for (const char c : text.substr(0, end)) {
      const auto digit = hex_value(c);
      if (!digit) return std::nullopt;
      group = group << 4 | *digit;
    }
    out[filled++] = static_cast<std::uint8_t>(group >> 8);
    out[filled++] = static_cast<std::uint8_t>(group);
    text.remove_prefix(end);
    if (text.empty()) break;
    text.remove_prefix(1);
    if (text.empty()) return std::nullopt;  // a lone ':' at the end
    if (text.front() == ':') {
      if (gap) return std::nullopt;
      gap = filled;
      text.remove_prefix(1);
    }
  }
  if (!gap) return filled == out.size() ? std::optional(out) : std::nullopt;
  if (filled == out.size()) return std::nullopt;  // "::" stands for one group at least
  // What stands behind the gap moves to the end.
  std::copy_backward(out.begin() + static_cast<std::ptrdiff_t>(*gap), out.begin() + static_cast<std::ptrdiff_t>(filled), out.end());
  const auto zeros = out.size() - filled;
  std::fill_n(out.begin() + static_cast<std::ptrdiff_t>(*gap), zeros, std::uint8_t{0});
  return out;
}

base::result<host_facts> judge_host(std::string_view host, bool bracketed) {
  const auto quoted = "\"" + base::escaped(host, 64) + "\"";
  if (host.empty()) return usage("the host is missing: write rtmp://HOST/APP/STREAM");
  if (bracketed) {
    const auto address = parse_ipv6(host);
    if (!address)
      return usage("[" + base::escaped(host, 64) + "] is no IPv6 address: brackets hold one like [2001:db8::1], without a zone");
    static constexpr std::array<std::uint8_t, 16> loopback{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
    return host_facts{true, *address == loopback};
  }
  if (const auto address = parse_ipv4(host)) return host_facts{true, address->front() == 127};
  // Resolvers read "127.1" and "0300.1.1.1" as addresses: such a host would pass for a name here and be an address there.
  if (std::ranges::all_of(host, [](char c) { return is_digit(c) || c == '.'; })) {
    return usage("the host " + quoted + " is no IPv4 address: write four numbers from 0 to 255 like 192.0.2.1");
  }
  if (host.size() > host_bytes_max) return usage("the host is longer than 253 bytes");
  std::size_t label = 0;
  for (std::size_t i = 0; i < host.size(); ++i) {
    const char c = host[i];
    if (c == '.') {
      if (label == 0) return usage("the host " + quoted + " has an empty part between its dots");
      label = 0;
      continue;
    }
    if (!is_letter(c) && !is_digit(c) && c != '-' && c != '_') {
      return usage("the host " + quoted +
                   " has a character that no host name has: use letters, digits, '-' and '.'; write "
                   "international names in their xn-- form");
    }
    if (++label > label_bytes_max) return usage("the host " + quoted + " has a part longer than 63 bytes");
  }
  return host_facts{false, is_localhost(host)};
}

}  // namespace millrace::rtmp
