#include "http/static_files.hpp"

#include <algorithm>

namespace millrace::http {
namespace {

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// The part before `mark`, which is taken off `rest` with it.
std::string_view take_until(std::string_view& rest, char mark) {
  const auto end = std::min(rest.find(mark), rest.size());
  const auto part = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return trimmed(part);
}

// RFC 9110 section 12.5.3. A weight of nothing but zeros means "not this".
bool accepts_gzip(const request& r) {
  std::optional<bool> named, any;
  for (const auto& [key, value] : r.headers) {
    if (key != "accept-encoding") continue;
    std::string_view rest = value;
    while (!rest.empty()) {
      auto element = take_until(rest, ',');
      const auto coding = take_until(element, ';');
      bool wanted = true;
      while (!element.empty()) {
        auto parameter = take_until(element, ';');
        const auto name = take_until(parameter, '=');
        if (name == "q" || name == "Q") wanted = trimmed(parameter).find_first_not_of("0.") != std::string_view::npos;
      }
      if (coding == "gzip" || coding == "x-gzip") named = wanted;
      if (coding == "*") any = wanted;
    }
  }
  return named.value_or(any.value_or(false));
}

// RFC 9110 section 13.1.2: compared weakly, so it does not matter in which encoding the client has it.
bool has_it_already(const request& r, std::string_view hash) {
  for (const auto& [key, value] : r.headers) {
    if (key != "if-none-match") continue;
    std::string_view rest = value;
    while (!rest.empty()) {
      auto tag = take_until(rest, ',');
      if (tag == "*") return true;
      if (tag.starts_with("W/")) tag.remove_prefix(2);
      if (tag.size() < 2 || tag.front() != '"' || tag.back() != '"') continue;
      tag = tag.substr(1, tag.size() - 2);
      if (tag.ends_with("-gzip")) tag.remove_suffix(5);
      if (tag == hash) return true;
    }
  }
  return false;
}

}  // namespace

std::optional<response> static_files::find(const request& r) const {
  const auto found = std::find_if(files_.begin(), files_.end(), [&](const static_file& f) { return f.path == r.path; });
  if (found == files_.end()) return std::nullopt;
  const auto& file = *found;
  const bool gzip = !file.gzip.empty() && accepts_gzip(r);
  response out;
  // Two encodings are two representations, and a strong tag is of one (RFC 9110 section 8.8.3.3).
  out.headers.emplace_back("ETag", "\"" + std::string(file.hash) + (gzip ? "-gzip\"" : "\""));
  out.headers.emplace_back("Cache-Control", file.immutable ? "public, max-age=31536000, immutable" : "no-cache");
  if (!file.gzip.empty()) out.headers.emplace_back("Vary", "Accept-Encoding");
  out.headers.emplace_back("Content-Security-Policy", policy_);
  out.headers.emplace_back("Referrer-Policy", "no-referrer");
  out.headers.emplace_back("Cross-Origin-Resource-Policy", "same-origin");
  if (has_it_already(r, file.hash)) {
    out.status = 304;
    return out;
  }
  out.content_type = file.content_type;
  if (gzip) out.headers.emplace_back("Content-Encoding", "gzip");
  out.body.push_back(base::slice({}, gzip ? file.gzip : file.bytes));
  return out;
}

}  // namespace millrace::http
