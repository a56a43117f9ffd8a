// The times of a stream: time_base under publishers whose clocks do anything, time_squeeze over any backlog, dts_clock over any 32 bits.
#include <algorithm>
#include <map>

#include "hub/time_base.hpp"
#include "hub/time_squeeze.hpp"
#include "operations.hpp"
#include "rtmp/media_message.hpp"

namespace {

using namespace millrace;
using fuzz::operations;
using fuzz::require;

// No track steps back for a viewer that stays, whoever publishes; a publisher that follows begins where the stream is.
void base_of(operations& in) {
  hub::time_base time;
  time.begin(false);
  std::map<std::pair<media::frame_kind, std::uint8_t>, std::int64_t> last;
  std::map<std::size_t, rtmp::dts_clock> clocks;
  std::int64_t now_ms = 0;
  std::optional<std::int64_t> newest, seam;
  std::uint32_t sent = 0;
  while (in.more()) {
    now_ms += static_cast<std::int64_t>(in(8) == 0 ? in.number(2) : in(64));
    switch (in(16)) {
      case 0: {
        const bool stays = in.chance();
        time.begin(stays);
        clocks.clear();
        last.clear();
        seam = stays ? newest : std::nullopt;
        if (!stays) newest.reset();
        break;
      }
      case 1: sent = static_cast<std::uint32_t>(in.number(4)); break;
      default: {
        sent += static_cast<std::uint32_t>(in(48));
        media::frame f;
        f.kind = std::array{media::frame_kind::audio, media::frame_kind::video, media::frame_kind::data}[in(3)];
        const auto track = static_cast<std::uint8_t>(f.kind == media::frame_kind::data ? 0 : in(2));
        f.config = f.kind != media::frame_kind::data && in(16) == 0;
        f.dts_ms = clocks[0].widen(in(32) == 0 ? static_cast<std::uint32_t>(in.number(4)) : sent);
        f.arrival = base::instant(std::chrono::milliseconds(now_ms));
        const auto out = time.stamp(f, track);
        const auto before = last.find({f.kind, track});
        require(before == last.end() || out >= before->second);
        require(!seam || out >= *seam);
        last[{f.kind, track}] = out;
        newest = newest ? std::max(*newest, out) : out;
      }
    }
  }
}

void squeeze_of(operations& in) {
  std::vector<std::int64_t> decoded, shown;
  std::int64_t dts = static_cast<std::int64_t>(in.number(4));
  const auto first = dts;
  while (in.more() && decoded.size() < 200) {
    decoded.push_back(dts);
    shown.push_back(dts + static_cast<std::int64_t>(in(100)) - (in(8) == 0 ? 50 : 0));
    dts += static_cast<std::int64_t>(in(120));
  }
  if (decoded.empty()) return;
  const auto wanted = std::chrono::milliseconds(decoded.size() % 7 * 100);
  const auto edge = decoded.back() - static_cast<std::int64_t>(shown.size() % 3 * 10);
  auto any_order = decoded;
  if (decoded.size() > 2) std::swap(any_order[1], any_order.back());
  const auto squeeze = hub::time_squeeze::make(any_order, shown, edge, wanted);
  if (!squeeze) return;
  require(squeeze->edge_ms() == edge && squeeze->start_ms() <= edge && squeeze->start_ms() >= first);
  require(squeeze->map(first) == squeeze->start_ms());
  auto check = [&](std::vector<std::int64_t> times, bool strictly) {
    std::sort(times.begin(), times.end());
    times.erase(std::unique(times.begin(), times.end()), times.end());
    for (std::size_t i = 0; i < times.size(); ++i) {
      const auto to = squeeze->map(times[i]);
      require(to >= times[i]);
      if (times[i] >= edge) require(to == times[i]);
      if (i > 0) require(to > squeeze->map(times[i - 1]) || (!strictly && to == squeeze->map(times[i - 1])));
    }
  };
  check(decoded, true);
  check(shown, true);
  decoded.insert(decoded.end(), shown.begin(), shown.end());
  check(decoded, false);
}

// The wire's time comes back out of the widened one, and a step is never longer than half of what the wire can count.
void clock_of(operations& in) {
  rtmp::dts_clock clock;
  std::optional<std::int64_t> before;
  std::uint32_t sent = 0;
  bool counts_31 = false;
  while (in.more()) {
    const auto was = sent;
    sent = in(4) == 0 ? static_cast<std::uint32_t>(in.number(4)) : sent + static_cast<std::uint32_t>(in(64)) - 8;
    counts_31 = counts_31 || (was < 0x8000'0000u && was >= 0x8000'0000u - 60'000 && sent < 60'000);
    const auto wide = clock.widen(sent);
    require(counts_31 || static_cast<std::uint32_t>(wide) == sent);
    if (before) require(wide - *before <= 0x8000'0000ll && *before - wide <= 0x8000'0000ll);
    before = wide;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  operations in(data, size);
  switch (in(3)) {
    case 0: base_of(in); break;
    case 1: squeeze_of(in); break;
    default: clock_of(in);
  }
  return 0;
}
