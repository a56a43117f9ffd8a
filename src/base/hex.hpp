// Bytes as lower-case hexadecimal digits, two each.
#pragma once
#include <string>

#include "base/bytes.hpp"

namespace millrace::base {

inline std::string hex(bytes_view bytes) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string out;
  out.reserve(2 * bytes.size());
  for (const auto b : bytes) {
    out += digits[b >> 4];
    out += digits[b & 15];
  }
  return out;
}

}  // namespace millrace::base
