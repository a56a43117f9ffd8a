// File names of recordings, made from a template. Whatever a stream is called, its file stays in its folder, and no two names give one file. Pure.
#pragma once
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace millrace::record {

// Bytes that are no letter, digit, '_', '-' or '.' of ASCII become %XX, and so does a '.' in front; an empty name becomes "%". No two names
// give the same text, which is fit for a file name, a URL, a log and JSON.
std::string escaped_name(std::string_view name);
// The name that escaped_name() was given; nothing for a text that it does not give.
std::optional<std::string> unescaped_name(std::string_view text);

// FNV-1a. For names and ids, not against somebody who looks for collisions: who uses it sees to those itself.
std::uint64_t hash_of(std::string_view bytes);

// What a file name says of a recording.
struct name_facts {
  std::string_view stream;  // "live/a": the application ends at the first '/'
  std::chrono::system_clock::time_point start;
  unsigned part = 1;
  std::string_view extension;  // "mp4"
};

class name_template {
 public:
  static constexpr std::string_view usual = "{app}/{stream}-{date}-{time}.{ext}";

  // Fields: {app}, {stream}, {date} (2026-01-31, UTC), {time} (23-59-58, UTC), {n} (part number), {ext}. Error (kind usage): an unknown field,
  // with the nearest one; no {stream}; another end than ".{ext}"; a path that leaves the directory or hides a file; too long.
  static base::result<name_template> parse(std::string_view text);
  name_template() : name_template(parse(usual).value()) {}

  // A path relative to the directory of recordings. Never absolute, no part of it empty, hidden, "." or "..", none longer than a file name may be
  // with a suffix that tells it from another one (numbered()).
  [[nodiscard]] std::string expand(const name_facts& facts) const;
  [[nodiscard]] const std::string& text() const noexcept { return text_; }

 private:
  enum class field : unsigned char { literal, app, stream, date, time, part, extension };
  struct piece {
    field is = field::literal;
    std::string literal;
  };
  explicit name_template(std::string text) : text_(std::move(text)) {}
  std::string text_;
  std::vector<piece> pieces_;
};

// "a/b.mp4" to "a/b-2.mp4": for when the file is there already. The name itself for 1.
std::string numbered(const std::string& path, unsigned number);

}  // namespace millrace::record
