// What went wrong, for whom, and what to do next.
#pragma once
#include <string>
#include <string_view>
#include <utility>

namespace millrace::base {

// The kind decides what a caller does (retry, stop, fall back) and which exit status a command ends with;
// the text is for people. Peer errors close one session, io errors are normal life, bugs are `internal`.
enum class error_kind : unsigned char {
  usage,        // the person's own words are off: an option, a URI, a configuration file
  input,        // a local file or pipe is missing, unreadable or not media
  local,        // a local resource: port taken, certificate or state directory unreadable
  resolve,      // the host name is unknown
  unreachable,  // refused, no route, reset before anything was agreed
  timeout,      // no answer in time
  certificate,  // the peer's certificate was not accepted: never a reason to fall back
  unsupported,  // the peer cannot do what was asked (no common ALPN, version, transport)
  protocol,     // the peer broke a protocol rule
  limit,        // the peer passed one of base/limits
  denied,       // the peer refused for want of rights: retrying is pointless
  busy,         // the peer refused for now (name taken, overloaded): retry later
  not_found,    // no such stream
  closed,       // the connection ended in order
  internal,     // a bug of ours
};

std::string_view name(error_kind kind);

struct error {
  error_kind kind = error_kind::internal;
  std::string text;

  // Each layer adds one piece of context in front: "chunk 4: message length 16777215 > limit 8388608"
  // becomes "publish live/a: chunk 4: …".
  [[nodiscard]] error within(std::string_view context) && {
    text.insert(0, ": ").insert(0, context);
    return std::move(*this);
  }
  [[nodiscard]] error within(std::string_view context) const& { return error(*this).within(context); }
};

}  // namespace millrace::base
