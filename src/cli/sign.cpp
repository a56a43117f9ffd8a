// millrace sign: an address with which somebody may publish or play one stream for a while.
#include <CLI/CLI.hpp>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <memory>
#include <string>

#include "cli/commands.hpp"
#include "cli/exit_status.hpp"
#include "net/state_files.hpp"
#include "rtmp/uri.hpp"
#include "server/config.hpp"
#include "server/hls_path.hpp"
#include "server/signature.hpp"

namespace millrace::cli {
namespace {

struct sign_options {
  std::string action, url, secret_file, config_file;
  std::int64_t lasts_s = 3600;
};

base::result<std::string> secret_of(const sign_options& o) {
  if (!o.config_file.empty()) {
    auto c = server::load_config(o.config_file);
    if (!c) return std::move(c).error();
    if (c->access.sign_secrets.empty()) return base::error{base::error_kind::usage, o.config_file + ": access.sign_secrets has none"};
    return c->access.sign_secrets.front();
  }
  std::string secret;
  if (!o.secret_file.empty()) {
    auto content = net::read_state_file(o.secret_file);
    if (!content) return std::move(content).error();
    if (!*content) return base::error{base::error_kind::local, "cannot read " + o.secret_file + ": " + std::strerror(ENOENT)};
    secret = (*content)->substr(0, (*content)->find('\n'));
    if (secret.empty()) return base::error{base::error_kind::local, o.secret_file + ": no secret in its first line"};
  } else if (const char* const given = std::getenv("MILLRACE_SIGN_SECRET")) {
    secret = given;
  } else {
    return base::error{base::error_kind::usage, "with which secret? --config FILE of the server, --secret-file FILE, or MILLRACE_SIGN_SECRET"};
  }
  if (secret.size() < 16) return base::error{base::error_kind::usage, "the secret has to have 16 characters at least"};
  return secret;
}

// "app/name" of an address for RTMP in any form, or for HTTP-FLV or HLS.
base::result<std::string> stream_of(const std::string& url, server::signed_action what) {
  if (!url.starts_with("http://") && !url.starts_with("https://")) {
    auto parsed = rtmp::parse_uri(url);
    if (!parsed) return std::move(parsed).error();
    if (parsed->stream.empty()) return base::error{base::error_kind::usage, "which stream? the address has to end with /APP/NAME"};
    return parsed->app + "/" + parsed->stream;
  }
  if (what == server::signed_action::publish) return base::error{base::error_kind::usage, "nobody publishes over HTTP: give the stream's rtmp, rtmps or rtmpq address"};
  const auto path_at = url.find('/', url.find("://") + 3);
  auto path = path_at == std::string::npos ? std::string() : url.substr(path_at + 1, url.find('?', path_at) - path_at - 1);
  if (path.ends_with(".flv")) path.resize(path.size() - 4);
  else if (auto hls = server::hls_path_of("/" + path)) path = std::move(hls->stream);
  else path.clear();  // nothing is at it
  if (path.find('%') != std::string::npos) return base::error{base::error_kind::usage, "an address with percent-encoding cannot be signed here: sign its rtmp:// form"};
  if (path.find('/') == std::string::npos || path.ends_with('/')) return base::error{base::error_kind::usage, "which stream? the address has to end with /APP/NAME.flv or /APP/NAME.m3u8"};
  return path;
}

int run(const sign_options& o) {
  const auto secret = secret_of(o);
  if (!secret) return fail("sign", secret.error());
  const auto what = o.action == "publish" ? server::signed_action::publish : server::signed_action::play;
  const auto stream = stream_of(o.url, what);
  if (!stream) return fail("sign", stream.error());
  const auto end = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()) + std::chrono::seconds(o.lasts_s);
  std::cout << o.url << (o.url.find('?') == std::string::npos ? '?' : '&') << server::signed_query(*secret, what, *stream, end) << "\n";
  return exit_ok;
}

}  // namespace

void add_sign(CLI::App& app, int& status) {
  auto o = std::make_shared<sign_options>();
  auto* command = app.add_subcommand("sign", "Print an address with which somebody may publish or play one stream for a while");
  command->add_option("ACTION", o->action, "publish, or play")->required()->check(CLI::IsMember({"publish", "play"}))->option_text(" ");
  command->add_option("URL", o->url, "The stream's address: rtmp, rtmps, rtmpq; to play also http with .flv or .m3u8")->required()->option_text(" ");
  command->add_option("--lasts", o->lasts_s, "Seconds until it expires [3600]")->check(CLI::Range(std::int64_t{1}, std::int64_t{10} * 365 * 86'400))->option_text("SECONDS");
  command->add_option("-c,--config", o->config_file, "The server's configuration: its first access.sign_secrets signs")->option_text("FILE");
  command->add_option("--secret-file", o->secret_file, "Its first line is the secret (else: MILLRACE_SIGN_SECRET)")->option_text("FILE");
  command->footer(
      "The server has the same secret in access.sign_secrets. Whoever has the address may do that one thing, from anywhere, until it expires;\n"
      "for players to need one, say allow = [] under [play].\n\n"
      "Examples:\n"
      "  millrace sign publish rtmp://live.example.com/live/studio --config /etc/millrace/millrace.toml\n"
      "  millrace sign play https://live.example.com/live/studio.m3u8 --lasts 86400 --secret-file secret\n"
      "In a program of yours: HMAC-SHA256 over \"publish\\nAPP/NAME\\nUNIXTIME\" or \"play\\n…\", as ?expires=UNIXTIME&sign=HEX");
  command->callback([o, &status] { status = run(*o); });
}

}  // namespace millrace::cli
