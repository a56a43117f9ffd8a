// RTMP URIs, the QUIC identifier and the conversion to the plain form (doc/protocol/uri.md). Pure.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace millrace::rtmp {

inline constexpr std::uint16_t default_port = 1935;

enum class scheme : unsigned char { rtmp, rtmps, rtmpq };
// What a dial that wished for QUIC may end on when the server cannot do QUIC.
enum class fallback : unsigned char { none, rtmps, rtmp };
enum class quic_identifier : unsigned char { none, in_scheme, in_query };

struct uri_options {
  // The preset string: one exact, whole query parameter "name=value". With "-only" behind it there is no fallback.
  // "quic=1" is always accepted as an alias of the first.
  std::string identifier = "transport=quic";
  // --fallback on the command line; overrides what the URI itself says (fallback=, …-only) when set.
  std::optional<fallback> fallback_override;
};

struct uri {
  scheme scheme_written = scheme::rtmp;
  std::string host;              // without brackets, as written
  bool host_is_ip = false;       // an IP literal: no SNI
  bool loopback = false;         // 127.0.0.0/8, ::1, localhost
  std::uint16_t port = default_port;
  bool port_written = false;
  std::string app;               // path up to the last '/', percent-encoding untouched
  std::string stream;            // last path segment, percent-encoding untouched
  std::string query;             // without '?' and without our own parameters; every other byte and the order kept
  quic_identifier identifier = quic_identifier::none;
  bool use_quic = false;
  bool use_tls_when_tcp = false; // what the TCP attempt speaks
  fallback fall_back_to = fallback::none;
  // rtmpq to a loopback host that said nothing about fallback: a server there that has no TLS either may be used in the plain.
  bool plain_if_no_tls = false;
  std::string pin;               // lower-case hex SHA-256 of the SPKI, or empty
  bool slash_behind_app = false; // "rtmp://host/app/": no stream, but the plain form keeps the '/'

  // The plain form: scheme replaced, our control parameters deleted, everything else byte for byte. Idempotent.
  [[nodiscard]] std::string plain() const;
  // Same bytes whatever the transport: "rtmp://host[:port]/app".
  [[nodiscard]] std::string tc_url() const;
  // stream plus "?query" when there is one: what goes into publish and play. Empty without a stream.
  [[nodiscard]] std::string stream_name() const;
  // For logs and progress lines: the plain form with the stream name's query values and the last path segment hidden if
  // `hide_key`; scheme as written.
  [[nodiscard]] std::string display(bool hide_key) const;
};

// Errors (kind usage) say which part is wrong and what it should look like.
base::result<uri> parse_uri(std::string_view text, const uri_options& options = {});

// One line for each parameter that is named as one of ours and says something else, most likely misspelt; it stays in the query. A value
// that is more than a short word may hold a key and is not shown.
std::vector<std::string> doubtful_parameters(const uri& u, const uri_options& options = {});

}  // namespace millrace::rtmp
