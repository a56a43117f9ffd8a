#include "http/response.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <boost/beast/http/status.hpp>
#include <iterator>

namespace millrace::http {

std::string_view reason_phrase(unsigned status) {
  const auto text = boost::beast::http::obsolete_reason(static_cast<boost::beast::http::status>(status));
  return {text.data(), text.size()};
}

response text_response(unsigned status, std::string text) {
  response r;
  r.status = status;
  r.content_type = "text/plain; charset=utf-8";
  text += '\n';
  r.body.push_back(base::slice::copy_of(base::as_bytes(text)));
  return r;
}

response bytes_response(std::string content_type, std::string body) {
  response r;
  r.content_type = std::move(content_type);
  r.body.push_back(base::slice::copy_of(base::as_bytes(body)));
  return r;
}

std::string encode_head(const response& r, bool keep_alive, std::string_view date) {
  std::string out = fmt::format("HTTP/1.1 {} {}\r\nServer: millrace\r\nDate: {}\r\n", r.status, reason_phrase(r.status), date);
  if (!r.content_type.empty()) out += fmt::format("Content-Type: {}\r\nX-Content-Type-Options: nosniff\r\n", r.content_type);
  for (const auto& [name, value] : r.headers) out += fmt::format("{}: {}\r\n", name, value);
  if (r.status != 101) {
    // RFC 9110 section 8.6: none with 1xx and 204, and none where it is not known.
    if (r.status != 204 && r.status != 304 && (!r.source || r.source_bytes)) {
      out += fmt::format("Content-Length: {}\r\n", r.source ? *r.source_bytes : r.body.size());
    }
    out += keep_alive ? "Connection: keep-alive\r\n" : "Connection: close\r\n";
  }
  out += "\r\n";
  return out;
}

std::string imf_date(std::int64_t unix_seconds) {
  return fmt::format("{:%a, %d %b %Y %H:%M:%S GMT}", fmt::gmtime(static_cast<std::time_t>(unix_seconds)));
}

}  // namespace millrace::http
