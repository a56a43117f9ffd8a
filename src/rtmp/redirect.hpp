// Where a server sends a client: the target of a redirect (`ex` with code 302) or of a Reconnect Request (E-RTMP v2), as a URI to dial.
#pragma once
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "rtmp/uri.hpp"

namespace millrace::rtmp {

struct redirect_rules {
  uri_options options;       // as the person's own URI was read with
  bool allow_plain = false;  // consent to go from rtmps or rtmpq to unencrypted RTMP
};

struct redirect_target {
  uri to;
  std::string app_query;  // of a target that stands for tcUrl: goes into connect; without '?'
};

// `reference` stands for tcUrl: "rtmps://host:port/app", "//host/app", "/app", or empty for the current one. Relative forms are resolved
// against `current`. The stream and its query stay, unless the reference ends with this stream's name: then it is a whole
// URI. The scheme decides the transport, and the wish for QUIC holds only if it stands in the new URI (or nothing but the
// application changed). Verification begins anew with the new host's name; a pin stays in force unless the new URI has its own.
// Errors: kind protocol for what is no URI, kind denied where encryption would be lost without consent.
base::result<redirect_target> follow_redirect(const uri& current, std::string_view reference, const redirect_rules& rules);

// Whether a dial of this URI can end on unencrypted RTMP over a network.
bool may_be_plain(const uri& u);

}  // namespace millrace::rtmp
