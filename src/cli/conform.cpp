// millrace conform: the conformance suite against any RTMP server.
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <csignal>
#include <cstdio>
#include <memory>
#include <optional>

#include "cli/client_options.hpp"
#include "cli/commands.hpp"
#include "cli/console.hpp"
#include "cli/exit_status.hpp"
#include "cli/stats_sink.hpp"
#include "client/link.hpp"
#include "conform/report.hpp"

namespace millrace::cli {
namespace {

struct conform_command {
  client_options client;
  std::vector<std::string> only;
  bool json = false;
  bool list = false;
  bool quick = false;
  std::size_t at_once = 4;
  double slow_s = 15;
};

void print(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

int list_cases() {
  for (const auto& one : conform::catalogue()) {
    const std::string id = one.id;
    print(id + std::string(id.size() < 5 ? 5 - id.size() : 1, ' ') + one.title + (one.slow ? " (slow)" : "") + "\n");
  }
  return exit_ok;
}

using answer = std::optional<base::result<conform::report>>;

boost::asio::awaitable<void> run_all(boost::asio::io_context& io, conform::target where, std::vector<conform::test_case> cases, std::size_t at_once,
                                     std::function<void(const conform::verdict&)> progress, answer& got) {
  auto version = co_await conform::server_version(io, where);
  if (!version) {
    got = version.error();
    co_return;
  }
  conform::report out;
  out.server = *version;
  out.verdicts = co_await conform::run_suite(io, where, std::move(cases), at_once, std::move(progress));
  got = std::move(out);
}

int run_conform(const conform_command& o) {
  if (o.list) return list_cases();
  if (o.client.url.empty()) return fail("conform", {base::error_kind::usage, "the URL of a server is missing: millrace conform rtmp://HOST/APP"});
  auto names = uri_options_of(o.client);
  if (!names) return fail("conform", names.error());
  auto uri = rtmp::parse_uri(o.client.url, *names);
  if (!uri) return fail("conform", uri.error());
  apply_pin(o.client, *uri);
  auto settings = settings_of(o.client);
  if (!settings) return fail("conform", settings.error());
  auto cases = conform::choose({o.only, !o.quick, o.at_once});
  if (!cases) return fail("conform", cases.error());

  conform::target where;
  where.dial = client::dial_target_of(*uri, settings->verify);
  // What is tried is one transport: an answer by another one would say nothing about it.
  if (where.dial.quic) where.dial.tcp = net::dial_target::tcp_side::none;
  if (o.client.mapping == "roqr") where.alpn = {net::roqr_alpn};
  where.app = uri->stream.empty() ? uri->app : uri->app.empty() ? uri->stream : uri->app;
  where.tc_url = uri->tc_url();
  where.publish_query = uri->query;
  where.patience = conform::milliseconds(static_cast<long>(o.client.timeout_s * 1000));
  where.slow_patience = conform::milliseconds(static_cast<long>(o.slow_s * 1000));
  where.run = std::to_string(client::random_bits() % 100'000'000);

  std::signal(SIGPIPE, SIG_IGN);
  boost::asio::io_context io(1);
  answer got;
  std::size_t done = 0;
  const auto total = cases->size();
  const auto progress = [&](const conform::verdict&) {
    if (!globals().quiet && console::is_terminal()) console::draw("conform: " + std::to_string(++done) + " of " + std::to_string(total) + " tests");
  };
  boost::asio::co_spawn(io, run_all(io, where, std::move(*cases), o.at_once, progress, got), [&io](const std::exception_ptr& thrown) {
    if (thrown) std::rethrow_exception(thrown);
    io.stop();
  });
  auto interrupted = stop_on_signal(io, [&] { io.stop(); });
  io.run();
  interrupted.reset();
  if (console::is_terminal()) console::settle();
  finish_closing(io);
  if (!got) return fail("conform", {base::error_kind::closed, "interrupted"});
  if (!*got) return fail("conform", got->error());
  auto& r = **got;
  r.url = uri->display(true);
  r.transport = where.dial.quic ? (o.client.mapping == "roqr" ? "rtmpq (RoQR)" : "rtmpq") : where.dial.tcp == net::dial_target::tcp_side::tls ? "rtmps" : "rtmp";
  if (o.json) {
    print(conform::json(r) + "\n");
  } else {
    print(r.url + ": " + r.server + "\n");
    for (const auto& v : r.verdicts) print(conform::line(v) + "\n");
    print(conform::summary(r) + "\n");
  }
  return r.count(conform::outcome::failed) == 0 ? exit_ok : exit_internal;
}

}  // namespace

void add_conform(CLI::App& app, int& status) {
  auto o = std::make_shared<conform_command>();
  o->client.timeout_s = 5;
  auto* command = app.add_subcommand("conform", "Tries an RTMP server against the specifications, test by test");
  command->add_option("URL", o->client.url, "The server and an application; a query goes behind published names (keys)");
  command->add_option("--only", o->only, "An id, or a section by its letter: --only H --only T4 (see --list)")
      ->allow_extra_args(false);  // the word behind it may be the URL
  command->add_flag("--list", o->list, "The tests with their ids; connects to nothing");
  command->add_flag("--quick", o->quick, "Without the tests that wait for deadlines of the server");
  command->add_option("--at-once", o->at_once, "Tests that run at the same time")->check(CLI::Range(1, 64))->capture_default_str();
  command->add_option("--slow-limit", o->slow_s, "Seconds within which the server has to drop a silent client")->capture_default_str();
  command->add_flag("--json", o->json, "One JSON object on standard output");
  add_client_options(*command, o->client);
  command->footer(std::string(url_help) +
                  "\nPublishes and plays streams named millrace-… in the application. Every test has an id; doc/protocol/conformance.md says what it\n"
                  "means. 'refused' is an answer in words where a rule leaves the server the choice.\n"
                  "Exit status 0: nothing failed; 1: something failed; others as below.\n\n"
                  "Examples:\n"
                  "  millrace conform rtmp://localhost/live\n"
                  "  millrace conform --only H --only K5 rtmpq://localhost/live\n"
                  "  millrace conform --json 'rtmp://example.com/live?key=SECRET' | jq '.tests[] | select(.outcome == \"fail\")'\n\n" +
                  exit_status_help);
  command->callback([o, &status] { status = run_conform(*o); });
}

}  // namespace millrace::cli
