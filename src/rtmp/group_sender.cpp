#include "rtmp/group_sender.hpp"

#include <algorithm>
#include <utility>

#include "base/limits.hpp"
#include "media/tag_header.hpp"

namespace millrace::rtmp {
namespace {

using media::frame_kind;

constexpr std::size_t video_flow = 2;
// Data is small, and players want the metadata before anything else.
constexpr unsigned urgency_of(frame_kind kind) { return kind == frame_kind::data ? 1 : kind == frame_kind::audio ? 2 : 3; }

// A group of audio or data where there is no video to follow (live profile, "group streams").
constexpr std::int64_t group_ms = 1'000;

void earlier(std::optional<base::instant>& first, const std::optional<base::instant>& other) {
  if (other && (!first || *other < *first)) first = other;
}

}  // namespace

base::duration group_sender::queue_age(base::instant now) const {
  std::optional<base::instant> oldest;
  for (const auto& s : streams_) {
    for (const auto& f : s.flows) {
      const auto found = std::find_if(f.groups.begin(), f.groups.end(), [](const group& g) { return !g.items.empty(); });
      if (found != f.groups.end()) earlier(oldest, found->items.front().made);
    }
  }
  return oldest ? std::max(base::duration::zero(), base::duration(now - *oldest)) : base::duration::zero();
}

std::uint64_t group_sender::messages_lost() const noexcept {
  std::uint64_t sum = 0;
  for (const auto& each : counters_.by_loss) sum += each.messages;
  return sum;
}

bool group_sender::wants_key() const {
  return std::any_of(streams_.begin(), streams_.end(), [](const stream& s) { return s.flows[video_flow].wait_for_key; });
}

template <class Do>
void group_sender::with_group(std::uint64_t id, Do&& act) {
  for (auto& s : streams_) {
    for (auto& f : s.flows) {
      for (auto& g : f.groups) {
        if (g.done) continue;
        if (!g.id) break;  // none behind it has one
        if (*g.id != id) continue;
        act(f, g);
        sweep(f);
        return;
      }
    }
  }
}

void group_sender::on_sent(std::uint64_t id, std::uint64_t bytes) {
  with_group(id, [this, bytes](flow&, group& g) {
    if (bytes > g.sent) bytes_sent_ += bytes - g.sent;
    g.sent = std::max(g.sent, bytes);
    if (g.sent < g.handed) return;
    g.stuck_at.reset();
    if (g.end_handed) g.done = true;
  });
}

void group_sender::on_stopped(std::uint64_t id) {
  with_group(id, [this](flow& f, group& g) {
    give_up(f, g, 0, group_loss::stopped);
    g.done = true;  // the transport answers with a reset of its own: no end is needed
  });
}

void group_sender::on_timer(base::instant now) { expire(now); }

group_sender::stream& group_sender::stream_of(std::uint32_t msid) {
  const auto found = std::find_if(streams_.begin(), streams_.end(), [msid](const stream& s) { return s.msid == msid; });
  if (found != streams_.end()) {
    found->finished = false;
    return *found;
  }
  std::erase_if(streams_, [](const stream& s) {
    return s.finished && std::all_of(s.flows.begin(), s.flows.end(), [](const flow& f) { return f.groups.empty(); });
  });
  auto& added = streams_.emplace_back();
  added.msid = msid;
  for (const auto kind : {frame_kind::audio, frame_kind::data, frame_kind::video}) added.flows[urgency_of(kind) - 1].kind = kind;
  return added;
}

void group_sender::push(base::instant now, std::uint32_t msid, const media::frame& frame, base::instant made, base::shared_chain wire) {
  if (!wire || wire->empty()) {
    counters_.by_loss[static_cast<std::size_t>(group_loss::empty)].messages++;
    return;
  }
  auto& s = stream_of(msid);
  if (frame.kind == frame_kind::video) {
    push_video(now, s, frame, made, std::move(wire));
  } else {
    push_other(now, s, s.flows[urgency_of(frame.kind) - 1], frame, made, std::move(wire));
  }
  hold_bytes();
}

void group_sender::push_video(base::instant now, stream& s, const media::frame& frame, base::instant made, base::shared_chain wire) {
  auto& f = s.flows[video_flow];
  const item one{wire, made, ++orders_, frame.key, frame.config};
  const config* kept = frame.config ? keep(f, frame, wire) : nullptr;
  auto* g = f.open();
  if (f.wait_for_key && !frame.key) {
    if (!frame.config) count(one, f.why);
    return;
  }
  if (frame.key && g && !g->only_configs) g->closed = true, g = nullptr;
  if (!g) {
    s.has_video = true;
    f.wait_for_key = false;
    g = &begin(now, f, frame, kept);
    // Audio and timed data begin a group where video does, but not behind one in which nothing can be played yet.
    for (auto* other : {s.flows[0].open(), s.flows[1].open()}) {
      if (other && !other->only_configs) other->closed = true;
    }
  }
  if (frame.key && limits_.expires) {
    for (auto& older : f.groups) {
      if (&older != g && !older.cut_at) older.cut_at = now + limits_.cut_after_key;
    }
  }
  add(*g, one);
}

void group_sender::push_other(base::instant now, stream& s, flow& f, const media::frame& frame, base::instant made, base::shared_chain wire) {
  const config* kept = frame.config ? keep(f, frame, wire) : nullptr;
  auto* g = f.open();
  if (g && !s.has_video && !g->only_configs) {
    const auto span = frame.dts_ms - g->dts_begin_ms;
    if (span >= group_ms || span <= -group_ms) g->closed = true, g = nullptr;
  }
  if (!g) g = &begin(now, f, frame, kept);
  if (g->only_configs) g->dts_begin_ms = frame.dts_ms;
  add(*g, {std::move(wire), made, ++orders_, false, frame.config});
}

// The configurations in effect go first, but for the one that is about to follow anyway.
group_sender::group& group_sender::begin(base::instant now, flow& f, const media::frame& frame, const config* kept_out) {
  auto& g = f.groups.emplace_back();
  g.order = ++orders_;
  g.dts_begin_ms = frame.dts_ms;
  for (const auto& c : f.configs) {
    if (&c != kept_out) add(g, {c.wire, now, ++orders_, false, true});
  }
  return g;
}

void group_sender::add(group& g, item one) {
  bytes_ += one.wire->size();
  g.only_configs = g.only_configs && one.config;
  g.items.push_back(std::move(one));
}

// A configuration replaces the same part of the tracks that it covers (E-RTMP v2 "Multitrack"); what it covers only half stays ahead of it.
const group_sender::config* group_sender::keep(flow& f, const media::frame& frame, const base::shared_chain& wire) {
  const base::hub_limits bounds;
  const auto info = media::inspect(frame.kind, frame.payload);
  config added;
  added.part = info.metadata || info.multichannel ? 1 : 0;
  added.tracks = media::tracks_of(frame.kind, frame.payload);
  added.codec = media::codec_of(frame.kind, info);
  added.wire = wire;
  const auto covered = [&added](const config& c) { return (c.tracks & ~added.tracks).none(); };
  // Colours and channel layouts belong to the codec that they were given for.
  const bool other_codec = added.part == 0 && std::any_of(f.configs.begin(), f.configs.end(), [&](const config& c) {
    return c.part == 0 && covered(c) && c.codec != added.codec;
  });
  std::erase_if(f.configs, [&](const config& c) { return covered(c) && (c.part == added.part || other_codec); });
  if (wire->size() > bounds.kept_record_bytes || f.configs.size() >= bounds.kept_configs) return nullptr;
  const auto behind = std::upper_bound(f.configs.begin(), f.configs.end(), added.part,
                                       [](unsigned part, const config& other) { return part < other.part; });
  return &*f.configs.insert(behind, std::move(added));
}

bool group_sender::idle() const noexcept {
  return groups_closed_ == groups_ && std::all_of(streams_.begin(), streams_.end(), [](const stream& s) {
           return std::all_of(s.flows.begin(), s.flows.end(), [](const flow& f) {
             return std::all_of(f.groups.begin(), f.groups.end(), [](const group& g) { return g.items.empty() && (!g.id || g.end_handed || g.done); });
           });
         });
}

// The transport tells it once of each group, however that ended.
void group_sender::on_closed(std::uint64_t) { ++groups_closed_; }

void group_sender::close_groups(std::uint32_t msid) {
  const auto found = std::find_if(streams_.begin(), streams_.end(), [msid](const stream& s) { return s.msid == msid; });
  if (found == streams_.end()) return;
  for (auto& f : found->flows) {
    if (auto* g = f.open()) g->closed = true;
  }
}

void group_sender::finish(std::uint32_t msid) {
  const auto found = std::find_if(streams_.begin(), streams_.end(), [msid](const stream& s) { return s.msid == msid; });
  if (found == streams_.end()) return;
  found->has_video = false;
  found->finished = true;  // it is forgotten once its groups are gone and another one comes
  for (auto& f : found->flows) {
    if (auto* g = f.open()) g->closed = true;
    f.configs.clear();
    f.wait_for_key = false;
  }
}

group_sender::group* group_sender::sendable(flow& f) {
  for (auto& g : f.groups) {
    if (!g.done && !g.end_handed && (!g.items.empty() || g.closed)) return &g;
  }
  return nullptr;
}

std::optional<base::group_piece> group_sender::next(base::instant now, unsigned limit) {
  expire(now);
  for (unsigned urgency = 1; urgency <= 3 && urgency < limit; ++urgency) {
    flow* best = nullptr;
    group* from = nullptr;
    std::uint64_t least = 0;
    for (auto& s : streams_) {
      auto& f = s.flows[urgency - 1];
      auto* g = sendable(f);
      if (!g) continue;
      // Of video the oldest group, of all else the oldest message.
      const auto order = f.kind == frame_kind::video || g->items.empty() ? g->order : g->items.front().order;
      if (from && order >= least) continue;
      best = &f, from = g, least = order;
    }
    if (from) return hand_out(*best, *from);
  }
  return std::nullopt;
}

base::group_piece group_sender::hand_out(flow& f, group& g) {
  if (!g.id) g.id = groups_++;
  base::group_piece piece;
  piece.group = *g.id;
  piece.urgency = urgency_of(f.kind);
  if (!g.items.empty()) {
    auto one = std::move(g.items.front());
    g.items.pop_front();
    bytes_ -= one.wire->size();
    g.handed += one.wire->size();
    if (auto by = limit_of(f, one)) earlier(g.stuck_at, *by + limits_.begun);
    piece.bytes = std::move(one.wire);
  }
  g.end_handed = piece.end = g.closed && g.items.empty();
  if (g.end_handed && g.sent >= g.handed) g.done = true;
  sweep(f);
  return piece;
}

std::optional<std::uint64_t> group_sender::poll_reset() {
  if (resets_.empty()) return std::nullopt;
  const auto id = resets_.front();
  resets_.pop_front();
  return id;
}

void group_sender::sweep(flow& f) {
  while (!f.groups.empty() && f.groups.front().done) {
    f.groups.front().items.clear();
    f.groups.pop_front();
  }
}

}  // namespace millrace::rtmp
