// How the API answers. Internal to api*.cpp.
#pragma once
#include <boost/json.hpp>
#include <string>
#include <string_view>

#include "http/response.hpp"

namespace millrace::server {

inline http::response json_response(const boost::json::value& value, unsigned status = 200) {
  auto r = http::bytes_response("application/json", boost::json::serialize(value) + "\n");
  r.status = status;
  r.headers.emplace_back("Cache-Control", "no-store");
  return r;
}

inline http::response error_response(unsigned status, std::string_view why) { return json_response(boost::json::object{{"error", why}}, status); }

}  // namespace millrace::server
