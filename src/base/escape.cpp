#include "base/escape.hpp"

namespace millrace::base {

std::string escaped(std::string_view peer_bytes, std::size_t max) {
  static constexpr char digits[] = "0123456789abcdef";
  const bool cut = peer_bytes.size() > max;
  if (cut) peer_bytes = peer_bytes.substr(0, max);
  std::string out;
  out.reserve(peer_bytes.size() + 4);
  for (const char c : peer_bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f && byte != '\\' && byte != '"') {
      out += c;
    } else {
      out += "\\x";
      out += digits[byte >> 4];
      out += digits[byte & 15];
    }
  }
  if (cut) out += "...";
  return out;
}

}  // namespace millrace::base
