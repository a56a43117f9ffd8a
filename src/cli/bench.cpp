// millrace bench: a load of publishers and players against any RTMP server, and what they saw.
#include <csignal>
#include <cstdio>
#include <memory>
#include <optional>

#include "base/log.hpp"
#include "cli/client_options.hpp"
#include "cli/commands.hpp"
#include "cli/console.hpp"
#include "cli/descriptors.hpp"
#include "cli/exit_status.hpp"
#include "cli/stats_sink.hpp"
#include "load/run.hpp"

namespace millrace::cli {
namespace {

struct bench_command {
  client_options client;
  load::run_options run;
  std::string play_url;
  bool no_publish = false;
  bool json = false;
  double seconds = 10, settle_s = 3, stall_s = 10, guest_s = 5;
  double video_mbit = 2.45;
};

std::chrono::milliseconds ms_of(double s) { return std::chrono::milliseconds(static_cast<std::int64_t>(s * 1000)); }

int run_bench(const bench_command& o) {
  auto names = uri_options_of(o.client);
  if (!names) return fail("bench", names.error());
  auto options = o.run;
  const auto uri_of = [&](const std::string& url) -> base::result<rtmp::uri> {
    auto uri = rtmp::parse_uri(url, *names);
    if (!uri) return uri;
    if (uri->stream.empty()) return base::error{base::error_kind::usage, "the URL lacks the stream name: write rtmp://HOST/APP/STREAM"};
    apply_pin(o.client, *uri);
    return uri;
  };
  auto target = uri_of(o.client.url);
  if (!target) return fail("bench", target.error());
  options.target = std::move(*target);
  if (o.play_url.starts_with("http://") || o.play_url.starts_with("https://")) {
    auto players = load::parse_http_target(o.play_url);
    if (!players) return fail("bench", players.error().within("--play"));
    options.play_http = std::move(*players);
  } else if (!o.play_url.empty()) {
    auto players = uri_of(o.play_url);
    if (!players) return fail("bench", players.error().within("--play"));
    options.play_target = std::move(*players);
  }
  auto settings = settings_of(o.client);
  if (!settings) return fail("bench", settings.error());
  options.link = *settings;
  options.link.media_kept = load::marked_bytes;
  options.publish = !o.no_publish;
  options.measured = ms_of(o.seconds);
  options.settle = ms_of(o.settle_s);
  options.stall = ms_of(o.stall_s);
  options.guest_stays = ms_of(o.guest_s);
  options.media.video_bits_per_second = static_cast<std::uint64_t>(o.video_mbit * 1e6);

  std::signal(SIGPIPE, SIG_IGN);
  raise_descriptor_limit();
  boost::asio::io_context io(1);
  std::optional<base::result<load::run_report>> outcome;
  std::optional<load::run> run;
  run.emplace(io, std::move(options), [&](base::result<load::run_report> result) {
    outcome = std::move(result);
    io.stop();
  });
  auto interrupted = stop_on_signal(io, [&] { io.stop(); });
  run->start();
  {
    const auto every_second = repeat_every_second(io, [&] {
      if (!globals().quiet && console::is_terminal()) console::draw(run->progress());
    });
    io.run();
  }
  console::settle();
  interrupted.reset();
  run.reset();
  finish_closing(io);
  if (!outcome) return fail("bench", {base::error_kind::closed, "interrupted"});
  if (!*outcome) return fail("bench", outcome->error());
  const auto& report = **outcome;
  const auto text = o.json ? load::report_json(report) + "\n" : load::report_text(report);
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
  if (report.players > 0 && report.playing == 0) return fail("bench", {base::error_kind::denied, "no player could play: " + report.first_failure});
  return exit_ok;
}

}  // namespace

void add_bench(CLI::App& app, int& status) {
  auto o = std::make_shared<bench_command>();
  auto* command = app.add_subcommand("bench", "Put publishers and players by the thousand on a server, and measure what they get");
  auto& run = o->run;
  command->add_option("URL", o->client.url, "The server and a stream name (see below)")->required();
  command->add_option("-n,--players", run.players, "How many play [1]")->check(CLI::Range(0U, 1'000'000U));
  command->add_option("--streams", run.streams, "How many are published, and players spread over: NAME, NAME-2, NAME-3 … [1]")->check(CLI::Range(1U, 100'000U));
  command->add_flag("--no-publish", o->no_publish, "Somebody else publishes: delays are known only if that is another millrace bench on this machine");
  command->add_option("--play", o->play_url, "Where players go, if not to URL: another transport, an edge server, or http://HOST:PORT/APP/NAME.flv")->option_text("URL");
  command->add_option("--seconds", o->seconds, "What is measured [10]")->check(CLI::Range(0.5, 1e6));
  command->add_option("--settle", o->settle_s, "Seconds between the last player's start and that [3]")->check(CLI::Range(0.0, 1e6));
  command->add_option("--joins-per-second", run.joins_per_second, "How fast players come [500]")->check(CLI::Range(0.1, 1e6));
  command->add_option("--watching", run.watching, "So many of the players look at every frame, evenly spread; the others count bytes after their first key frame,\n"
                      "which takes less than half of the time; plain TCP only [all]");
  command->add_option("--video", o->video_mbit, "Mb/s of video; sound is 0.128 [2.45]")->option_text("MBIT")->check(CLI::Range(0.01, 1000.0));
  command->add_option("--stalled", run.stalled, "So many players read nothing for a while, from the beginning of what is measured [0]");
  command->add_option("--stall", o->stall_s, "… namely so many seconds [10]")->check(CLI::Range(0.1, 1e6));
  command->add_option("--guests-per-second", run.guests_per_second, "In the second half, so many more players come per second [0]")->check(CLI::Range(0.0, 1e5));
  command->add_option("--guest-stays", o->guest_s, "… for so many seconds each [5]")->check(CLI::Range(0.1, 1e6));
  command->add_option("--pid", run.pids, "A process of the server, on this machine: its CPU time and memory")->option_text("PID …");
  command->add_flag("--json", o->json, "One JSON object on standard output");
  add_client_options(*command, o->client);
  command->footer(std::string(url_help) +
                  "\n\nPictures are 30 a second with a key frame every 2 s, sound is 47 frames a second; each says when it was due, so delays are those\n"
                  "from the encoder to the player. All of it runs on one thread, and the last line says if that was too slow.\n\n"
                  "Examples:\n"
                  "  millrace bench rtmp://127.0.0.1/live/load -n 800 --pid $(pidof nginx)\n"
                  "  millrace bench rtmp://127.0.0.1/live/load -n 500 --play rtmpq://127.0.0.1/live/load --insecure\n"
                  "  millrace bench rtmp://127.0.0.1/live/load -n 2000 --guests-per-second 200 --seconds 20 --json | jq .guests\n\n" +
                  exit_status_help);
  command->callback([o, &status] { status = run_bench(*o); });
}

}  // namespace millrace::cli
