// millrace pull: play a live stream into a file or pipe.
#include "client/pull.hpp"

#include <csignal>
#include <memory>
#include <optional>

#include "base/log.hpp"
#include "cli/client_options.hpp"
#include "cli/commands.hpp"
#include "cli/console.hpp"
#include "cli/exit_status.hpp"
#include "cli/stats_sink.hpp"

namespace millrace::cli {
namespace {

struct pull_command {
  client_options client;
  std::string output;
  bool stay = false;
  bool no_reconnect = false;
  bool keep_trying = false;
  std::string stats;
};

int run_pull(const pull_command& o) {
  if (o.stats == "-" && o.output == "-") return fail("pull", {base::error_kind::usage, "--stats - and OUTPUT - both want standard output"});
  auto names = uri_options_of(o.client);
  if (!names) return fail("pull", names.error());
  auto uri = rtmp::parse_uri(o.client.url, *names);
  if (!uri) return fail("pull", uri.error());
  if (uri->stream.empty()) return fail("pull", {base::error_kind::usage, "the URL lacks the stream name: write rtmp://HOST/APP/STREAM"});
  warn_of_misspelt(*uri, *names);
  apply_pin(o.client, *uri);
  auto settings = settings_of(o.client);
  if (!settings) return fail("pull", settings.error());
  net::dial_memory memory;
  client::pull_options options;
  options.target = std::move(*uri);
  options.link = *settings;
  options.link.memory = &memory;
  options.path = o.output;
  options.stay = o.stay;
  options.reconnect = !o.no_reconnect;
  options.keep_trying = o.keep_trying;
  auto stats = stats_sink::open(o.stats);
  if (!stats) return fail("pull", stats.error());

  std::signal(SIGPIPE, SIG_IGN);
  boost::asio::io_context io(1);
  std::optional<base::result<void>> outcome;
  client::pull pull(io, std::move(options), [&](base::result<void> result) {
    outcome = std::move(result);
    io.stop();
  });
  auto interrupted = stop_on_signal(io, [&] { pull.stop(); });
  if (auto started = pull.start(); !started) return fail("pull", started.error());
  {
    progress_display display("pull", globals().quiet);
    const auto every_second = repeat_every_second(io, [&] {
      const auto now = pull.report();
      display.show(now);
      (*stats)->write(now);
    });
    io.run();
  }
  interrupted.reset();
  finish_closing(io);
  const auto last = pull.report();
  (*stats)->write(last);
  if (outcome && *outcome) {
    base::log::info("done: {} frames, {:.1f} s, {} bytes", last.frames, std::chrono::duration<double>(last.position).count(), last.bytes);
    return exit_ok;
  }
  return fail("pull", outcome ? outcome->error() : base::error{base::error_kind::internal, "stopped"});
}

}  // namespace

void add_pull(CLI::App& app, int& status) {
  auto o = std::make_shared<pull_command>();
  auto* command = app.add_subcommand("pull", "Play a live stream into an FLV file or pipe");
  command->add_option("URL", o->client.url, "Where from (see below)")->required();
  command->add_option("OUTPUT", o->output, "An FLV file, or - for standard output")->required();
  command->add_flag("--stay", o->stay, "Wait for the publisher's return instead of ending when it leaves");
  command->add_flag("--no-reconnect", o->no_reconnect, "End when the connection is lost instead of coming back");
  command->add_flag("--keep-trying", o->keep_trying, "Do not end either when the server cannot be reached at first, or says at once that there is no such stream");
  command->add_option("--stats", o->stats, "One JSON object per second into this file, or - for standard output")->option_text("FILE|-");
  add_client_options(*command, o->client);
  command->footer(std::string(url_help) +
                  "\nA stream that nobody publishes yet is waited for, as long as the server lets one wait (millrace: play.wait_s, for ever by default).\n"
                  "When it says NetStream.Play.StreamNotFound after that, pull asks again; with --no-reconnect it ends with status 6.\n\n"
                  "Examples:\n"
                  "  millrace pull 'rtmpq://example.com/live/show?catch_up=no' show.flv          (from the key frame on, original times)\n"
                  "  millrace pull rtmpq://example.com/live/show - | ffplay -analyzeduration 500000 -\n"
                  "  millrace pull rtmpq://example.com/live/show - | mpv --profile=low-latency -\n"
                  "Ctrl-C writes what was received and ends with status 0.\n\n" +
                  exit_status_help);
  command->callback([o, &status] { status = run_pull(*o); });
}

}  // namespace millrace::cli
