// How the API answers. Internal to api*.cpp.
#pragma once
#include <boost/json.hpp>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "http/response.hpp"

namespace millrace::server {

inline http::response json_response(const boost::json::value& value, unsigned status = 200) {
  auto r = http::bytes_response("application/json", boost::json::serialize(value) + "\n");
  r.status = status;
  r.headers.emplace_back("Cache-Control", "no-store");
  return r;
}

inline http::response error_response(unsigned status, std::string_view why) { return json_response(boost::json::object{{"error", why}}, status); }

inline unsigned status_of(const base::error& why) {
  switch (why.kind) {
    case base::error_kind::not_found: return 404;
    case base::error_kind::busy: return 409;
    case base::error_kind::usage: return 400;
    case base::error_kind::limit: return 409;
    case base::error_kind::unsupported: return 501;
    default: return 500;
  }
}

inline http::response error_response(const base::error& why) { return error_response(status_of(why), why.text); }

}  // namespace millrace::server
