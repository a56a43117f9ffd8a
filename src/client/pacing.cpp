#include "client/pacing.hpp"

#include <algorithm>
#include <cstdlib>
#include <utility>

namespace millrace::client {
namespace {

// The pause between the last frame of one timeline and the first of the next: about one frame, so that players neither see two
// frames at one time nor wait.
constexpr std::int64_t joint_ms = 40;

// Metadata and configurations stand in front with time 0 whatever the media's times are, so they must not become an origin.
bool timeless(const media::frame& f) { return f.kind == media::frame_kind::data || f.config; }

}  // namespace

base::instant pacer::due(const media::frame& f, base::instant now) {
  auto& own = last_of_kind_[f.kind == media::frame_kind::audio ? 0 : 1];
  const auto step = f.dts_ms - last_dts_ms_;
  // One track may lie behind the other by seconds: only its own frames say that its time went back.
  if (std::abs(step) > ahead_ms_max || (own && f.dts_ms < *own - back_ms_max)) anchored_ = false;
  if (!anchored_) {
    anchored_ = true;
    anchor_ = now;
    anchor_dts_ms_ = f.dts_ms;
    last_of_kind_ = {};
  }
  own = last_dts_ms_ = f.dts_ms;
  return anchor_ + std::chrono::milliseconds(f.dts_ms - anchor_dts_ms_);
}

bool source_pace::live(const media::frame& f, std::uint64_t held_back) {
  const auto media = f.dts_ms - from_ms_;
  const bool usable = begun_ && held_back == held_back_ && media >= 0;
  if (usable && media < span_ms) return false;
  // A fifth faster is still the same pace: encoders hand over in bursts.
  const bool paced = usable && f.arrival - since_ >= std::chrono::milliseconds(media * 4 / 5);
  begun_ = true;
  since_ = f.arrival;
  from_ms_ = f.dts_ms;
  held_back_ = held_back;
  return paced;
}

std::int64_t loop_clock::map(const media::frame& f) {
  if (timeless(f)) {
    if (!first_ms_) return offset_ms_;
    if (f.dts_ms < std::max(tracks_[0].newest_in.value_or(*first_ms_), tracks_[1].newest_in.value_or(*first_ms_)) - pacer::back_ms_max) {
      return std::max({offset_ms_, tracks_[0].last, tracks_[1].last});
    }
  } else {
    // The input's clock has begun anew: clamped, every frame would have one time until it caught up, after hours perhaps. Measured within the
    // track, since the other one may lie ahead by seconds.
    if (const auto& newest = of(f.kind).newest_in; newest && f.dts_ms < *newest - pacer::back_ms_max) next_pass();
    if (!first_ms_) first_ms_ = f.dts_ms;
  }
  const auto mapped = std::max(offset_ms_, offset_ms_ + f.dts_ms - *first_ms_);
  if (f.kind == media::frame_kind::data) return mapped;
  auto& t = of(f.kind);
  // Frames of one time (a configuration and its first picture) say nothing about the duration.
  if (t.seen && mapped > t.last) t.duration = mapped - t.last;
  t.last = std::max(t.last, mapped);
  t.seen = true;
  if (!f.config) t.newest_in = std::max(t.newest_in.value_or(f.dts_ms), f.dts_ms);
  return mapped;
}

void loop_clock::next_pass() {
  std::int64_t end = offset_ms_;
  for (auto& t : tracks_) {
    // Over so long a gap the clock jumped: taken for a frame's duration it would be a pause a second time.
    const bool usual = t.duration > 0 && t.duration <= pacer::ahead_ms_max;
    if (std::exchange(t.seen, false)) end = std::max(end, t.last + (usual ? t.duration : joint_ms));
    t.newest_in.reset();
  }
  offset_ms_ = end;
  first_ms_.reset();
}

std::int64_t joining_clock::shift(std::size_t which, std::int64_t dts_ms) {
  auto& t = tracks_[which];
  const bool first = !t.newest_in;
  // One that was silent meanwhile may come back above its last time of the clock before, of which nothing is under way so far behind the end.
  const bool left = !first && !t.joined && dts_ms + t.offset < end_ms_ - pacer::ahead_ms_max;
  const bool back = left || (!first && dts_ms < *t.newest_in - (t.joined ? pacer::back_ms_max : 0));
  if (back && t.joined) {
    offset_ms_ = end_ms_ + joint_ms - dts_ms;
    for (auto& each : tracks_) each.joined = false;
  }
  if (first || back) {
    t.newest_in = dts_ms;
    t.offset = offset_ms_;
    t.joined = true;
  }
  t.newest_in = std::max(*t.newest_in, dts_ms);
  const auto out = first ? dts_ms + t.offset : std::max(dts_ms + t.offset, t.last_out);
  t.last_out = out;
  end_ms_ = std::max(end_ms_, out);
  return out - dts_ms;
}

std::int64_t output_clock::map(const media::frame& f) {
  const auto dts_ms = f.dts_ms;
  const std::size_t track = f.kind == media::frame_kind::audio ? 0 : 1;
  auto& last = last_out_ms_[track];
  auto& newest = newest_of_kind_[track];
  if (joined_ && !timeless(f)) {
    // A step of more than a pacer's limits inside one session is a publisher that came back with another clock. Back within the track: one may
    // lie behind the other by seconds.
    const auto oldest = newest ? *newest - pacer::back_ms_max : newest_in_ms_ - pacer::ahead_ms_max;
    if (dts_ms < oldest || dts_ms - newest_in_ms_ > pacer::ahead_ms_max) joined_ = false;
  }
  if (!joined_) {
    if (f.kind == media::frame_kind::data) return newest_out_ms_;
    if (f.config) return last = newest_out_ms_;
    shift_ms_ = (started_ ? newest_out_ms_ + joint_ms : 0) - dts_ms;
    joined_ = true;
    started_ = true;
    newest_in_ms_ = dts_ms;
    newest_of_kind_ = {};
  }
  // In the middle they may carry any time, too; they go where the media is.
  if (f.kind == media::frame_kind::data) return newest_out_ms_;
  if (f.config) return last;
  newest = std::max(newest.value_or(dts_ms), dts_ms);
  newest_in_ms_ = std::max(newest_in_ms_, dts_ms);
  const auto out = std::max({std::int64_t{0}, dts_ms + shift_ms_, last});
  last = out;
  newest_out_ms_ = std::max(newest_out_ms_, out);
  return out;
}

}  // namespace millrace::client
