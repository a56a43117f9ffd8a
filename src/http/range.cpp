#include "http/range.hpp"

#include <algorithm>
#include <charconv>

namespace millrace::http {
namespace {

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || read.ec != std::errc() || read.ptr != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

range_wish read_range(std::optional<std::string_view> header, std::uint64_t size) {
  constexpr std::string_view unit = "bytes=";
  if (!header || !header->starts_with(unit) || header->find(',') != std::string_view::npos) return {};
  const auto text = header->substr(unit.size());
  const auto dash = text.find('-');
  if (dash == std::string_view::npos) return {};
  const auto first = number(text.substr(0, dash)), last = number(text.substr(dash + 1));
  if (dash == 0) {  // the last so many bytes
    if (!last) return {};
    if (*last == 0 || size == 0) return {false, {}};
    const auto count = std::min(*last, size);
    return {true, byte_range{size - count, count}};
  }
  const bool open = dash + 1 == text.size();
  if (!first || (!open && (!last || *last < *first))) return {};
  if (*first >= size) return {false, {}};
  const auto end = open ? size : std::min(*last, size - 1) + 1;
  return {true, byte_range{*first, end - *first}};
}

}  // namespace millrace::http
