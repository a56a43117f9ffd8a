#include "http/request.hpp"

#include <algorithm>
#include <cctype>

#include "base/percent.hpp"

namespace millrace::http {
namespace {

bool same_word(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

}  // namespace

std::optional<std::string_view> request::header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (key == name) return value;
  }
  return std::nullopt;
}

bool request::has_token(std::string_view name, std::string_view token) const {
  for (const auto& [key, value] : headers) {
    if (key != name) continue;
    std::string_view rest = value;
    while (!rest.empty()) {
      const auto comma = std::min(rest.find(','), rest.size());
      if (same_word(trimmed(rest.substr(0, comma)), token)) return true;
      rest.remove_prefix(std::min(comma + 1, rest.size()));
    }
  }
  return false;
}

namespace {

// The next parameter of a query, taken off it: its name and its value as sent.
std::pair<std::string_view, std::string_view> next_parameter(std::string_view& rest) {
  const auto part = rest.substr(0, rest.find('&'));
  rest.remove_prefix(std::min(part.size() + 1, rest.size()));
  const auto equals = std::min(part.find('='), part.size());
  return {part.substr(0, equals), part.substr(std::min(equals + 1, part.size()))};
}

}  // namespace

std::optional<std::string> request::parameter(std::string_view name) const {
  std::string_view rest = query;
  while (!rest.empty()) {
    const auto [key, value] = next_parameter(rest);
    if (percent_decoded(key, true) == name) return percent_decoded(value, true);
  }
  return std::nullopt;
}

std::vector<std::string> request::parameter_names() const {
  std::vector<std::string> names;
  std::string_view rest = query;
  while (!rest.empty()) {
    const auto [key, value] = next_parameter(rest);
    if (!key.empty() || !value.empty()) names.push_back(percent_decoded(key, true).value_or(""));
  }
  return names;
}

std::optional<std::string> percent_decoded(std::string_view text, bool plus_is_space) {
  if (!plus_is_space) return base::percent_decoded(text);
  std::string spaced(text);
  std::replace(spaced.begin(), spaced.end(), '+', ' ');
  return base::percent_decoded(spaced);
}

std::string percent_encoded(std::string_view text) {
  return base::percent_encoded(text, [](char c) { return base::is_unreserved(c) || c == '/'; });
}

bool read_target(std::string_view target, request& into) {
  into.target = target;
  if (const auto scheme = target.find("://"); scheme != std::string_view::npos && target.front() != '/') {
    const auto path = target.find('/', scheme + 3);
    target = path == std::string_view::npos ? std::string_view("/") : target.substr(path);
  }
  if (target.empty() || target.front() != '/') return false;
  const auto mark = std::min(target.find('?'), target.size());
  auto path = percent_decoded(target.substr(0, mark));
  if (!path || path->find('\0') != std::string::npos) return false;
  into.path = *std::move(path);
  into.query = target.substr(std::min(mark + 1, target.size()));
  return true;
}

}  // namespace millrace::http
