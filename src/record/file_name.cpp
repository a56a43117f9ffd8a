#include "record/file_name.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "base/nearest.hpp"
#include "base/percent.hpp"

namespace millrace::record {
namespace {

using base::error_kind;

// Longest that a field may become. What is longer is cut and gets its hash, behind a '~' that no name shorter than that has.
constexpr std::size_t field_bytes_max = 96;
constexpr std::size_t hash_digits = 16;
// NAME_MAX of every common file system is 255; the rest is for numbered() and for names of temporary files.
constexpr std::size_t segment_bytes_max = 240;
constexpr char digits[] = "0123456789ABCDEF";

bool is_plain(char c) { return base::is_unreserved(c) && c != '~'; }

std::string hex_of(std::uint64_t value) {
  std::string out(hash_digits, '0');
  for (auto at = out.rbegin(); at != out.rend(); ++at, value >>= 4) *at = digits[value & 15];
  return out;
}

std::string field_text(std::string_view name) {
  auto text = escaped_name(name);
  if (text.size() <= field_bytes_max) return text;
  auto end = field_bytes_max - hash_digits - 1;
  // Not within a %XX.
  for (std::size_t back = 1; back <= 2; ++back) {
    if (text[end - back] == '%') {
      end -= back;
      break;
    }
  }
  text.resize(end);
  return text + "~" + hex_of(hash_of(name));
}

std::string padded(unsigned value, std::size_t width) {
  auto text = std::to_string(value);
  if (text.size() < width) text.insert(0, width - text.size(), '0');
  return text;
}

base::error usage(std::string text) { return {error_kind::usage, std::move(text)}; }

}  // namespace

std::string escaped_name(std::string_view name) {
  if (name.empty()) return "%";
  bool first = true;
  return base::percent_encoded(name, [&](char c) {
    const bool leads = std::exchange(first, false);
    return is_plain(c) && !(leads && c == '.');
  });
}

std::optional<std::string> unescaped_name(std::string_view text) {
  if (text == "%") return std::string();
  auto name = base::percent_decoded(text);
  if (name && escaped_name(*name) != text) return std::nullopt;
  return name;
}

std::uint64_t hash_of(std::string_view bytes) {
  std::uint64_t hash = 14695981039346656037u;
  for (const char c : bytes) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211u;
  return hash;
}

base::result<name_template> name_template::parse(std::string_view text) {
  static constexpr std::array<std::pair<std::string_view, field>, 6> fields{{{"app", field::app}, {"stream", field::stream}, {"date", field::date},
                                                                             {"time", field::time}, {"n", field::part}, {"ext", field::extension}}};
  name_template made{std::string(text)};
  std::size_t longest = 0;  // of the segment so far
  bool has_stream = false, begins = true;
  const auto literal = [&](char c) {
    if (made.pieces_.empty() || made.pieces_.back().is != field::literal) made.pieces_.push_back({});
    made.pieces_.back().literal += c;
  };
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (c == '{') {
      const auto end = text.find('}', at);
      if (end == std::string_view::npos) return usage("'{' without '}'");
      const auto name = text.substr(at + 1, end - at - 1);
      const auto found = std::ranges::find(fields, name, &std::pair<std::string_view, field>::first);
      if (found == fields.end()) {
        std::vector<std::string_view> names;
        for (const auto& [each, is] : fields) names.push_back(each);
        return usage("{" + std::string(name) + "} is no field of a file name; did you mean {" + std::string(base::nearest(name, names)) +
                     "}? (there are {app}, {stream}, {date}, {time}, {n} and {ext})");
      }
      made.pieces_.push_back({found->second, {}});
      has_stream = has_stream || found->second == field::stream;
      longest += found->second == field::app || found->second == field::stream ? field_bytes_max : 10;
      begins = false;
      at = end;
    } else if (c == '}') {
      return usage("'}' without '{'");
    } else if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) >= 0x7F || c == '\\') {
      return usage("takes printable ASCII without '\\'");
    } else if (c == '/') {
      if (begins) return usage(at == 0 ? "is relative to the directory: it may not start with '/'" : "has an empty part before a '/'");
      literal(c);
      longest = 0;
      begins = true;
    } else {
      if (begins && c == '.') return usage("a part of it may not start with '.'");
      literal(c);
      ++longest;
      begins = false;
    }
    if (longest > segment_bytes_max) return usage("may become longer than a file name can be");
  }
  if (!has_stream) return usage("has to have {stream} in it, or streams could not be told apart");
  if (!text.ends_with(".{ext}")) return usage("has to end in \".{ext}\"");
  return made;
}

std::string name_template::expand(const name_facts& facts) const {
  const auto day = std::chrono::floor<std::chrono::days>(facts.start);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss time(std::chrono::floor<std::chrono::seconds>(facts.start - day));
  const auto slash = facts.stream.find('/');
  const auto app = slash == std::string_view::npos ? std::string_view() : facts.stream.substr(0, slash);
  const auto stream = slash == std::string_view::npos ? facts.stream : facts.stream.substr(slash + 1);
  std::string out;
  for (const auto& p : pieces_) {
    switch (p.is) {
      case field::literal: out += p.literal; break;
      case field::app: out += field_text(app); break;
      case field::stream: out += field_text(stream); break;
      case field::date:
        out += padded(static_cast<unsigned>(static_cast<int>(date.year())), 4) + "-" + padded(static_cast<unsigned>(date.month()), 2) + "-" +
               padded(static_cast<unsigned>(date.day()), 2);
        break;
      case field::time:
        out += padded(static_cast<unsigned>(time.hours().count()), 2) + "-" + padded(static_cast<unsigned>(time.minutes().count()), 2) + "-" +
               padded(static_cast<unsigned>(time.seconds().count()), 2);
        break;
      case field::part: out += std::to_string(facts.part); break;
      case field::extension: out += facts.extension; break;
    }
  }
  return out;
}

std::string numbered(const std::string& path, unsigned number) {
  if (number <= 1) return path;
  const auto slash = path.rfind('/');
  const auto dot = path.rfind('.');
  const auto end = dot == std::string::npos || (slash != std::string::npos && dot < slash) ? path.size() : dot;
  return path.substr(0, end) + "-" + std::to_string(number) + path.substr(end);
}

}  // namespace millrace::record
