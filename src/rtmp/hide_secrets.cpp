#include "rtmp/hide_secrets.hpp"

#include <algorithm>

#include "base/escape.hpp"
#include "base/percent.hpp"

namespace millrace::rtmp {
namespace {

constexpr std::string_view hidden = "***";
// A stream called "a" is no secret, and without every "a" a sentence is hard to read.
constexpr std::size_t least = 4, distinctive = 8;

bool in_word(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '-'; }

void hide_as_written(std::string& words, std::string_view secret) {
  if (secret.size() < least) return;
  for (auto at = words.find(secret); at != std::string::npos; at = words.find(secret, at)) {
    const auto end = at + secret.size();
    const bool whole = (at == 0 || !in_word(words[at - 1])) && (end == words.size() || !in_word(words[end]));
    if (whole || secret.size() >= distinctive) {
      words.replace(at, secret.size(), hidden);
      at += hidden.size();
    } else {
      at = end;
    }
  }
}

// A server may say it as it was sent or as it is meant.
void hide(std::string& words, std::string_view secret) {
  hide_as_written(words, secret);
  if (const auto meant = base::percent_decoded(secret); meant && *meant != secret) hide_as_written(words, *meant);
}

void hide_values(std::string& words, std::string_view query) {
  while (!query.empty()) {
    const auto end = std::min(query.find('&'), query.size());
    const auto parameter = query.substr(0, end);
    const auto equals = parameter.find('=');
    // Without '=' the whole parameter may be the secret.
    hide(words, equals == std::string_view::npos ? parameter : parameter.substr(equals + 1));
    query.remove_prefix(std::min(end + 1, query.size()));
  }
}

}  // namespace

std::string shown_target(std::string_view reference) {
  constexpr std::size_t shown_max = 256;
  std::string out;
  auto path = reference.substr(0, reference.find('?'));
  if (const auto slashes = path.find("//"); slashes != std::string_view::npos) {
    out = path.substr(0, slashes + 2);
    path.remove_prefix(slashes + 2);
    auto authority = path.substr(0, path.find('/'));
    path.remove_prefix(authority.size());
    if (const auto user = authority.rfind('@'); user != std::string_view::npos) authority.remove_prefix(user + 1);
    out += authority;
  }
  const auto first_end = path.find('/', path.starts_with('/') ? 1 : 0);
  out += path.substr(0, first_end);
  if (first_end != std::string_view::npos && first_end + 1 < path.size()) out.append("/").append(hidden);
  return base::escaped(out, shown_max);
}

std::string hide_secrets(std::string words, const uri& target, std::string_view app_query) {
  hide_values(words, target.query);
  hide_values(words, app_query);
  hide(words, target.stream);
  return words;
}

}  // namespace millrace::rtmp
