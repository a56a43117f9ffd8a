#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "base/escape.hpp"
#include "server/config.hpp"

namespace millrace::server {
namespace {

// A secret is compared as it was sent. Of what RFC 3986 lets into a query, '%' and '+' stand for something else, and FFmpeg takes what is ahead of '/' for
// the application; '?' and all others are encoded, cut at or refused by one client or another.
bool passes_in_a_url(const std::string& secret) {
  return std::all_of(secret.begin(), secret.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || std::string_view("-._~!$'()*,;:@=").find(c) != std::string_view::npos;
  });
}

}  // namespace

std::vector<std::string> warnings(const config& c) {
  std::vector<std::string> out;
  for (const auto& key : c.access.publish_keys) {
    if (passes_in_a_url(key.secret)) continue;
    out.push_back(fmt::format("publish.keys: the secret of \"{}\" has characters that not every client can send in NAME?key=SECRET, such as space, '%', '&', '+' or '/': "
                              "use letters and digits (openssl rand -hex 16)", base::escaped(key.pattern)));
  }
  if (!c.record.rules.empty() && !c.record.enabled()) out.emplace_back("record.rules does nothing without record.directory");
  return out;
}

}  // namespace millrace::server
