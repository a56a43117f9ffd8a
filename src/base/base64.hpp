// Base64 as RFC 4648 section 4 writes it, padding included.
#pragma once
#include <string>

#include "base/slice.hpp"

namespace millrace::base {

std::string to_base64(bytes_view bytes);

}  // namespace millrace::base
