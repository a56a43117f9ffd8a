// Percent-encoding (RFC 3986 section 2.1). What need not be encoded depends on where it stands, so that is said by who encodes.
#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace millrace::base {

// The "unreserved" characters of RFC 3986 section 2.3, whatever the locale.
constexpr bool is_unreserved(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.' || c == '~';
}

// `plain(character)`: it stays as it is.
template <class Plain>
void append_percent_encoded(std::string& to, std::string_view text, Plain plain) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  for (const char c : text) {
    if (plain(c)) {
      to += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    to += '%';
    to += digits[byte >> 4];
    to += digits[byte & 15];
  }
}

template <class Plain>
std::string percent_encoded(std::string_view text, Plain plain) {
  std::string out;
  out.reserve(text.size());
  append_percent_encoded(out, text, plain);
  return out;
}

// Nothing where a '%' is not followed by two digits.
inline std::optional<std::string> percent_decoded(std::string_view text) {
  constexpr auto value = [](char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1; };
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '%') {
      out += text[at];
      continue;
    }
    if (text.size() - at < 3) return std::nullopt;
    const int high = value(text[at + 1]), low = value(text[at + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    out += static_cast<char>(high * 16 + low);
    at += 2;
  }
  return out;
}

}  // namespace millrace::base
