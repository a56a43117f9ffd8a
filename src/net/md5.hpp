// MD5 (RFC 1321), which some servers' password dialogue is made of. Not for anything that has to be safe.
#pragma once
#include <array>
#include <cstdint>

#include "base/slice.hpp"

namespace millrace::net {

std::array<std::uint8_t, 16> md5(base::bytes_view bytes);

}  // namespace millrace::net
