#include "server/openapi.hpp"

extern "C" {
extern const char millrace_openapi_json[], millrace_openapi_json_end[];
}

namespace millrace::server {

std::string_view openapi_json() { return {millrace_openapi_json, static_cast<std::size_t>(millrace_openapi_json_end - millrace_openapi_json)}; }

}  // namespace millrace::server
