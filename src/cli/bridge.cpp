// millrace bridge: a local RTMP port in front of a remote server.
#include "client/bridge.hpp"

#include <fmt/format.h>

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

struct bridge_command {
  client_options client;
  std::string listen = "127.0.0.1:1935";
  std::optional<std::uint32_t> push_back_ms;
};

void show(const client::bridge& b, unsigned second) {
  // One line each; on a terminal only the first fits the progress line.
  const auto flows = b.report();
  if (flows.empty()) return;
  const auto line = [](const client::bridge_flow_report& f) {
    return fmt::format("{} {}  {}  queue {} ms{}  frames {}  dropped {}", f.publishing ? "publish" : "play", f.remote,
                       f.transport.empty() ? "reconnecting" : f.transport, f.queue_age.count(), f.pushing_back ? " (holding the encoder back)" : "",
                       f.frames, f.frames_dropped);
  };
  if (console::is_terminal()) {
    auto text = line(flows.front());
    if (flows.size() > 1) text += fmt::format("  and {} more", flows.size() - 1);
    console::draw(one_line(text).substr(0, console::columns()));
  } else if (second % 10 == 0) {
    for (const auto& f : flows) console::write_line("millrace bridge: " + one_line(line(f)));
  }
}

int run_bridge(const bridge_command& o) {
  auto names = uri_options_of(o.client);
  if (!names) return fail("bridge", names.error());
  auto route = client::parse_bridge_route(o.client.url, *names);
  if (!route) return fail("bridge", route.error());
  warn_of_misspelt(route->base, *names);
  apply_pin(o.client, route->base);
  auto settings = settings_of(o.client);
  if (!settings) return fail("bridge", settings.error());
  auto address = net::parse_listen_address(o.listen);
  if (!address) return fail("bridge", std::move(address).error().within("--listen"));
  if (o.listen.find_first_not_of("0123456789:") == std::string::npos) address->host = "127.0.0.1";  // a port alone: only for this machine
  net::dial_memory memory;
  client::bridge_options options;
  options.listen = *address;
  options.route = std::move(*route);
  options.link = *settings;
  options.link.memory = &memory;
  if (o.push_back_ms) options.push_back_age = std::chrono::milliseconds(*o.push_back_ms);

  std::signal(SIGPIPE, SIG_IGN);
  boost::asio::io_context io(1);
  const auto& base = options.route.base;
  const auto host = options.listen.host.find(':') == std::string::npos ? options.listen.host : "[" + options.listen.host + "]";
  const std::string local = fmt::format("rtmp://{}:", host);
  const std::string path = "/" + (base.app.empty() ? std::string("APP") : base.app);
  const std::string remote = base.app.empty() ? fmt::format("{} port {}", base.host, base.port) : base.display(true);
  client::bridge bridge(io, std::move(options));
  if (auto started = bridge.start(); !started) return fail("bridge", started.error());
  base::log::info("ready: publish to or play from {}{}{} (any stream key); it goes to {}", local, bridge.port(), path, remote);
  auto interrupted = stop_on_signal(io, [&] { bridge.stop([&] { io.stop(); }); });
  unsigned second = 0;
  auto every_second = repeat_every_second(io, [&] {
    if (!globals().quiet) show(bridge, second++);
  });
  io.run();
  interrupted.reset();
  every_second.reset();
  finish_closing(io);
  console::settle();
  return exit_ok;
}

}  // namespace

void add_bridge(CLI::App& app, int& status) {
  auto o = std::make_shared<bridge_command>();
  auto* command = app.add_subcommand("bridge", "A local RTMP port whose publishes and plays go to a remote server, over QUIC");
  command->add_option("URL", o->client.url, "The remote server, with or without application and stream name (see below)")->required();
  command->add_option("--listen", o->listen, "The local port, plain RTMP, for this machine only unless an address says otherwise [127.0.0.1:1935]")
      ->option_text("ADDR:PORT");
  command->add_option("--push-back", o->push_back_ms, "Hold the encoder back when media waits longer than this for the network, which it notices if it can change its bit rate\n"
                                                      "[500; not over QUIC to a millrace, where late pictures are left out, unless this is given]")
      ->option_text("MS")
      ->check(CLI::Range(50, 10'000));
  add_client_options(*command, o->client);
  command->footer(std::string(url_help) +
                  "\nWithout /APP/STREAM the local names go through; with /APP the local stream name does; with both they are fixed.\n\n"
                  "Examples:\n"
                  "  millrace bridge rtmpq://example.com\n"
                  "    OBS: Settings, Stream, Custom: server rtmp://127.0.0.1/live, stream key as the remote server wants it.\n"
                  "    OBS follows the network through the bridge with --push-back 500 and OBS's \"Dynamically change bitrate\".\n"
                  "    VLC or ffplay: rtmp://127.0.0.1/live/show\n"
                  "  millrace bridge --listen :1936 'rtmpq://example.com/live/show?key=SECRET'\n"
                  "    ffmpeg -re -i clip.mp4 -c copy -f flv rtmp://127.0.0.1:1936/any/name\n\n" +
                  exit_status_help);
  command->callback([o, &status] { status = run_bridge(*o); });
}

}  // namespace millrace::cli
