// The page at /, where operators and viewers see what happens, and what it loads from /console/.
#pragma once
#include <optional>

#include "http/request.hpp"
#include "http/response.hpp"

namespace millrace::server {

// The answer to a GET or HEAD; nothing if the path is none of the console's. Who may have it is the caller's to say (api::refusal). Any thread.
std::optional<http::response> console_response(const http::request& r);

}  // namespace millrace::server
