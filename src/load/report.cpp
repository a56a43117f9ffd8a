// What a run saw, for people and for scripts.
#include <fmt/format.h>

#include <boost/json.hpp>

#include "base/escape.hpp"
#include "load/run.hpp"

namespace millrace::load {
namespace {

namespace json = boost::json;

std::string times(const histogram& h) {
  if (h.total() == 0) return "none seen";
  return fmt::format("p50 {:.1f} ms, p99 {:.1f} ms, longest {:.1f} ms", h.share_ms(0.5), h.share_ms(0.99), h.max_ms());
}

json::value times_value(const histogram& h) {
  if (h.total() == 0) return nullptr;
  return json::object{{"p50", h.share_ms(0.5)}, {"p95", h.share_ms(0.95)}, {"p99", h.share_ms(0.99)}, {"max", h.max_ms()}, {"count", h.total()}};
}

double per_gigabyte(const run_report& r) { return r.bytes == 0 ? 0 : r.server->cpu_seconds / (static_cast<double>(r.bytes) / 1e9); }

double rss_per_player(const run_report& r) {
  if (!r.rss_before_players || r.playing == 0 || r.server->rss_bytes <= *r.rss_before_players) return 0;
  return static_cast<double>(r.server->rss_bytes - *r.rss_before_players) / r.playing;
}

// Of publishers alone: viewers would count too.
std::optional<double> rss_per_stream(const run_report& r) {
  if (!r.rss_before_streams || r.players > 0 || r.server->rss_bytes <= *r.rss_before_streams) return std::nullopt;
  return static_cast<double>(r.server->rss_bytes - *r.rss_before_streams) / r.streams;
}

}  // namespace

std::string report_text(const run_report& r) {
  std::string out = fmt::format("{}: {} players of {} stream{}, measured for {:.1f} s\n", r.url, r.players, r.streams, r.streams == 1 ? "" : "s", r.seconds);
  const auto line = [&](std::string_view what, const std::string& text) { out += fmt::format("  {:<12} {}\n", what, text); };
  if (r.players > 0) {
    line("players", fmt::format("{} play, {} failed{}", r.playing, r.failed, r.first_failure.empty() ? "" : " (the first: " + base::escaped(r.first_failure) + ")"));
    line("rate", fmt::format("middle {:.2f} Mb/s, least {:.2f} Mb/s{}", r.bits_per_second_middle / 1e6, r.bits_per_second_least / 1e6,
                             r.stream_bits_per_second > 0 ? fmt::format("; {} held the stream's {:.2f} Mb/s", r.held, r.stream_bits_per_second / 1e6) : ""));
    line("frames", fmt::format("{} came, {} lost{}", r.all.frames, r.all.lost,
                               r.watching < r.players ? fmt::format("; these and the delay: of {} players that look at their frames", r.watching) : ""));
    line("delay", times(r.all.delay));
    line("start", "to play: " + times(r.all.connect));
    line("", "from there to the first video: " + times(r.all.first_video));
    line("", "from there to a whole key frame: " + times(r.all.first_key));
  }
  if (r.stalled_players > 0) {
    line("stalled", fmt::format("{} players: {} frames came, {} lost, delay {}", r.stalled_players, r.stalled.frames, r.stalled.lost, times(r.stalled.delay)));
  }
  if (r.guests_come > 0) {
    line("guests", fmt::format("{} came, {} failed; to play: {}; to a key frame: {}", r.guests_come, r.guests_failed, times(r.guests.connect), times(r.guests.first_key)));
    line("", "delay of the others before: " + times(r.delay_before_guests));
    line("", "                     since: " + times(r.delay_with_guests));
  }
  if (r.server) {
    auto text = fmt::format("{:.2f} of a core, memory {:.1f} MB", r.server->cpu_seconds / r.seconds, static_cast<double>(r.server->rss_bytes) / 1e6);
    if (r.playing > 0) text += fmt::format("; {:.2f} CPU s per GB, {:.1f} kB more per player", per_gigabyte(r), rss_per_player(r) / 1e3);
    if (const auto each = rss_per_stream(r)) text += fmt::format("; {:.1f} kB more per stream", *each / 1e3);
    line("server", text);
  }
  line("generator", fmt::format("{:.2f} of a core, frames sent at most {:.1f} ms late{}", r.generator_load, r.publisher_latest_ms,
                                r.generator_too_slow() ? ": TOO SLOW, so these are its limits and not the server's" : ""));
  return out;
}

std::string report_json(const run_report& r) {
  json::object out;
  out["url"] = r.url;
  out["seconds"] = r.seconds;
  out["streams"] = r.streams;
  out["stream_bits_per_second"] = r.stream_bits_per_second > 0 ? json::value(r.stream_bits_per_second) : json::value(nullptr);
  out["players"] = json::object{{"wanted", r.players},
                                {"playing", r.playing},
                                {"failed", r.failed},
                                {"first_failure", r.first_failure.empty() ? json::value(nullptr) : json::value(base::escaped(r.first_failure, 1024))},
                                {"held", r.held},
                                {"bits_per_second_middle", r.bits_per_second_middle},
                                {"bits_per_second_least", r.bits_per_second_least},
                                {"bytes", r.bytes},
                                {"watching", r.watching},
                                {"frames", r.all.frames},
                                {"frames_lost", r.all.lost},
                                {"delay_ms", times_value(r.all.delay)},
                                {"connect_ms", times_value(r.all.connect)},
                                {"first_video_ms", times_value(r.all.first_video)},
                                {"first_key_ms", times_value(r.all.first_key)}};
  if (r.stalled_players > 0) {
    out["stalled"] = json::object{
        {"players", r.stalled_players}, {"frames", r.stalled.frames}, {"frames_lost", r.stalled.lost}, {"delay_ms", times_value(r.stalled.delay)}};
  }
  if (r.guests_come > 0) {
    out["guests"] = json::object{{"came", r.guests_come},
                                 {"failed", r.guests_failed},
                                 {"connect_ms", times_value(r.guests.connect)},
                                 {"first_key_ms", times_value(r.guests.first_key)},
                                 {"others_delay_before_ms", times_value(r.delay_before_guests)},
                                 {"others_delay_since_ms", times_value(r.delay_with_guests)}};
  }
  if (r.server) {
    json::array threads;
    for (const auto& [thread, cpu] : r.server->thread_cpu_seconds) threads.push_back(cpu);
    out["server"] = json::object{{"cpu_seconds", r.server->cpu_seconds},
                                 {"cpu_seconds_of_threads", std::move(threads)},
                                 {"cpu_seconds_per_gigabyte", r.playing > 0 ? json::value(per_gigabyte(r)) : json::value(nullptr)},
                                 {"rss_bytes", r.server->rss_bytes},
                                 {"rss_bytes_per_stream", rss_per_stream(r) ? json::value(*rss_per_stream(r)) : json::value(nullptr)},
                                 {"rss_bytes_per_player", r.playing > 0 ? json::value(rss_per_player(r)) : json::value(nullptr)}};
  }
  out["core_busy"] = json::array(r.core_busy.begin(), r.core_busy.end());
  out["generator"] = json::object{{"load", r.generator_load}, {"publisher_latest_ms", r.publisher_latest_ms}, {"too_slow", r.generator_too_slow()}};
  return json::serialize(out);
}

}  // namespace millrace::load
