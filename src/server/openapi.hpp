// doc/api/openapi.json, as it was when this was built.
#pragma once
#include <string_view>

namespace millrace::server {

std::string_view openapi_json();

}  // namespace millrace::server
