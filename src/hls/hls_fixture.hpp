// What tests of packager and service share: a stream with a manual clock, and a client that believes nothing.
#pragma once
#include <gtest/gtest.h>

#include <charconv>
#include <cmath>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "hls/packager.hpp"
#include "hls/presentation.hpp"
#include "hub/stream.hpp"
#include "mux/mux_fixture.hpp"

namespace millrace::hls::testing {

using namespace mux::testing;

inline base::instant at_ms(std::int64_t ms) { return base::instant(std::chrono::milliseconds(ms)); }

// A media playlist as a client reads it.
struct read_playlist {
  struct part {
    std::int64_t ms = 0;
    std::string uri;
    bool independent = false;
  };
  struct segment {
    std::uint64_t msn = 0, discontinuity = 0;
    std::int64_t ms = 0;  // 0: open
    std::string uri, map, date;
    std::vector<part> parts;
  };
  std::int64_t target_s = 0, part_target_ms = 0, part_hold_back_ms = 0, skip_until_ms = 0;
  std::uint64_t first_msn = 0, discontinuity_sequence = 0, skipped = 0;
  std::vector<segment> segments;
  std::string hint;
  bool ended = false, independent_segments = false;
};

inline std::int64_t ms_of(const std::string& seconds) { return std::llround(std::stod(seconds) * 1000); }
inline std::string attribute(const std::string& line, const std::string& name) {
  auto at = line.find(":" + name + "=");
  if (at == std::string::npos) at = line.find("," + name + "=");
  if (at == std::string::npos) return {};
  at += name.size() + 2;
  if (line[at] == '"') return line.substr(at + 1, line.find('"', at + 1) - at - 1);
  return line.substr(at, line.find(',', at) - at);
}

inline read_playlist read(const std::string& text) {
  read_playlist out;
  read_playlist::segment open;
  std::string map;
  std::uint64_t discontinuity = 0;
  const auto value = [](const std::string& line) { return line.substr(line.find(':') + 1); };
  std::size_t at = 0;
  EXPECT_TRUE(text.starts_with("#EXTM3U\n"));
  while (at < text.size()) {
    const auto end = text.find('\n', at);
    const auto line = text.substr(at, end - at);
    at = end + 1;
    if (line.starts_with("#EXT-X-TARGETDURATION:"))
      out.target_s = std::stoll(value(line));
    else if (line.starts_with("#EXT-X-MEDIA-SEQUENCE:"))
      out.first_msn = std::stoull(value(line));
    else if (line.starts_with("#EXT-X-DISCONTINUITY-SEQUENCE:"))
      out.discontinuity_sequence = discontinuity = std::stoull(value(line));
    else if (line.starts_with("#EXT-X-PART-INF:"))
      out.part_target_ms = ms_of(attribute(line, "PART-TARGET"));
    else if (line.starts_with("#EXT-X-SKIP:"))
      out.skipped = std::stoull(attribute(line, "SKIPPED-SEGMENTS"));
    else if (line.starts_with("#EXT-X-SERVER-CONTROL:")) {
      if (const auto t = attribute(line, "PART-HOLD-BACK"); !t.empty()) out.part_hold_back_ms = ms_of(t);
      if (const auto t = attribute(line, "CAN-SKIP-UNTIL"); !t.empty()) out.skip_until_ms = ms_of(t);
    } else if (line == "#EXT-X-DISCONTINUITY")
      ++discontinuity;
    else if (line == "#EXT-X-INDEPENDENT-SEGMENTS")
      out.independent_segments = true;
    else if (line.starts_with("#EXT-X-MAP:"))
      map = attribute(line, "URI");
    else if (line.starts_with("#EXT-X-PROGRAM-DATE-TIME:"))
      open.date = value(line);
    else if (line.starts_with("#EXT-X-PART:"))
      open.parts.push_back({ms_of(attribute(line, "DURATION")), attribute(line, "URI"), attribute(line, "INDEPENDENT") == "YES"});
    else if (line.starts_with("#EXTINF:"))
      open.ms = ms_of(value(line));
    else if (line.starts_with("#EXT-X-PRELOAD-HINT:"))
      out.hint = attribute(line, "URI");
    else if (line == "#EXT-X-ENDLIST")
      out.ended = true;
    else if (!line.empty() && line.front() != '#') {
      open.uri = line;
      open.map = map;
      open.discontinuity = discontinuity;
      open.msn = out.first_msn + out.skipped + out.segments.size();
      out.segments.push_back(std::exchange(open, {}));
    }
  }
  if (!open.parts.empty()) {
    open.msn = out.first_msn + out.skipped + out.segments.size();
    open.map = map;
    open.discontinuity = discontinuity;
    out.segments.push_back(open);
  }
  return out;
}

// Reads one playlist after another and holds each to the rules, and to what the ones before said.
class strict_client {
 public:
  void read_next(const std::string& text) {
    SCOPED_TRACE(text);
    const auto now = read(text);
    check_alone(now);
    if (before_) check_against_before(now);
    for (const auto& s : now.segments) remember(s);
    before_ = now;
    ++playlists;
  }
  [[nodiscard]] const read_playlist& newest() const { return *before_; }
  int playlists = 0;
  bool may_be_short = false;
  std::map<std::uint64_t, read_playlist::segment> seen;  // by msn

 private:
  void check_alone(const read_playlist& p) {
    ASSERT_GE(p.target_s, 1);
    for (const auto& s : p.segments) {
      // RFC 8216 section 4.3.3.1.
      EXPECT_LE((s.ms + 500) / 1000, p.target_s) << s.msn;
      if (p.part_target_ms == 0) continue;
      std::int64_t parts = 0;
      for (std::size_t i = 0; i < s.parts.size(); ++i) {
        EXPECT_LE(s.parts[i].ms, p.part_target_ms) << s.msn << ' ' << i;
        const bool last = s.ms > 0 && i + 1 == s.parts.size();
        // Draft section 4.4.4.9.
        if (!last) {
          EXPECT_GE(s.parts[i].ms * 100, p.part_target_ms * 85) << s.msn << ' ' << i;
        }
        EXPECT_GT(s.parts[i].ms, 0);
        parts += s.parts[i].ms;
      }
      if (s.ms > 0 && !s.parts.empty()) {
        EXPECT_EQ(parts, s.ms) << s.msn;
      }
      if (p.independent_segments && !s.parts.empty()) {
        EXPECT_TRUE(s.parts.front().independent) << s.msn;
      }
      EXPECT_FALSE(s.map.empty() && p.skipped == 0) << s.msn;
    }
    if (p.part_target_ms == 0) return;
    EXPECT_GE(p.part_hold_back_ms, 3 * p.part_target_ms);
    EXPECT_GE(p.skip_until_ms, 6 * p.target_s * 1000);
    EXPECT_NE(p.ended, !p.hint.empty());
    // Parts of what is within three target durations of the end are listed.
    std::int64_t from_end = 0;
    for (auto s = p.segments.rbegin(); s != p.segments.rend(); ++s) {
      EXPECT_EQ(!s->parts.empty(), from_end < 3 * p.target_s * 1000) << s->msn;
      for (const auto& one : s->parts) from_end += s->ms > 0 ? 0 : one.ms;
      from_end += s->ms;
    }
  }

  void check_against_before(const read_playlist& p) {
    const auto& b = *before_;
    // What may never change (RFC 8216 section 6.2.1, draft section 4.4.3.7).
    EXPECT_EQ(p.target_s, b.target_s);
    EXPECT_EQ(p.part_target_ms, b.part_target_ms);
    EXPECT_GE(p.first_msn, b.first_msn);
    EXPECT_GE(p.discontinuity_sequence, b.discontinuity_sequence);
    if (p.first_msn > b.first_msn && !may_be_short) {
      // Section 6.2.2: what stays is three target durations at least.
      std::int64_t sum = 0;
      for (const auto& s : p.segments) sum += s.ms;
      EXPECT_GE(sum, 3 * p.target_s * 1000);
    }
    for (const auto& s : p.segments) {
      const auto known = seen.find(s.msn);
      if (known == seen.end()) continue;
      const auto& k = known->second;
      // Also when the segments before it have left: section 4.3.3.3 is about that.
      EXPECT_EQ(s.discontinuity, k.discontinuity) << s.msn;
      EXPECT_EQ(s.date, k.date) << s.msn;
      EXPECT_EQ(s.map, k.map) << s.msn;
      if (k.ms > 0) {
        EXPECT_EQ(s.ms, k.ms) << s.msn;
      }
      for (std::size_t i = 0; i < std::min(s.parts.size(), k.parts.size()); ++i) {
        EXPECT_EQ(s.parts[i].ms, k.parts[i].ms) << s.msn;
        EXPECT_EQ(s.parts[i].uri, k.parts[i].uri) << s.msn;
      }
      if (!s.parts.empty()) {
        EXPECT_GE(s.parts.size(), k.parts.size()) << s.msn;
      }
    }
    // No segment was missed: the numbers follow one another.
    if (!p.segments.empty() && !seen.empty()) {
      EXPECT_LE(p.segments.front().msn, seen.rbegin()->first + 1);
    }
  }

  void remember(const read_playlist::segment& s) {
    auto& k = seen[s.msn];
    auto parts = std::move(k.parts);
    k = s;
    if (k.parts.size() < parts.size()) k.parts = std::move(parts);
  }

  std::optional<read_playlist> before_;
};

inline std::string text_of(const answer& a) {
  const auto bytes = a.body.flatten();
  return {bytes.begin(), bytes.end()};
}

// A stream, a publisher and a packager, in manual time.
struct stage {
  explicit stage(settings how = {}, mux::container container = mux::container::fmp4)
      : stream(std::make_shared<hub::stream>("live/a b", base::hub_limits{})), to(std::make_shared<presentation>("live/a b", container, how)) {}

  clocks time() {
    return {[this] { return at_ms(now_ms); }, at_ms(0), std::chrono::system_clock::time_point(std::chrono::seconds(1000))};
  }
  void publish() { publisher = std::move(stream->publish()).value(); }
  void package() { packing.emplace(stream, to, time()); }
  void push(media::frame f) {
    now_ms = std::max(now_ms, f.dts_ms + lead_ms);
    f.arrival = at_ms(now_ms);
    publisher->append(std::move(f));
    publisher->flush();
    if (watch) watch();
  }
  // `count` pictures at `interval_ms` (rounded), a key frame each `gop`, and 48 kHz AAC beside them if `sound`.
  void play(int count, double interval_ms, int gop, bool sound = true, bool pictures = true) {
    for (int i = 0; i < count; ++i, ++played) {
      const auto v = std::llround(begin_ms + played * interval_ms);
      if (pictures) push(played % gop == 0 ? key(v) : inter(v));
      while (sound && begin_ms + sounds * 1024 / 48.0 < begin_ms + (played + 1) * interval_ms)
        push(audio(std::llround(begin_ms + sounds++ * 1024 / 48.0)));
    }
  }
  std::optional<answer> ask(request what) {
    std::optional<answer> got;
    const auto kept = std::make_shared<std::optional<answer>*>(&got);
    to->get(what, at_ms(now_ms), [kept](answer a) {
      if (*kept) **kept = std::move(a);
    });
    *kept = nullptr;
    return got;
  }
  std::optional<answer> get(std::string_view rest, std::string_view query = "") { return ask(parse_request(rest, query).value()); }
  std::string playlist() {
    const auto a = get("/index.m3u8");
    return a ? text_of(*a) : std::string();
  }

  std::int64_t now_ms = 0, lead_ms = 0;
  double begin_ms = 0;
  int played = 0, sounds = 0;
  std::shared_ptr<hub::stream> stream;
  std::shared_ptr<presentation> to;
  std::unique_ptr<hub::publication> publisher;
  std::function<void()> watch;  // after each frame
  std::optional<packager> packing;
};

}  // namespace millrace::hls::testing
