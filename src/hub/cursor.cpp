// A viewer reading in order. How it starts: cursor_join.cpp; what it loses: cursor_slow.cpp; what goes ahead of frames: cursor_records.cpp.
#include <algorithm>

#include "hub/stream_state.hpp"

namespace millrace::hub {

using media::frame_kind;

cursor::cursor(std::shared_ptr<stream> s, viewer& owner, cursor_policy policy) : state_(std::make_unique<state>()) {
  auto& c = *state_;
  c.owner = &owner;
  c.policy = policy;
  c.age_allowed = policy.age_max;
  c.since = s->state_->frames.end();
  s->state_->attach(c);
  c.source = std::move(s);
}

cursor::~cursor() { state_->source->state_->detach(*state_); }

const cursor_stats& cursor::stats() const noexcept { return state_->stats; }
const std::shared_ptr<stream>& cursor::source() const noexcept { return state_->source; }

std::optional<delivery> cursor::next(base::instant now) {
  auto& c = *state_;
  auto& s = *c.source->state_;
  if (c.paused) return std::nullopt;
  while (true) {
    if (c.ahead) {
      if (auto item = c.take_ahead()) {
        ++c.stats.delivered;
        return delivery{std::move(item), true, c.publication, !c.begun};
      }
    }
    if (c.joining && !c.join(s, now)) {
      c.dry = true;
      return std::nullopt;
    }
    if (c.position < s.frames.first()) {
      const auto why = c.position < s.overrun_end ? loss::ring_overrun : loss::viewer_too_slow;
      c.jump(s, s.newest_start(c.policy.video_track).value_or(s.frames.end()), why, now);
    }
    if (c.position == s.frames.end()) {
      c.age_allowed = c.policy.age_max;
      c.dry = true;
      return std::nullopt;
    }
    const slot& at = s.frames.at(c.position);
    if (now - at.arrival > c.policy.age_max && c.fall_behind(s, at, now)) continue;
    if (at.publication != c.publication) c.follow_publication(at);
    if (!c.wants(at)) {
      if (c.slow_skip && at.kind == frame_kind::video && c.wants_video()) c.lose(loss::video_until_key_frame, 1);
      ++c.position;
      continue;
    }
    if (c.catching && c.catching->leaves_out(*at.item->frame())) {
      c.lose(loss::catching_up, 1);
      ++c.position;
      continue;
    }
    if (c.check && c.begin_prelude(s, at)) continue;
    if (c.need_key && c.can_start_at(at)) {
      c.need_key = false;
      c.slow_skip = false;
      c.allow_age_at(s, now);
    }
    auto item = c.form_of(at);
    if (c.catching && c.catching->is_over(*at.item->frame())) c.catching.reset();
    ++c.position;
    if (!item) continue;
    ++c.stats.delivered;
    c.begun = true;
    return delivery{std::move(item), false, c.publication};
  }
}

void cursor::set_paused(bool paused) {
  auto& c = *state_;
  if (c.paused == paused) return;
  c.paused = paused;
  if (paused) return;
  c.joining = true;
  c.since = c.source->state_->frames.end();
  c.dry = true;
}

void cursor::set_tracks(bool audio, bool video) {
  auto& c = *state_;
  if (video && !c.wanted[1]) {
    c.enable(1);
    c.need_key = true;
    c.slow_skip = false;
  }
  if (audio && !c.wanted[2]) c.enable(2);
  c.wanted[1] = video;
  c.wanted[2] = audio;
}

bool cursor::state::wants(const slot& at) const {
  if (!wanted[kind_index(at.kind)]) return false;
  if (const auto track = picked(at.kind); track && !at.has_track(*track)) return false;
  return at.kind != frame_kind::video || !need_key || at.config || can_start_at(at);
}

bool cursor::state::can_start_at(const slot& at) const {
  return policy.video_track ? at.key && at.has_track(*policy.video_track) : at.gop_start;
}

bool cursor::state::has_more(const stream::state& s) const {
  return joining ? s.published && s.frames.end() > s.publication_start : position < s.frames.end();
}

// Another publisher: its video refers to nothing that was before, and its times are no part of a catch-up.
void cursor::state::follow_publication(const slot& at) {
  catching.reset();
  publication = at.publication;
  need_key = true;
  slow_skip = false;
}

entry_ptr cursor::state::form_of(const slot& at) {
  auto item = at.item;
  if (const auto track = picked(at.kind); track && at.multitrack) item = entry_forms::single_track(item, *track);
  if (item && catching) item = entry_forms::stamped(item, *catching);
  // Data may lag behind its pictures by any time, and a catch-up moves it ahead with them. Where the catch-up ends before the data is past it - with a
  // pause, or a jump -, what follows keeps that time until its own is later.
  if (at.kind == frame_kind::data) {
    if (item->frame()->dts_ms < data_ms) return entry_forms::at_time(item, data_ms);
    data_ms = item->frame()->dts_ms;
  }
  return item;
}

}  // namespace millrace::hub
