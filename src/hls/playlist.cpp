#include "hls/playlist.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <iterator>

namespace millrace::hls {
namespace {

std::string seconds(std::int64_t ms) { return fmt::format("{}.{:03}", ms / 1000, ms % 1000); }

std::string date_time(std::int64_t ms) {
  using namespace std::chrono;
  const sys_time<milliseconds> at{milliseconds(ms)};
  const auto day = floor<days>(at);
  const year_month_day date(day);
  const hh_mm_ss time(at - day);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                     static_cast<unsigned>(date.day()), time.hours().count(), time.minutes().count(), time.seconds().count(),
                     time.subseconds().count());
}

using out_text = std::back_insert_iterator<std::string>;

void write_head(out_text out, const media_playlist& p, std::size_t skipped) {
  // EXT-X-SKIP asks for 9, EXT-X-MAP without I-frames only for 6, fractions of EXTINF for 3 (draft section 8).
  fmt::format_to(out, "#EXTM3U\n#EXT-X-VERSION:{}\n#EXT-X-TARGETDURATION:{}\n", p.low_latency() ? 9 : 3, p.target_s);
  if (p.low_latency()) {
    // PART-HOLD-BACK: at least twice, better three times the part target. HOLD-BACK is three target durations where it is not said.
    fmt::format_to(out, "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK={},CAN-SKIP-UNTIL={}\n", seconds(3 * p.part_target_ms),
                   seconds(p.skip_until_ms()));
    fmt::format_to(out, "#EXT-X-PART-INF:PART-TARGET={}\n", seconds(p.part_target_ms));
  } else {
    fmt::format_to(out, "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES\n");
  }
  fmt::format_to(out, "#EXT-X-MEDIA-SEQUENCE:{}\n#EXT-X-DISCONTINUITY-SEQUENCE:{}\n", p.segments.empty() ? 0 : p.segments.front()->msn,
                 p.discontinuity_sequence);
  if (std::ranges::all_of(p.segments, [](const segment_entry* s) { return s->independent(); })) fmt::format_to(out, "#EXT-X-INDEPENDENT-SEGMENTS\n");
  if (skipped > 0) fmt::format_to(out, "#EXT-X-SKIP:SKIPPED-SEGMENTS={}\n", skipped);
}

void write_parts(out_text out, const segment_entry& s) {
  for (std::size_t i = 0; i < s.parts.size(); ++i) {
    fmt::format_to(out, "#EXT-X-PART:DURATION={},URI=\"{}\"{}\n", seconds(s.parts[i].duration_ms), part_name(s.msn, i),
                   s.parts[i].independent ? ",INDEPENDENT=YES" : "");
  }
}

}  // namespace

std::int64_t media_playlist::duration_ms() const {
  std::int64_t sum = 0;
  for (const auto* s : segments) sum += s->duration_ms;
  return sum;
}

std::size_t media_playlist::skippable() const {
  if (!low_latency() || ended) return 0;
  auto from_end = duration_ms();
  std::size_t count = 0;
  for (const auto* s : segments) {
    from_end -= s->duration_ms;
    if (from_end < skip_until_ms() || !s->complete) break;
    ++count;
  }
  return count;
}

std::string text_of(const media_playlist& p, bool delta) {
  std::string text;
  const out_text out(text);
  const auto skipped = delta ? p.skippable() : 0;
  write_head(out, p, skipped);
  auto from_end = p.duration_ms();
  const segment_entry* before = nullptr;
  for (std::size_t i = 0; i < p.segments.size(); ++i) {
    const auto& s = *p.segments[i];
    // What is skipped the client has, with its initialization section.
    if (i >= skipped) {
      if (s.discontinuity) fmt::format_to(out, "#EXT-X-DISCONTINUITY\n");
      if (p.container == mux::container::fmp4 && (before == nullptr || before->init != s.init))
        fmt::format_to(out, "#EXT-X-MAP:URI=\"{}\"\n", init_name(s.init));
      fmt::format_to(out, "#EXT-X-PROGRAM-DATE-TIME:{}\n", date_time(s.wall_ms));
      // Parts that end more than three target durations before the end are of no use any more (draft section 6.2.2).
      const auto end_from_end = from_end - s.duration_ms;
      if (p.low_latency() && end_from_end < 3 * p.target_s * 1000) write_parts(out, s);
      if (s.complete) fmt::format_to(out, "#EXTINF:{},\n{}\n", seconds(s.duration_ms), segment_name(p.container, s.msn));
    }
    from_end -= s.duration_ms;
    before = &s;
  }
  if (p.ended) {
    fmt::format_to(out, "#EXT-X-ENDLIST\n");
  } else if (p.low_latency() && before != nullptr) {
    const auto next = before->complete ? part_name(before->msn + 1, 0) : part_name(before->msn, before->parts.size());
    fmt::format_to(out, "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"{}\"\n", next);
  }
  return text;
}

std::string text_of(const variant& v) {
  std::string codecs, video;
  for (const auto& t : v.tracks) {
    codecs += (codecs.empty() ? "" : ",") + t.codecs;
    if (t.kind != media::frame_kind::video) continue;
    video += fmt::format(",RESOLUTION={}x{}", t.width, t.height);
    if (t.frame_rate > 0) video += fmt::format(",FRAME-RATE={:.3f}", t.frame_rate);
  }
  return fmt::format("#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-STREAM-INF:BANDWIDTH={},AVERAGE-BANDWIDTH={},CODECS=\"{}\"{}\n{}\n", v.bandwidth,
                     v.average_bandwidth, codecs, video, v.uri);
}

std::string init_name(std::uint64_t number) { return fmt::format("init-{}.mp4", number); }
std::string segment_name(mux::container c, std::uint64_t msn) { return fmt::format("seg-{}.{}", msn, c == mux::container::fmp4 ? "m4s" : "ts"); }
std::string part_name(std::uint64_t msn, std::size_t part) { return fmt::format("part-{}-{}.m4s", msn, part); }

std::string uri_segment(std::string_view name) {
  std::string out;
  for (const char c : name) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
    out += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

}  // namespace millrace::hls
