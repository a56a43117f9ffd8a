// An HTTP request as the site sees it (RFC 9110, RFC 9112).
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace::http {

struct request {
  std::string method;   // "GET"
  std::string target;   // as sent
  std::string path;     // without query, percent-decoded: any bytes, begins with '/'
  std::string query;    // behind the '?', as sent
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case, in the order sent
  std::string body;
  std::string remote;   // "192.0.2.1:50000"
  bool secure = false;  // over TLS
  bool keep_alive = false;

  // The first of that name (lower case).
  [[nodiscard]] std::optional<std::string_view> header(std::string_view name) const;
  // True if `token` is one of the comma-separated elements of the header; case does not matter.
  [[nodiscard]] bool has_token(std::string_view name, std::string_view token) const;
  // The first value of a query parameter, decoded ('+' is a space).
  [[nodiscard]] std::optional<std::string> parameter(std::string_view name) const;
  // Of all query parameters, decoded, in the order sent; empty where an escape is broken.
  [[nodiscard]] std::vector<std::string> parameter_names() const;
  [[nodiscard]] bool head() const noexcept { return method == "HEAD"; }
};

// "%41" to "A". Nothing for a broken or cut escape.
std::optional<std::string> percent_decoded(std::string_view text, bool plus_is_space = false);
// What a URL's path may hold as it is stays, '/' too; the rest becomes %XX.
std::string percent_encoded(std::string_view text);

// "http://host/a?b" and "/a?b" to path and query (RFC 9112 section 3.2); false if it is neither or the path has a broken escape or a NUL.
bool read_target(std::string_view target, request& into);

}  // namespace millrace::http
