#include "client/bridge_target.hpp"

#include <utility>

namespace millrace::client {
namespace {

// Position behind host and port, or npos when the text has no authority at all (parse_uri then says what is wrong).
std::size_t authority_end(std::string_view text) {
  const auto start = text.find("://");
  if (start == std::string_view::npos) return std::string_view::npos;
  const auto end = text.find_first_of("/?", start + 3);
  return end == std::string_view::npos ? text.size() : end;
}

}  // namespace

base::result<bridge_route> parse_bridge_route(std::string_view text, const rtmp::uri_options& options) {
  const auto end = authority_end(text);
  if (end != std::string_view::npos) {
    const auto behind = text.substr(end);
    const bool bare = behind.empty() || behind == "/" || behind.starts_with('?') || behind.starts_with("/?");
    if (bare) {
      // parse_uri wants an application, so it gets a placeholder that is taken out again.
      const auto query = behind.find('?');
      std::string whole(text.substr(0, end));
      whole += "/-";
      if (query != std::string_view::npos) whole += behind.substr(query);
      auto parsed = rtmp::parse_uri(whole, options);
      if (!parsed) return std::move(parsed).error();
      parsed->app.clear();
      return bridge_route{std::move(*parsed)};
    }
  }
  auto parsed = rtmp::parse_uri(text, options);
  if (!parsed) return std::move(parsed).error();
  return bridge_route{std::move(*parsed)};
}

base::result<bridge_target> resolve_target(const bridge_route& route, const local_request& request) {
  bridge_target out{route.base, request.app_query};
  if (out.uri.app.empty()) out.uri.app = request.app;
  if (out.uri.stream.empty()) out.uri.stream = request.stream;
  if (!request.stream_query.empty()) {
    if (!out.uri.query.empty()) out.uri.query += '&';
    out.uri.query += request.stream_query;
  }
  if (out.uri.app.empty()) {
    return base::error{base::error_kind::not_found, "no application: use rtmp://HOST:PORT/APP as the local server address"};
  }
  if (out.uri.stream.empty()) {
    return base::error{base::error_kind::not_found, "no stream name: enter one as the stream key, or give the bridge a URL with /APP/STREAM"};
  }
  return out;
}

}  // namespace millrace::client
