// Bytes as they are written in tables of cases. Not part of any library: only tests, fuzzers and conformance checks include this.
#pragma once
#include <cstdint>
#include <string_view>
#include <vector>

namespace millrace::base {

// Pairs of hexadecimal digits and 'text' in quotes become bytes, spaces nothing: "02 0003 'abc'".
inline std::vector<std::uint8_t> bytes_of(std::string_view written) {
  std::vector<std::uint8_t> out;
  int high = -1;
  bool quoted = false;
  for (const char c : written) {
    if (c == '\'') {
      quoted = !quoted;
    } else if (quoted) {
      out.push_back(static_cast<std::uint8_t>(c));
    } else if (c != ' ') {
      const int digit = c <= '9' ? c - '0' : c - 'a' + 10;
      if (high < 0) {
        high = digit;
      } else {
        out.push_back(static_cast<std::uint8_t>(high * 16 + digit));
        high = -1;
      }
    }
  }
  return out;
}

}  // namespace millrace::base
