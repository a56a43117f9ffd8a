// millrace push: publish a file or pipe.
#include "client/push.hpp"

#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <memory>
#include <optional>

#include "base/log.hpp"
#include "cli/client_options.hpp"
#include "cli/commands.hpp"
#include "cli/console.hpp"
#include "cli/exit_status.hpp"
#include "cli/stats_sink.hpp"
#include "client/input_source.hpp"
#include "client/resume_file.hpp"

namespace millrace::cli {
namespace {

struct push_command {
  client_options client;
  std::string input;
  bool loop = false;
  bool fast = false;
  bool no_reconnect = false;
  bool keep_trying = false;
  std::string stats;
  std::string resume_file;
  std::uint32_t queue_age_ms_max = 3000;
};

int run_push(const push_command& o) {
  if (o.loop && o.input == "-") return fail("push", {base::error_kind::usage, "--loop cannot begin standard input again: name a file"});
  client::push_options options;
  auto names = uri_options_of(o.client);
  if (!names) return fail("push", names.error());
  auto uri = rtmp::parse_uri(o.client.url, *names);
  if (!uri) return fail("push", uri.error());
  if (uri->stream.empty()) return fail("push", {base::error_kind::usage, "the URL lacks the stream name: write rtmp://HOST/APP/STREAM"});
  warn_of_misspelt(*uri, *names);
  apply_pin(o.client, *uri);
  auto settings = settings_of(o.client);
  if (!settings) return fail("push", settings.error());
  if (!o.resume_file.empty()) {
    if (auto kept = client::read_resume_file(o.resume_file); !kept) return fail("push", kept.error());
  }
  net::dial_memory memory;
  options.target = std::move(*uri);
  options.link = *settings;
  options.link.memory = &memory;
  options.input = {o.input, o.loop};
  options.realtime = !o.fast;
  options.reconnect = !o.no_reconnect;
  options.keep_trying = o.keep_trying;
  options.resume_file = o.resume_file;
  options.queue.age_max = std::chrono::milliseconds(o.queue_age_ms_max);
  auto stats = stats_sink::open(o.stats);
  if (!stats) return fail("push", stats.error());

  client::quiet_libav(globals().verbose);
  std::signal(SIGPIPE, SIG_IGN);
  boost::asio::io_context io(1);
  std::optional<base::result<void>> outcome;
  client::push push(io, std::move(options), [&](base::result<void> result) {
    outcome = std::move(result);
    io.stop();
  });
  auto interrupted = stop_on_signal(io, [&] { push.stop(); });
  {
    progress_display display("push", globals().quiet);
    const auto every_second = repeat_every_second(io, [&] {
      const auto now = push.report();
      display.show(now);
      (*stats)->write(now);
    });
    push.start();
    io.run();
  }
  interrupted.reset();
  finish_closing(io);
  const auto last = push.report();
  (*stats)->write(last);
  if (outcome && *outcome) {
    base::log::info("done: {} frames, {:.1f} s, {} bytes, {} dropped", last.frames, std::chrono::duration<double>(last.position).count(),
                    last.bytes, last.frames_dropped);
    return exit_ok;
  }
  return fail("push", outcome ? outcome->error() : base::error{base::error_kind::internal, "stopped"});
}

}  // namespace

void add_push(CLI::App& app, int& status) {
  auto o = std::make_shared<push_command>();
  auto* command = app.add_subcommand("push", "Publish a file or a pipe as a live stream");
  command->add_option("INPUT", o->input, "Any file that libavformat reads, or - for FLV on standard input")->required();
  command->add_option("URL", o->client.url, "Where to (see below)")->required();
  command->add_flag("--loop", o->loop, "Begin again at the end, with times that go on");
  command->add_flag("--realtime,!--no-realtime", [o](std::int64_t count) { o->fast = count < 0; },
                    "As fast as the media plays (default); --no-realtime: as fast as the network takes it, without loss");
  command->add_flag("--no-reconnect", o->no_reconnect, "End when the connection is lost instead of coming back");
  command->add_flag("--keep-trying", o->keep_trying, "Do not end either when the server cannot be reached at first");
  command->add_option("--resume", o->resume_file, "Keep in FILE what a push started anew with it, after this one was killed, needs to go on with the same stream;\n"
                                                  "viewers stay connected if that happens within the time that the server waits (10 s)")
      ->option_text("FILE");
  command->add_option("--stats", o->stats, "One JSON object per second into this file, or - for standard output")->option_text("FILE|-");
  command->add_option("--max-queue-age", o->queue_age_ms_max, "Drop up to the next key frame when media waits longer than this for the network\n"
                                                              "[3000; not over QUIC to a millrace, where what comes too late to be seen is left out, or nothing with --reliable]")
      ->option_text("MS")
      ->check(CLI::Range(100, 60'000));
  add_client_options(*command, o->client);
  command->footer(std::string(url_help) +
                  "\n\nExamples:\n"
                  "  millrace push clip.mp4 'rtmpq://example.com/live/show?key=SECRET' --loop\n"
                  "  ffmpeg -re -i movie.mkv -c:v libx264 -c:a aac -f flv - | millrace push - rtmpq://example.com/live/show\n"
                  "OBS and other encoders publish over QUIC through `millrace bridge`.\n\n" +
                  exit_status_help);
  command->callback([o, &status] { status = run_push(*o); });
}

}  // namespace millrace::cli
