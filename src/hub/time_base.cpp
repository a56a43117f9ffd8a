#include "hub/time_base.hpp"

#include <algorithm>
#include <cstdlib>

namespace millrace::hub {
namespace {

// Distance to the first frame of a publisher or a clock that follows at once: one frame at 30 per second.
constexpr std::int64_t least_gap_ms = 33;
constexpr std::int64_t jitter_ms = 1'000;
// Slide shows send a picture now and then, and bursts are sent faster than they are shown: generous.
constexpr std::int64_t leap_ms = 60'000;
// How far the tracks of one source are apart at most when it starts anew.
constexpr std::int64_t same_clock_ms = 10'000;

std::int64_t passed_ms(base::instant from, base::instant to) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(to - from).count();
}

}  // namespace

void time_base::begin(bool rebase) {
  deciding_ = rebase && any_;
  resume_ms_.reset();
  offset_ms_ = 0;
  media_seen_ = false;
  tracks_.clear();
  if (!deciding_) any_ = false;
}

std::int64_t time_base::stamp(const media::frame& f, std::uint8_t track) {
  if (deciding_ && !resume_ms_) resume_ms_ = newest_ms_ + std::max(least_gap_ms, passed_ms(newest_arrival_, f.arrival));
  auto& t = clock_of(f, track);
  const bool aside = f.kind == media::frame_kind::data || f.config;
  const auto out = std::max(aside ? stamp_aside(t, f) : stamp_media(t, f), t.last_out_ms);
  t.last_out_ms = out;
  newest_ms_ = any_ ? std::max(newest_ms_, out) : out;
  newest_arrival_ = f.arrival;
  any_ = true;
  return out;
}

time_base::track_clock& time_base::clock_of(const media::frame& f, std::uint8_t track) {
  const unsigned key = static_cast<unsigned>(f.kind) << 8 | track;
  const auto found = std::find_if(tracks_.begin(), tracks_.end(), [key](const track_clock& t) { return t.key == key; });
  if (found != tracks_.end()) return *found;
  auto& added = tracks_.emplace_back();
  added.key = key;
  // A track may start a little before the one that decided: it is held at the seam, where it would step back.
  if (resume_ms_) added.last_out_ms = *resume_ms_;
  return added;
}

std::int64_t time_base::stamp_media(track_clock& t, const media::frame& f) {
  if (deciding_) {
    deciding_ = false;
    offset_ms_ = *resume_ms_ - f.dts_ms;
  } else if (!media_seen_) {
    // A configuration with a time far ahead of its media would hold the track there until the media has come that far.
    const auto ahead = std::max_element(tracks_.begin(), tracks_.end(), [](const track_clock& a, const track_clock& b) { return a.held_ms() < b.held_ms(); });
    if (ahead->held_ms() > f.dts_ms + jitter_ms) offset_ms_ = ahead->held_ms() - f.dts_ms;
  }
  media_seen_ = true;
  if (!t.begun) {
    t.begun = true;
    t.offset_ms = offset_ms_;
  } else {
    follow_step(t, f);
  }
  t.last_in_ms = f.dts_ms;
  t.last_arrival = f.arrival;
  return f.dts_ms + t.offset_ms;
}

// Chooses the clock of a frame that does not simply follow the one before it.
void time_base::follow_step(track_clock& t, const media::frame& f) {
  const auto step = f.dts_ms - t.last_in_ms;
  const auto ahead = step - passed_ms(t.last_arrival, f.arrival);
  const bool follows = step >= -jitter_ms && ahead <= jitter_ms;
  // What is jitter in one track may be too long a step in another one: who would be held looks whether the clock has changed.
  const bool held = f.dts_ms + t.offset_ms < t.last_out_ms;
  if (follows && !(held && t.offset_ms != offset_ms_)) return;

  const auto expected = newest_ms_ + std::max(least_gap_ms, passed_ms(newest_arrival_, f.arrival));
  std::optional<std::int64_t> best;
  const auto consider = [&](std::int64_t offset, std::int64_t tolerance_ms) {
    const auto out = f.dts_ms + offset;
    if (out < t.last_out_ms - jitter_ms || std::abs(out - expected) > tolerance_ms) return;
    if (!best || std::abs(out - expected) < std::abs(f.dts_ms + *best - expected)) best = offset;
  };
  consider(t.offset_ms, same_clock_ms);
  if (t.offset_before_ms) consider(*t.offset_before_ms, jitter_ms);
  for (const auto& other : tracks_) {
    if (other.begun) consider(other.offset_ms, same_clock_ms);
  }
  if (!best) {
    if (step >= -jitter_ms && ahead <= leap_ms) return;  // a gap of the source
    best = expected - f.dts_ms;
  }
  if (*best == t.offset_ms) return;
  t.offset_before_ms = t.offset_ms;
  t.offset_ms = offset_ms_ = *best;
}

std::int64_t time_base::stamp_aside(track_clock& t, const media::frame& f) {
  if (deciding_) return *resume_ms_;
  const auto out = f.dts_ms + offset_ms_;
  if (!media_seen_ || std::abs(out - newest_ms_) <= jitter_ms) return out;
  return t.begun ? t.last_out_ms : newest_ms_;
}

}  // namespace millrace::hub
