// The clocks of the clients, under the times of an input or a server that may be anything: pacer, loop_clock, joining_clock, output_clock, source_pace,
// and with them backoff and rate_advice, which answer to a server as well.
#include <array>
#include <map>
#include <optional>

#include "client/pacing.hpp"
#include "client/rate_advice.hpp"
#include "client/retry.hpp"
#include "media_frames.hpp"
#include "rtmp/media_message.hpp"

namespace {

using namespace millrace;
using namespace std::chrono_literals;
using fuzz::operations;
using fuzz::require;

// Times as they come out of RTMP or of a file: 32 bits, widened.
class any_times {
 public:
  media::frame next(operations& in, base::instant now) {
    sent_ = in(24) == 0 ? static_cast<std::uint32_t>(in.number(4)) : sent_ + static_cast<std::uint32_t>(in(64)) - 4;
    auto f = fuzz::numbered_frame(fuzz::frame_kinds[in(3)], false, false, 0, 0);
    f.dts_ms = clock_.widen(sent_);
    f.arrival = now;
    return f;
  }

 private:
  std::uint32_t sent_ = 0;
  rtmp::dts_clock clock_;
};

// Never waits for longer than a pause may be, whatever the time says; the same frame has one time.
void pacer_of(operations& in) {
  client::pacer pace;
  any_times times;
  base::instant now = base::instant{} + 1h;
  while (in.more()) {
    now += std::chrono::milliseconds(in(100));
    if (in(32) == 0) pace.restart();
    const auto f = times.next(in, now);
    if (in(32) == 0) pace.anchor_to(f.dts_ms, now);
    const auto due = pace.due(f, now);
    require(pace.due(f, now) == due);
  }
}

// Never backwards within a kind, begins at 0, and a new session brings no hole.
void output_of(operations& in) {
  client::output_clock clock;
  any_times times;
  std::map<bool, std::int64_t> last;
  std::int64_t newest = 0;
  bool joins = false;
  while (in.more()) {
    if (in(16) == 0) clock.restart(), joins = true;
    const auto f = times.next(in, {});
    const auto out = clock.map(f);
    require(out >= 0);
    if (f.kind == media::frame_kind::data) continue;
    auto& before = last[f.kind == media::frame_kind::audio];
    require(out >= before);
    if (joins) require(out <= newest + 1'000);
    joins = false;
    before = out;
    newest = std::max(newest, out);
  }
}

// Two tracks of one clock, any distance apart that the slower may lie behind: the distance stays, however they take turns.
void output_of_two(operations& in) {
  client::output_clock clock;
  const auto behind = static_cast<std::int64_t>(in(10'000));
  std::int64_t video_ms = 0, audio_ms = 0;
  const auto map = [&](media::frame_kind kind, std::int64_t dts_ms) {
    auto f = fuzz::numbered_frame(kind, false, false, 0, 0);
    f.dts_ms = dts_ms;
    return clock.map(f);
  };
  require(map(media::frame_kind::video, 0) == 0);
  while (in.more()) {
    video_ms += static_cast<std::int64_t>(in(64));
    require(map(media::frame_kind::video, video_ms) == video_ms);
    if (video_ms - behind < audio_ms || in.chance()) continue;
    audio_ms = video_ms - behind;
    require(map(media::frame_kind::audio, audio_ms) == audio_ms);
  }
}

// For a muxer: never backwards within a track, whatever the times of the two.
void joining_of(operations& in) {
  client::joining_clock clock;
  std::array<any_times, 2> times;
  std::array<std::optional<std::int64_t>, 2> before;
  while (in.more()) {
    const std::size_t track = in.chance() ? 1 : 0;
    const auto dts = times[track].next(in, {}).dts_ms;
    const auto out = dts + clock.shift(track, dts);
    require(!before[track] || out >= *before[track]);
    before[track] = out;
  }
}

void loop_of(operations& in) {
  client::loop_clock clock;
  std::int64_t longest = 0, dts = 0;
  bool first = true;
  while (in.more()) {
    if (in(16) == 0) {
      clock.next_pass();
      dts = static_cast<std::int64_t>(in.number(2));
    }
    dts += static_cast<std::int64_t>(in(64));
    auto f = fuzz::numbered_frame(in.chance() ? media::frame_kind::audio : media::frame_kind::video, false, false, 0, 0);
    f.dts_ms = dts;
    const auto out = clock.map(f);
    if (first) require(out == 0);
    first = false;
    require(out >= longest);  // the times of this input rise, so those that it makes of them do
    longest = out;
  }
}

void others(operations& in) {
  client::source_pace source;
  client::rate_advice advice;
  client::backoff wait(in.number(8));
  any_times times;
  base::instant now = base::instant{} + 1h;
  std::uint64_t held_back = 0;
  while (in.more()) {
    now += std::chrono::milliseconds(in.number(in(16) == 0 ? 2 : 1));
    held_back += in(32) == 0 ? 1 : 0;
    static_cast<void>(source.live(times.next(in, now), held_back));
    const auto told = advice.update(now, static_cast<double>(in.number(3)), std::chrono::milliseconds(in(256) * 4));
    require(!told || (*told > 0 && *told < 1e12));
    if (in(8) == 0) wait.reset();
    const auto before = wait.attempts();
    const auto next = wait.next();
    require(next >= 800ms && next <= 36s && wait.attempts() == before + 1);
    if (before == 0) require(next <= 1'200ms);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  operations in(data, size);
  switch (in(4)) {
    case 0: pacer_of(in); break;
    case 1: {
      auto again = in;
      auto once_more = in;
      output_of(in);
      output_of_two(again);
      joining_of(once_more);
      break;
    }
    case 2: loop_of(in); break;
    default: others(in);
  }
  return 0;
}
