#include "client/pacing.hpp"

#include <algorithm>
#include <utility>

namespace millrace::client {
namespace {

// The pause between the last frame of one timeline and the first of the next: about one frame, so that players neither see two
// frames at one time nor wait.
constexpr std::int64_t joint_ms = 40;

// Metadata and configurations stand in front with time 0 whatever the media's times are, so they must not become an origin.
bool timeless(const media::frame& f) { return f.kind == media::frame_kind::data || f.config; }

}  // namespace

base::instant pacer::due(std::int64_t dts_ms, base::instant now) {
  if (anchored_ && (dts_ms - last_dts_ms_ > ahead_ms_max || dts_ms - last_dts_ms_ < -back_ms_max)) anchored_ = false;
  if (!anchored_) {
    anchored_ = true;
    anchor_ = now;
    anchor_dts_ms_ = dts_ms;
  }
  last_dts_ms_ = dts_ms;
  return anchor_ + std::chrono::milliseconds(dts_ms - anchor_dts_ms_);
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
  if (!first_ms_ && timeless(f)) return offset_ms_;
  // Of its own kind: sound may lie behind its pictures by any time.
  const auto newest = f.kind == media::frame_kind::data ? std::max(tracks_[0].newest_in_ms, tracks_[1].newest_in_ms) : of(f.kind).newest_in_ms;
  if (newest && f.dts_ms < *newest - pacer::back_ms_max) {
    if (timeless(f)) return std::max({offset_ms_, tracks_[0].last, tracks_[1].last});
    // The input's clock has begun anew: clamped, every frame would have one time until it caught up, after hours perhaps.
    next_pass();
  }
  if (!first_ms_) first_ms_ = f.dts_ms;
  const auto mapped = std::max(offset_ms_, offset_ms_ + f.dts_ms - *first_ms_);
  if (f.kind == media::frame_kind::data) return mapped;
  auto& t = of(f.kind);
  // Frames of one time (a configuration and its first picture) say nothing about the duration.
  if (t.seen && mapped > t.last) t.duration = mapped - t.last;
  t.last = std::max(t.last, mapped);
  t.seen = true;
  if (!f.config) t.newest_in_ms = std::max(t.newest_in_ms.value_or(f.dts_ms), f.dts_ms);
  return mapped;
}

void loop_clock::next_pass() {
  std::int64_t end = offset_ms_;
  for (auto& t : tracks_) {
    t.newest_in_ms.reset();
    const bool usable = t.duration > 0 && t.duration <= pacer::ahead_ms_max;  // or a time was wrong
    if (std::exchange(t.seen, false)) end = std::max(end, t.last + (usable ? t.duration : joint_ms));
  }
  offset_ms_ = end;
  first_ms_.reset();
}

std::int64_t output_clock::map(const media::frame& f) {
  const auto dts_ms = f.dts_ms;
  auto& last = last_out_ms_[f.kind == media::frame_kind::audio ? 0 : 1];
  // A step of more than a pacer's limits inside one session is a publisher that came back with another clock.
  if (joined_ && !timeless(f) && (dts_ms - newest_in_ms_ > pacer::ahead_ms_max || dts_ms - newest_in_ms_ < -pacer::back_ms_max)) joined_ = false;
  if (!joined_) {
    if (f.kind == media::frame_kind::data) return newest_out_ms_;
    if (f.config) return last = newest_out_ms_;
    shift_ms_ = (started_ ? newest_out_ms_ + joint_ms : 0) - dts_ms;
    joined_ = true;
    started_ = true;
    newest_in_ms_ = dts_ms;
  }
  // In the middle they may carry any time, too; they go where the media is.
  if (f.kind == media::frame_kind::data) return newest_out_ms_;
  if (f.config) return last;
  newest_in_ms_ = std::max(newest_in_ms_, dts_ms);
  const auto out = std::max({std::int64_t{0}, dts_ms + shift_ms_, last});
  last = out;
  newest_out_ms_ = std::max(newest_out_ms_, out);
  return out;
}

}  // namespace millrace::client
