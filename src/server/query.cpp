#include "server/query.hpp"

#include <openssl/crypto.h>

#include <algorithm>
#include <array>

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

std::string url_without_secrets(std::string_view url) {
  const auto query = url.find('?');
  if (query == std::string_view::npos) return std::string(url);
  return std::string(url.substr(0, query + 1)) + without_secrets(url.substr(query + 1));
}

std::string without_secrets(std::string_view query) {
  static constexpr std::array<std::string_view, 12> harmless{"delay",   "catch_up",  "video_track", "audio_track", "recording", "picture",
                                                             "expires", "transport", "fallback",    "_HLS_msn",    "_HLS_part", "_HLS_skip"};
  std::string out;
  bool first = true;
  while (true) {
    const auto end = query.find('&');
    const auto part = query.substr(0, end);
    if (!first) out += '&';
    first = false;
    const auto equals = part.find('=');
    const auto name = part.substr(0, equals);
    if (part.empty() || std::find(harmless.begin(), harmless.end(), name) != harmless.end()) out += part;
    else if (equals != std::string_view::npos) out.append(name).append("=***");
    else out += "***";
    if (end == std::string_view::npos) return out;
    query.remove_prefix(end + 1);
  }
}

bool equal_in_constant_time(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace millrace::server
