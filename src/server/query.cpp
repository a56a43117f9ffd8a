#include "server/query.hpp"

#include <openssl/crypto.h>

namespace millrace::server {

std::optional<std::string_view> query_parameter(std::string_view query, std::string_view name) {
  while (!query.empty()) {
    const auto end = query.find('&');
    const auto part = query.substr(0, end);
    if (part.size() > name.size() && part.starts_with(name) && part[name.size()] == '=') return part.substr(name.size() + 1);
    if (end == std::string_view::npos) break;
    query.remove_prefix(end + 1);
  }
  return std::nullopt;
}

std::string without_secrets(std::string_view query) {
  std::string out;
  bool first = true;
  while (true) {
    const auto end = query.find('&');
    const auto part = query.substr(0, end);
    if (!first) out += '&';
    first = false;
    out += part.starts_with("key=") ? std::string_view("key=***") : part.starts_with("sign=") ? std::string_view("sign=***") : part;
    if (end == std::string_view::npos) return out;
    query.remove_prefix(end + 1);
  }
}

bool equal_in_constant_time(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace millrace::server
