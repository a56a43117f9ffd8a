// Ranges of bytes (RFC 9110 section 14).
#pragma once
#include <cstdint>
#include <optional>
#include <string_view>

namespace millrace::http {

struct byte_range {
  std::uint64_t first = 0, count = 0;
};
struct range_wish {
  bool satisfiable = true;           // false: answer 416
  std::optional<byte_range> part;    // nothing: all of it, because nothing else was asked for or not so that it is understood
};
// `header`: the value of Range. Several ranges at once are answered with all of it, as section 14.2 allows.
range_wish read_range(std::optional<std::string_view> header, std::uint64_t size);

}  // namespace millrace::http
