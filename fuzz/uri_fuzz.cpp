// URIs: whatever is accepted has one plain form, which is accepted again, means the same and has no identifier.
#include <cstdlib>
#include <string_view>

#include "base/slice.hpp"
#include "rtmp/uri.hpp"

namespace {

namespace rtmp = millrace::rtmp;

void check(bool holds) {
  if (!holds) std::abort();
}

void one(std::string_view text, const rtmp::uri_options& options) {
  const auto u = rtmp::parse_uri(text, options);
  if (!u) {
    check(u.error().kind == millrace::base::error_kind::usage);
    check(!u.error().text.empty());
    for (const char c : u.error().text) check(static_cast<unsigned char>(c) >= 0x20);  // one line of a log
    return;
  }
  check(!u->host.empty() && !u->app.empty() && u->port != 0);
  check(u->use_quic == (u->identifier != rtmp::quic_identifier::none));
  check(u->use_quic || u->fall_back_to == rtmp::fallback::none);
  check(u->pin.empty() || u->pin.size() == 64);
  if (u->use_quic && u->scheme_written == rtmp::scheme::rtmps) check(u->fall_back_to != rtmp::fallback::rtmp);

  for (const auto& line : rtmp::doubtful_parameters(*u, options)) {
    for (const char c : line) check(static_cast<unsigned char>(c) >= 0x20);
  }

  const auto plain = u->plain();
  const auto again = rtmp::parse_uri(plain, options);
  check(again.has_value());
  check(again->plain() == plain);
  check(!again->use_quic);
  check(again->use_tls_when_tcp == u->use_tls_when_tcp);
  check(again->host == u->host && again->port == u->port && again->port_written == u->port_written);
  check(again->app == u->app && again->stream == u->stream && again->query == u->query);
  check(again->tc_url() == u->tc_url());
  check(again->stream_name() == u->stream_name());
  check(plain.size() <= text.size() + 1);  // "rtmp" may have become "rtmps", nothing else is added

  check(u->display(false).size() <= text.size() + 1);
  rtmp::uri other = *u;
  if (!other.stream.empty()) other.stream = other.stream + "x";
  check(other.display(true) == u->display(true));  // the key is nowhere in it
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = millrace::base::as_text({data, size});
  one(text, {});
  one(text, {"via=udp", rtmp::fallback::none});
  one(text, {"transport=quic", rtmp::fallback::rtmp});
  // Up to the first newline an identifier, behind it the URI.
  if (const auto line = text.find('\n'); line != std::string_view::npos) {
    one(text.substr(line + 1), {std::string(text.substr(0, line)), std::nullopt});
  }
  return 0;
}
