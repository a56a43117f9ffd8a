// Well-formed UTF-8 (RFC 3629): no surrogates, no overlong forms, nothing past U+10FFFF.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace millrace::base {

// The code point at `at`, which moves past it; nothing where there is none. `at` is less than the size.
std::optional<std::uint32_t> next_code_point(std::string_view text, std::size_t& at);
// Text as it is, with U+FFFD for each byte that belongs to no code point: what may stand in JSON.
std::string valid_utf8(std::string_view text);

}  // namespace millrace::base
