#include "rtmp/names.hpp"

#include <cstdint>

namespace millrace::rtmp {
namespace {

// The next code point of well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms), or nothing. `at` moves past it.
std::optional<std::uint32_t> next_code_point(std::string_view text, std::size_t& at) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint32_t>(static_cast<unsigned char>(text[i])); };
  const auto first = byte(at);
  const std::size_t length = first < 0x80 ? 1 : first >> 5 == 6 ? 2 : first >> 4 == 14 ? 3 : first >> 3 == 30 ? 4 : 0;
  if (length == 0 || length > text.size() - at) return std::nullopt;
  std::uint32_t point = length == 1 ? first : first & (0x7Fu >> length);
  for (std::size_t i = 1; i < length; ++i) {
    if (byte(at + i) >> 6 != 2) return std::nullopt;
    point = point << 6 | (byte(at + i) & 0x3F);
  }
  constexpr std::uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
  if (point < least[length] || point > 0x10FFFF || (point >= 0xD800 && point <= 0xDFFF)) return std::nullopt;
  at += length;
  return point;
}

std::optional<std::string> bad_text(std::string_view what, std::string_view text, std::size_t bytes_max) {
  if (text.size() > bytes_max) {
    return std::string(what) + " of " + std::to_string(text.size()) + " bytes is longer than " + std::to_string(bytes_max);
  }
  for (std::size_t at = 0; at < text.size();) {
    const auto point = next_code_point(text, at);
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
