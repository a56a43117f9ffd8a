#include "cli/client_options.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <utility>

#include "base/log.hpp"

namespace millrace::cli {

const char* const url_help =
    "URL:\n"
    "  rtmpq://HOST[:PORT]/APP/STREAM[?QUERY]          QUIC first, RTMPS on the same port if the server has no QUIC\n"
    "  rtmp://HOST/APP/STREAM?transport=quic           QUIC first, plain RTMP otherwise; rtmps://… likewise with RTMPS\n"
    "  …?transport=quic-only, or --fallback none       QUIC or nothing\n"
    "  rtmp://…  rtmps://…                             TCP, TLS; no UDP packet is sent\n"
    "Put the URL in quotes: shells act on ? and &. The default port is 1935. A self-signed server prints its pin when it starts: append\n"
    "?pin=HEX or use --pin HEX. The stream key is never printed.";

global_options& globals() {
  static global_options options;
  return options;
}

void add_client_options(CLI::App& command, client_options& into) {
  const auto group = "Connection";
  command.add_option("--ca", into.ca_file, "Trust the authorities in this PEM file instead of the system's")->option_text("FILE")->group(group);
  command.add_option("--pin", into.pin, "Accept exactly the server key with this SHA-256, and no other")->option_text("HEX")->group(group);
  command.add_flag("--insecure", into.insecure, "Do not check the server's certificate: anyone on the way can read and change everything")->group(group);
  command.add_option("--fallback", into.fallback, "What may be used when QUIC does not work: none, rtmps, rtmp [as the URL says]")
      ->option_text("KIND")
      ->check(CLI::IsMember({"none", "rtmps", "rtmp"}))
      ->group(group);
  command.add_option("--congestion", into.congestion, "QUIC congestion control: bbr, cubic [bbr]")
      ->option_text("NAME")
      ->check(CLI::IsMember({"bbr", "cubic"}))
      ->group(group);
  command.add_option("--redundancy", into.redundancy, "Over QUIC, send media packets twice while some get lost and the path has room to spare: auto, off [auto]")
      ->option_text("WHEN")
      ->check(CLI::IsMember({"auto", "off"}))
      ->group(group);
  command.add_option("--mapping", into.mapping, "How RTMP travels in QUIC: roqr (messages on several streams), bytes (one stream), auto [auto]")
      ->option_text("NAME")
      ->check(CLI::IsMember({"auto", "roqr", "bytes"}))
      ->group(group);
  command.add_flag("--reliable", into.reliable, "Over QUIC: wait for every picture, however late; without it what comes too late to be seen is left out")
      ->group(group);
  command.add_option("--identifier", into.identifier, "The query parameter that asks for QUIC [transport=quic]")->option_text("NAME=VALUE")->group(group);
  command.add_option("--timeout", into.timeout_s, "Give up connecting after this many seconds [10]")
      ->option_text("S")
      ->check(CLI::Range(0.1, 600.0))
      ->group(group);
  command.add_option("--user", into.user, "For servers that ask for a user name and a password (authmod adobe or llnw); the password comes from the\n"
                                          "variable MILLRACE_PASSWORD or from --password-file")
      ->option_text("NAME")
      ->group(group);
  command.add_option("--password-file", into.password_file, "The first line of this file is the password of --user")->option_text("FILE")->group(group);
  command.add_flag("--allow-plain-redirect", into.allow_plain_redirect, "Follow a server that sends us from rtmps or rtmpq to unencrypted RTMP")->group(group);
}

namespace {

// Not from an option: command lines are there for everybody on the machine to read.
base::result<std::string> password_of(const client_options& o) {
  if (o.password_file.empty()) {
    const char* value = std::getenv("MILLRACE_PASSWORD");
    if (value == nullptr) return base::error{base::error_kind::usage, "--user needs a password: set MILLRACE_PASSWORD or give --password-file FILE"};
    return std::string(value);
  }
  std::ifstream in(o.password_file);
  std::string line;
  if (!in || !std::getline(in, line)) return base::error{base::error_kind::local, "--password-file " + o.password_file + ": cannot be read or is empty"};
  if (line.ends_with('\r')) line.pop_back();
  return line;
}

}  // namespace

base::result<rtmp::uri_options> uri_options_of(const client_options& o) {
  rtmp::uri_options out;
  out.identifier = o.identifier;
  if (o.fallback == "none") out.fallback_override = rtmp::fallback::none;
  if (o.fallback == "rtmps") out.fallback_override = rtmp::fallback::rtmps;
  if (o.fallback == "rtmp") out.fallback_override = rtmp::fallback::rtmp;
  return out;
}

base::result<client::link_settings> settings_of(const client_options& o) {
  client::link_settings out;
  if (!o.pin.empty()) {
    const bool hex = std::all_of(o.pin.begin(), o.pin.end(), [](char c) { return std::isxdigit(static_cast<unsigned char>(c)) != 0; });
    if (o.pin.size() != 64 || !hex) {
      return base::error{base::error_kind::usage, "--pin needs 64 hexadecimal digits, the SHA-256 of the server's public key; the server prints it when it starts"};
    }
  }
  if (!o.ca_file.empty() && ::access(o.ca_file.c_str(), R_OK) != 0) {
    return base::error{base::error_kind::local, "--ca " + o.ca_file + ": " + std::strerror(errno)};
  }
  out.verify.ca_file = o.ca_file;
  out.verify.insecure = o.insecure;
  if (o.insecure) base::log::warning("WARNING: --insecure: the server's certificate is not checked; anyone on the way can read and change everything");
  out.quic.congestion = o.congestion == "cubic" ? net::congestion_control::cubic : net::congestion_control::bbr;
  out.quic.redundancy = o.redundancy == "off" ? net::redundancy_policy::off : net::redundancy_policy::automatic;
  if (o.mapping == "roqr") out.quic.alpn = {net::roqr_alpn};
  if (o.mapping == "bytes") out.quic.alpn = {net::byte_stream_alpn};
  out.reliable = o.reliable;
  out.dial_timeout = std::chrono::milliseconds(static_cast<std::int64_t>(o.timeout_s * 1000));
  out.start_timeout = out.dial_timeout;
  if (!o.user.empty()) {
    auto password = password_of(o);
    if (!password) return std::move(password).error();
    out.login = {o.user, std::move(*password)};
  } else if (!o.password_file.empty()) {
    return base::error{base::error_kind::usage, "--password-file goes with --user NAME"};
  }
  if (auto names = uri_options_of(o)) out.redirects.options = std::move(*names);
  out.redirects.allow_plain = o.allow_plain_redirect;
  out.quic.handshake_timeout = std::min(out.quic.handshake_timeout, out.dial_timeout);
  return out;
}

void warn_of_misspelt(const rtmp::uri& uri, const rtmp::uri_options& names) {
  for (const auto& line : rtmp::doubtful_parameters(uri, names)) base::log::warning("{}", line);
}

void apply_pin(const client_options& o, rtmp::uri& uri) {
  if (o.pin.empty()) return;
  uri.pin = o.pin;
  std::transform(uri.pin.begin(), uri.pin.end(), uri.pin.begin(), [](char c) { return c >= 'A' && c <= 'F' ? static_cast<char>(c | 0x20) : c; });
}

}  // namespace millrace::cli
