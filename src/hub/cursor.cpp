#include <algorithm>

#include "hub/stream_state.hpp"

namespace millrace::hub {

using media::frame_kind;

cursor::cursor(std::shared_ptr<stream> s, viewer& owner, cursor_policy policy) : state_(std::make_unique<state>()) {
  auto& c = *state_;
  c.owner = &owner;
  c.age_max = c.age_allowed = policy.age_max;
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
        return delivery{std::move(item), true};
      }
    }
    if (c.joining && !c.join(s, now)) {
      c.dry = true;
      return std::nullopt;
    }
    if (c.position < s.frames.first()) c.jump(s, s.gops.empty() ? s.frames.end() : s.gops.back(), now);
    if (c.position == s.frames.end()) {
      c.age_allowed = c.age_max;
      c.dry = true;
      return std::nullopt;
    }
    const slot& at = s.frames.at(c.position);
    if (now - at.arrival > c.age_max && c.fall_behind(s, at, now)) continue;
    if (at.publication != c.publication) {
      c.publication = at.publication;  // another publisher: its video refers to nothing that was before
      c.need_key = true;
      c.slow_skip = false;
    }
    if (!c.wants(at)) {
      if (c.slow_skip && at.kind == frame_kind::video && c.wants_video()) ++c.stats.dropped_slow;
      ++c.position;
      continue;
    }
    if (c.check && c.begin_prelude(s, at)) continue;
    if (at.gop_start && c.need_key) {
      c.need_key = false;
      c.slow_skip = false;
      c.allow_age_at(s, now);
    }
    ++c.position;
    ++c.stats.delivered;
    return delivery{at.item, false};
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
  return at.kind != frame_kind::video || !need_key || at.gop_start || at.config;
}

bool cursor::state::has_more(const stream::state& s) const {
  return joining ? s.published && s.frames.end() > s.publication_start : position < s.frames.end();
}

// From here on the viewer no longer reads in order: what it has seen is what lies below its position.
void cursor::state::expect_records() {
  if (check) return;  // still owed from before; nothing was read since
  seen.fill(position);
  check = true;
}

// Records of a track that is switched on are owed from the beginning, whatever went by while it was off.
void cursor::state::enable(std::size_t kind) {
  if (ahead) {
    again[kind] = true;
    return;
  }
  expect_records();
  seen[kind] = 0;
}

void cursor::state::allow_age_at(const stream::state& s, base::instant now) {
  base::duration age{0};
  if (position < s.frames.end()) age = std::max(age, base::duration(now - s.frames.at(position).arrival));
  age_allowed = age_max + age;
}

bool cursor::state::join(const stream::state& s, base::instant now) {
  if (!s.published) return false;
  expect_records();
  const std::uint64_t lowest = std::max(s.publication_start, position);
  if (!s.gops.empty() && s.gops.back() >= lowest) {
    position = s.gops.back();
    need_key = true;
  } else if (joined_before && position >= s.publication_start) {
    // Resumed within the newest GOP: going back to its key frame would repeat what the viewer has. Whether another
    // publisher began just here is for next() to see, as ever.
    const bool evicted = position < s.frames.first();
    if (evicted || (position < s.frames.end() && now - s.frames.at(position).arrival > age_max)) {
      position = s.frames.end();
      need_key = true;
    }
  } else {
    // No key frame yet. Who waited for this publisher gets everything from its start, who came later starts from now.
    position = since <= s.publication_start ? std::max(s.publication_start, s.frames.first()) : s.frames.end();
    need_key = true;
  }
  slow_skip = false;
  joining = false;
  joined_before = true;
  allow_age_at(s, now);
  return true;
}

void cursor::state::jump(const stream::state& s, std::uint64_t to, base::instant now) {
  expect_records();
  stats.dropped_slow += to - position;
  ++stats.jumps;
  position = to;
  need_key = true;
  slow_skip = true;
  allow_age_at(s, now);
}

// The frame at the position is older than age_max. True if the position changed.
bool cursor::state::fall_behind(const stream::state& s, const slot& at, base::instant now) {
  if (!s.gops.empty() && s.gops.back() > position) {
    jump(s, s.gops.back(), now);
    return true;
  }
  const base::duration age = now - at.arrival;
  if (age > age_allowed) {
    if (!s.video_seen || !wants_video()) {
      jump(s, s.frames.end(), now);  // without video any frame is a good start
      return true;
    }
    if (!need_key) {
      ++stats.jumps;
      need_key = true;
      slow_skip = true;
    }
  }
  age_allowed = std::min(age_allowed, age + age_max);
  return false;
}

// True if something is to be delivered ahead of the slot at the position.
bool cursor::state::begin_prelude(stream::state& s, const slot& at) {
  const bool any = std::any_of(at.before->records.begin(), at.before->records.end(), [this](const record& r) {
    const auto kind = kind_index(r.kind);
    return wanted[kind] && r.sequence >= seen[kind];
  });
  if (!any) {
    check = false;
    return false;
  }
  ahead = s.prelude_of(position);
  ahead_records = at.before;
  ahead_index = 0;
  return true;
}

entry_ptr cursor::state::take_ahead() {
  while (ahead_index < ahead->size()) {
    const auto index = ahead_index++;
    const auto& r = ahead_records->records[index];
    const auto kind = kind_index(r.kind);
    if (wanted[kind] && !again[kind] && r.sequence >= seen[kind]) return (*ahead)[index];
  }
  ahead.reset();
  ahead_records.reset();
  seen.fill(position);
  check = false;
  for (std::size_t kind = 0; kind < again.size(); ++kind) {
    if (!again[kind]) continue;
    again[kind] = false;
    seen[kind] = 0;
    check = true;
  }
  return nullptr;
}

}  // namespace millrace::hub
