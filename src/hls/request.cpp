#include "hls/request.hpp"

#include <charconv>

namespace millrace::hls {
namespace {

using base::error;
using base::error_kind;

// Decimal digits and nothing else, no longer than a sequence number can be (draft section 4.2).
std::optional<std::uint64_t> number_of(std::string_view text) {
  if (text.empty() || text.front() < '0' || text.front() > '9') return std::nullopt;
  std::uint64_t value = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (fault != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// What stands between the two, or nothing.
std::optional<std::string_view> between(std::string_view text, std::string_view first, std::string_view last) {
  if (!text.starts_with(first) || !text.ends_with(last) || text.size() < first.size() + last.size()) return std::nullopt;
  return text.substr(first.size(), text.size() - first.size() - last.size());
}

bool read_path(request& out, std::string_view rest) {
  using type = request::type;
  const auto numbered = [&](type of, mux::container c, std::string_view first, std::string_view last) {
    const auto inner = between(rest, first, last);
    const auto number = inner ? number_of(*inner) : std::nullopt;
    if (!number) return false;
    out.of = of;
    out.container = c;
    out.number = *number;
    return true;
  };
  if (rest == ".m3u8") {
    out.of = type::multivariant;
    return true;
  }
  if (rest == "/index.m3u8") return true;
  if (rest == "/ts.m3u8") {
    out.container = mux::container::mpegts;
    return true;
  }
  if (numbered(type::init, mux::container::fmp4, "/init-", ".mp4") || numbered(type::segment, mux::container::fmp4, "/seg-", ".m4s") ||
      numbered(type::segment, mux::container::mpegts, "/seg-", ".ts")) {
    return true;
  }
  const auto inner = between(rest, "/part-", ".m4s");
  const auto dash = inner ? inner->find('-') : std::string_view::npos;
  if (dash == std::string_view::npos) return false;
  const auto msn = number_of(inner->substr(0, dash)), part = number_of(inner->substr(dash + 1));
  if (!msn || !part) return false;
  out.of = type::part;
  out.number = *msn;
  out.part = *part;
  return true;
}

base::result<void> read_directive(request& out, std::string_view name, std::string_view value) {
  if (name == "_HLS_skip") {
    out.skip = value == "YES" || value == "v2";
    return {};
  }
  if (name != "_HLS_msn" && name != "_HLS_part") return {};
  auto& place = name == "_HLS_msn" ? out.wanted_msn : out.wanted_part;
  if (place) return error{error_kind::protocol, std::string(name) + " is given twice"};
  place = number_of(value);
  if (!place) return error{error_kind::protocol, std::string(name) + " is not a number"};
  return {};
}

}  // namespace

base::result<request> parse_request(std::string_view rest, std::string_view query) {
  request out;
  if (!read_path(out, rest)) return error{error_kind::not_found, "no such file"};
  if (out.of != request::type::playlist) return out;
  while (!query.empty()) {
    const auto end = query.find('&');
    const auto pair = query.substr(0, end);
    query = end == std::string_view::npos ? std::string_view() : query.substr(end + 1);
    const auto equals = pair.find('=');
    const auto value = equals == std::string_view::npos ? std::string_view() : pair.substr(equals + 1);
    if (auto read = read_directive(out, pair.substr(0, equals), value); !read) return std::move(read).error();
  }
  if (out.wanted_part && !out.wanted_msn) return error{error_kind::protocol, "_HLS_part without _HLS_msn"};
  return out;
}

}  // namespace millrace::hls
