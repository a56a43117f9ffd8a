// The host of a URI (RFC 3986 section 3.2.2), judged without asking any resolver.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/result.hpp"

namespace millrace::rtmp {

// Four dotted decimal numbers without leading zeros, nothing else: "127.1" is no address here.
std::optional<std::array<std::uint8_t, 4>> parse_ipv4(std::string_view text);
// Any spelling of RFC 4291 section 2.2, without brackets and without a zone.
std::optional<std::array<std::uint8_t, 16>> parse_ipv6(std::string_view text);

struct host_facts {
  bool is_ip = false;
  bool loopback = false;  // 127.0.0.0/8, ::1, localhost
};
// `host` without brackets; `bracketed` says whether it stood in some. Errors (kind usage) say what a host should look like.
base::result<host_facts> judge_host(std::string_view host, bool bracketed);

}  // namespace millrace::rtmp
