// millrace probe: what answers, how fast, and what would be chosen.
#include "client/probe.hpp"

#include <csignal>
#include <cstdio>
#include <memory>
#include <optional>

#include "cli/client_options.hpp"
#include "cli/commands.hpp"
#include "cli/exit_status.hpp"
#include "cli/stats_sink.hpp"
#include "client/bridge_target.hpp"

namespace millrace::cli {
namespace {

struct probe_command {
  client_options client;
  bool json = false;
};

int run_probe(const probe_command& o) {
  auto names = uri_options_of(o.client);
  if (!names) return fail("probe", names.error());
  // A host alone is enough to ask; servers want some application in connect.
  auto route = client::parse_bridge_route(o.client.url, *names);
  if (!route) return fail("probe", route.error());
  auto uri = std::move(route->base);
  if (uri.app.empty()) uri.app = "live";
  warn_of_misspelt(uri, *names);
  apply_pin(o.client, uri);
  auto settings = settings_of(o.client);
  if (!settings) return fail("probe", settings.error());

  std::signal(SIGPIPE, SIG_IGN);
  boost::asio::io_context io(1);
  std::optional<client::probe_report> report;
  client::probe probe(io, {std::move(uri), *settings}, [&](client::probe_report r) {
    report = std::move(r);
    io.stop();
  });
  auto interrupted = stop_on_signal(io, [&] { io.stop(); });
  probe.start();
  io.run();
  interrupted.reset();
  finish_closing(io);
  if (!report) return fail("probe", {base::error_kind::closed, "interrupted"});
  const auto text = o.json ? client::probe_json(*report) + "\n" : client::probe_text(*report);
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
  if (report->choice.failure) return fail("probe", *report->choice.failure);
  return exit_ok;
}

}  // namespace

void add_probe(CLI::App& app, int& status) {
  auto o = std::make_shared<probe_command>();
  o->client.timeout_s = 5;
  auto* command = app.add_subcommand("probe", "Which transports of a server answer, how fast, and what would be chosen");
  command->add_option("URL", o->client.url, "The server; application and stream name may be left away")->required();
  command->add_flag("--json", o->json, "One JSON object on standard output");
  add_client_options(*command, o->client);
  command->footer(std::string(url_help) +
                  "\nTries QUIC, TLS and TCP in turn whatever the URL asks for, then dials as the URL says. No stream name or key is sent.\n\n"
                  "Examples:\n"
                  "  millrace probe rtmpq://example.com\n"
                  "  millrace probe --json rtmpq://example.com/live | jq .choice\n\n" +
                  exit_status_help);
  command->callback([o, &status] { status = run_probe(*o); });
}

}  // namespace millrace::cli
