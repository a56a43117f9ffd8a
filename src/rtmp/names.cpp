#include "rtmp/names.hpp"

#include <cstdint>

#include "base/utf8.hpp"

namespace millrace::rtmp {
namespace {

std::optional<std::string> bad_text(std::string_view what, std::string_view text, std::size_t bytes_max) {
  if (text.size() > bytes_max) {
    return std::string(what) + " of " + std::to_string(text.size()) + " bytes is longer than " + std::to_string(bytes_max);
  }
  for (std::size_t at = 0; at < text.size();) {
    const auto point = base::next_code_point(text, at);
    if (!point) return "invalid " + std::string(what) + ": not UTF-8";
    if (*point < 0x20 || (*point >= 0x7F && *point < 0xA0)) return "invalid " + std::string(what) + ": control character";
  }
  return std::nullopt;
}

}  // namespace

std::pair<std::string, std::string> split_query(std::string_view text) {
  const auto mark = text.find('?');
  if (mark == std::string_view::npos) return {std::string(text), {}};
  return {std::string(text.substr(0, mark)), std::string(text.substr(mark + 1))};
}

std::string_view app_of_tc_url(std::string_view tc_url) {
  const auto scheme = tc_url.find("://");
  if (scheme == std::string_view::npos) return {};
  const auto path = tc_url.find_first_of("/?", scheme + 3);
  if (path == std::string_view::npos) return {};
  return tc_url.substr(tc_url[path] == '/' ? path + 1 : path);
}

std::optional<std::string> bad_name(std::string_view what, std::string_view name, std::size_t bytes_max) {
  if (name.empty()) return "invalid " + std::string(what) + ": empty";
  if (auto bad = bad_text(what, name, bytes_max)) return bad;
  if (name.front() == '/') return "invalid " + std::string(what) + ": starts with '/'";
  for (std::size_t at = 0; at <= name.size();) {
    const auto end = std::min(name.find('/', at), name.size());
    const auto segment = name.substr(at, end - at);
    if (segment == "." || segment == "..") return "invalid " + std::string(what) + ": '" + std::string(segment) + "' in the path";
    at = end + 1;
  }
  return std::nullopt;
}

std::optional<std::string> bad_query(std::string_view query, std::size_t bytes_max) { return bad_text("query", query, bytes_max); }

}  // namespace millrace::rtmp
