// Where a publish or play that reached the bridge goes. Pure.
#pragma once
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "rtmp/uri.hpp"

namespace millrace::client {

// What the bridge was told, and how much of it:
//   rtmpq://host                   the local application and stream name go through
//   rtmpq://host/live              this application, the local stream name
//   rtmpq://host/live/show         always this stream, whatever the local program calls it
struct bridge_route {
  rtmp::uri base;  // app and stream as far as they were written
};

// As rtmp::parse_uri, but the application may be missing.
base::result<bridge_route> parse_bridge_route(std::string_view text, const rtmp::uri_options& options = {});

// What a local program asked for: from connect and from publish or play.
struct local_request {
  std::string app;
  std::string app_query;     // without '?'
  std::string stream;
  std::string stream_query;  // without '?'
};

struct bridge_target {
  rtmp::uri uri;
  std::string app_query;  // for connect, as the local program sent it
};

// The URL's own query comes first, then the local one: both may hold keys, and neither is changed. Error (kind not_found): the
// names are incomplete.
base::result<bridge_target> resolve_target(const bridge_route& route, const local_request& request);

}  // namespace millrace::client
