// millrace serve: the media server.

#include <CLI/CLI.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <memory>
#include <span>
#include <string>
#include <unistd.h>

#include <vector>

#include "base/log.hpp"
#include "cli/client_options.hpp"
#include "cli/commands.hpp"
#include "cli/descriptors.hpp"
#include "cli/exit_status.hpp"
#include "cli/logging.hpp"
#include "cli/memory.hpp"
#include "cli/notify.hpp"
#include "server/socket_activation.hpp"
#include "server/host_advice.hpp"
#include "server/server.hpp"

namespace millrace::cli {
namespace {

namespace log = base::log;

struct serve_options {
  std::string config_file;
  std::vector<std::string> listen, http;
  bool no_http = false;
  std::size_t shards = 0;
  bool no_quic = false;
  bool no_tls = false;
  std::string state;
  std::string certificate, key;
  std::string log_level, log_format;
  std::vector<std::string> publish_allow;
  bool print_config = false;
};

std::span<const char* const> environment() {
  std::size_t count = 0;
  while (environ[count] != nullptr) ++count;
  return {environ, count};
}

base::result<server::config> settings_from(const serve_options& o) {
  server::config c;
  // Unless something else is said; a second server on this machine goes without.
  c.web.listen = {{"127.0.0.1", 8080}};
  c.web.optional = true;
  if (globals().verbose) c.log_level = "debug";
  if (globals().quiet) c.log_level = "error";
  if (!o.config_file.empty()) {
    auto loaded = server::load_config(o.config_file, std::move(c));
    if (!loaded) return std::move(loaded).error();
    c = std::move(*loaded);
  }
  auto set = server::apply_environment(environment(), std::move(c));
  if (!set) return std::move(set).error();
  c = std::move(*set);
  if (!o.listen.empty()) c.listen.clear();
  for (const auto& text : o.listen) {
    auto address = net::parse_listen_address(text);
    if (!address) return std::move(address).error().within("--listen");
    c.listen.push_back(*address);
  }
  if (o.no_http && !o.http.empty()) return base::error{base::error_kind::usage, "--http and --no-http contradict each other"};
  if (o.no_http || !o.http.empty()) {
    c.web.listen.clear();
    c.web.optional = false;
  }
  for (const auto& text : o.http) {
    auto address = net::parse_listen_address(text);
    if (!address) return std::move(address).error().within("--http");
    c.web.listen.push_back(*address);
  }
  if (o.shards > 0) c.shards = o.shards;
  if (o.no_quic) c.quic = false;
  if (o.no_tls) c.tls = false;
  if (!o.state.empty()) c.state_directory = o.state;
  if (o.certificate.empty() != o.key.empty()) {
    return base::error{base::error_kind::usage, "--cert and --key go together: " + std::string(o.key.empty() ? "--key" : "--cert") + " is missing"};
  }
  if (!o.certificate.empty()) {
    c.certificate = o.certificate;
    c.key = o.key;
  }
  if (!o.log_level.empty()) c.log_level = o.log_level;
  if (!o.log_format.empty()) c.log_format = o.log_format;
  if (!o.publish_allow.empty()) c.access.publish_allow.clear();
  for (const auto& text : o.publish_allow) {
    auto ranges = server::address_range::parse(text);
    if (!ranges) return std::move(ranges).error().within("--allow-publish");
    c.access.publish_allow.insert(c.access.publish_allow.end(), ranges->begin(), ranges->end());
  }
  return c;
}

// On SIGHUP.
void reload(server::server& s, const serve_options& o) {
  auto next = settings_from(o);
  if (!next) return log::error("reload: nothing was changed: {}", next.error().text);
  const auto level = next->log_level, format = next->log_format;
  const auto doubts = server::warnings(*next);
  auto changed = s.reload(std::move(*next));
  if (!changed) return log::error("reload: nothing was changed: {}", changed.error().text);
  if (auto parsed = parse_level(level)) set_level(*parsed);
  set_format(format == "json" ? log_format::json : log_format::text);
  std::string now, later;
  for (const auto& one : *changed) {
    auto& list = one.takes_effect ? now : later;
    list += (list.empty() ? "" : ", ") + one.setting;
  }
  log::info("reloaded: {}; certificate and publish keys were read again", now.empty() ? "no setting that can be taken over differs" : now);
  if (!later.empty()) log::warning("reload: takes a restart: {}", later);
  for (const auto& one : doubts) log::warning("{}", one);
}

// As this process was started; the program's file as it lies there now, which may be a newer one.
std::vector<std::string> own_command() {
  std::vector<std::string> words;
  std::ifstream line("/proc/self/cmdline", std::ios::binary);
  for (std::string word; std::getline(line, word, '\0');) words.push_back(word);
  std::error_code failed;
  auto program = std::filesystem::read_symlink("/proc/self/exe", failed).string();
  if (constexpr std::string_view gone = " (deleted)"; program.ends_with(gone)) program.resize(program.size() - gone.size());
  if (!failed && !words.empty()) words.front() = program;
  return words;
}

std::string ready_line(const server::server& s) {
  std::string line = "ready:";
  for (const auto& address : s.addresses()) line += " " + address;
  if (const auto* certificate = s.certificate()) {
    line += " pin=" + certificate->pin + (certificate->self_signed_here ? " (self-signed, valid until " : " (valid until ") + certificate->not_after + ")";
  }
  return line;
}

int run_serve(const serve_options& o) {
  if (o.print_config) {
    std::cout << server::example_config();
    return 0;
  }
  auto settings = settings_from(o);
  if (!settings) return fail("serve", settings.error());
  if (auto level = parse_level(settings->log_level)) set_level(*level);
  if (settings->log_format == "json") set_format(log_format::json);
  for (const auto& one : server::warnings(*settings)) log::warning("{}", one);
  raise_descriptor_limit();
  fix_heap_thresholds();
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGCHLD, SIG_DFL);  // how a process ended that had taken over is to be known

  const bool quic = settings->quic;
  const auto command = own_command();
  auto from = server::take_inheritance();  // closes every descriptor that it knows nothing of
  if (from && !*from) from = server::take_activation(*settings);
  if (!from) return fail("serve", from.error());
  boost::asio::io_context io(1);
  // Before anybody can hear that this process serves: signals that come meanwhile are kept until they are waited for.
  boost::asio::signal_set signals(io, SIGINT, SIGTERM), upgrades(io, SIGUSR2), hangups(io, SIGHUP);
  auto opened = server::server::open(io, std::move(*settings), std::move(*from));
  if (!opened) return fail("serve", opened.error());
  auto& s = **opened;

  boost::asio::steady_timer flushing(io);
  const std::function<void()> stop = [&] {
    s.shut_down([&] {
      // Sessions are over; transports may still have an "ended" to deliver.
      flushing.expires_after(std::chrono::milliseconds(100));
      flushing.async_wait([&](boost::system::error_code) { io.stop(); });
    });
  };
  signals.async_wait([&](boost::system::error_code failed, int) {
    if (failed) return;
    signals.async_wait([&](boost::system::error_code, int) { io.stop(); });  // the second one does not wait
    if (!s.successor()) notify_service_manager("STOPPING=1");
    stop();
  });
  std::function<void()> await_upgrade = [&] {
    upgrades.async_wait([&](boost::system::error_code failed, int) {
      if (failed) return;
      if (auto begun = s.hand_over(command, stop, [](int process) { notify_service_manager("MAINPID=" + std::to_string(process)); }); !begun) {
        log::error("hand over: {}: this process goes on", begun.error().text);
      }
      await_upgrade();
    });
  };
  await_upgrade();
  std::function<void()> await_hangup = [&] {
    hangups.async_wait([&](boost::system::error_code failed, int) {
      if (failed) return;
      reload(s, o);
      await_hangup();
    });
  };
  await_hangup();
  for (const auto& advice : server::host_advice(server::look_at_host(), quic)) log::warning("{}", advice);
  const memory_returner returner(io);
  log::info("{}", ready_line(s));
  notify_service_manager("READY=1");
  io.run();
  log::info("stopped");
  return 0;
}

}  // namespace

void add_serve(CLI::App& app, int& status) {
  auto options = std::make_shared<serve_options>();
  auto* command = app.add_subcommand("serve", "Run the media server: RTMP, RTMPS and RTMP over QUIC on one port, HTTP on another");
  command->add_option("-c,--config", options->config_file, "Configuration file (TOML); --print-config shows every setting")->option_text("FILE");
  command->add_option("--listen", options->listen, "Address and port, TCP and UDP alike; may be given several times [[::]:1935]")->option_text("ADDR:PORT");
  command->add_option("--http", options->http, "Address and port of HTTP and HTTPS: players, API, metrics [127.0.0.1:8080]")->option_text("ADDR:PORT");
  command->add_flag("--no-http", options->no_http, "No HTTP");
  command->add_option("--shards", options->shards, "Threads, each with connections and streams of its own [one per core]")
      ->check(CLI::Range(std::size_t{1}, std::size_t{net::port_group::size_max}))
      ->option_text("N");
  command->add_flag("--no-quic", options->no_quic, "TCP only: rtmp and rtmps");
  command->add_flag("--no-tls", options->no_tls, "No rtmps on the TCP port");
  command->add_option("--state", options->state, "Where the self-signed certificate and the QUIC secrets are kept")->option_text("DIR");
  command->add_option("--cert", options->certificate, "Certificate chain, PEM (default: self-signed, its pin is printed)")->option_text("FILE");
  command->add_option("--key", options->key, "Private key of --cert, PEM")->option_text("FILE");
  command->add_option("--allow-publish", options->publish_allow, "Who may publish without a key: range, address, loopback, all [loopback]")->option_text("RANGE");
  command->add_option("--log-level", options->log_level, "debug, info, warning or error [info]")
      ->check(CLI::IsMember({"debug", "info", "warning", "error"}))
      ->option_text("LEVEL");
  command->add_option("--log-format", options->log_format, "text, or json: one object per line [text]")
      ->check(CLI::IsMember({"text", "json"}))
      ->option_text("FORMAT");
  command->add_flag("--print-config", options->print_config, "Print a configuration file with every setting and its default");
  command->footer(
      "The line that says \"ready\" names every address and the certificate's pin.\n"
      "Publish from OBS:     server rtmp://HOST/live, stream key NAME\n"
      "Publish over QUIC:    millrace push FILE 'rtmpq://HOST/live/NAME?pin=PIN'\n"
      "Watch in a browser's player, ffplay, VLC: http://127.0.0.1:8080/live/NAME.flv\n"
      "Publishing from other hosts is refused until --allow-publish or a key in [publish.keys] allows it.");
  command->callback([options, &status] { status = run_serve(*options); });
}

}  // namespace millrace::cli
