// What group_sender gives up, and when (live profile, "Expiry").
#include <algorithm>

#include "rtmp/group_sender.hpp"

namespace millrace::rtmp {

using media::frame_kind;

// When a message is too old to be begun. Configurations, metadata and timed data never are.
std::optional<base::instant> group_sender::limit_of(const flow& f, const item& one) const {
  if (!limits_.expires || one.config || f.kind == frame_kind::data) return std::nullopt;
  if (f.kind == frame_kind::audio) return one.made + limits_.audio;
  return one.made + (one.key ? limits_.key : limits_.video);
}

void group_sender::count(const item& one, group_loss why) {
  if (one.config) return;
  auto& lost = counters_.by_loss[static_cast<std::size_t>(why)];
  lost.messages++;
  lost.bytes += one.wire->size();
}

void group_sender::drop(group& g, std::size_t at, group_loss why) {
  const auto found = g.items.begin() + static_cast<std::ptrdiff_t>(at);
  count(*found, why);
  bytes_ -= found->wire->size();
  g.items.erase(found);
  g.lost = true;
}

// Ends the group ahead of its item `from`. Video goes on with the next key frame only; audio and data in a group of their own.
void group_sender::give_up(flow& f, group& g, std::size_t from, group_loss why) {
  if (f.kind == frame_kind::video && !g.lost) counters_.groups_cut++;
  if (f.kind == frame_kind::video && !g.closed) {
    f.wait_for_key = true;
    f.why = why;
  }
  while (g.items.size() > from) drop(g, g.items.size() - 1, why);
  g.lost = g.closed = true;
  const bool nothing_left = std::all_of(g.items.begin(), g.items.end(), [](const item& one) { return one.config; });
  if (nothing_left && !g.id) {
    while (!g.items.empty()) drop(g, 0, why);
    g.done = true;
  }
}

void group_sender::reset(flow& f, group& g) {
  resets_.push_back(*g.id);
  counters_.groups_reset++;
  give_up(f, g, 0, group_loss::reset);
  g.done = true;
}

void group_sender::expire_audio(base::instant now, group& g) {
  std::size_t at = 0;
  while (at < g.items.size()) {
    const auto& one = g.items[at];
    if (one.config) {
      ++at;
    } else if (now >= one.made + limits_.audio) {
      drop(g, at, group_loss::audio_old);
    } else {
      break;
    }
  }
  // Nothing but configurations, which the next group repeats.
  if (g.closed && g.lost && !g.id && at == g.items.size()) {
    while (!g.items.empty()) drop(g, 0, group_loss::audio_old);
    g.done = true;
  }
}

void group_sender::expire_video(base::instant now, flow& f, group& g) {
  if (g.cut_at && now >= *g.cut_at) {
    // What is half sent gets a little more from here, if its own limit is not nearer.
    if (g.sent < g.handed) {
      const auto last = *g.cut_at + limits_.begun;
      if (!g.stuck_at || last < *g.stuck_at) g.stuck_at = last;
    }
    g.cut_at.reset();
    if (!g.items.empty()) give_up(f, g, 0, group_loss::cut);
  }
  // Behind configurations and the key frame the first message is the oldest one.
  for (std::size_t at = 0; at < g.items.size(); ++at) {
    const auto& one = g.items[at];
    const auto by = limit_of(f, one);
    if (!by) continue;
    if (now >= *by) {
      give_up(f, g, one.key ? 0 : at, one.key ? group_loss::key_old : group_loss::video_old);
      break;
    }
    if (!one.key) break;
  }
}

void group_sender::expire(base::instant now) {
  if (limits_.expires) {
    for (auto& s : streams_) {
      for (auto& f : s.flows) {
        for (auto& g : f.groups) {
          if (g.done) continue;
          if (f.kind == frame_kind::audio) expire_audio(now, g);
          if (f.kind == frame_kind::video) expire_video(now, f, g);
          if (!g.done && g.stuck_at && now >= *g.stuck_at) reset(f, g);
        }
        sweep(f);
      }
    }
  }
}

std::optional<base::instant> group_sender::poll_timeout() const {
  std::optional<base::instant> first;
  if (!limits_.expires) return first;
  const auto take = [&first](base::instant at) {
    if (!first || at < *first) first = at;
  };
  for (const auto& s : streams_) {
    for (const auto& f : s.flows) {
      for (const auto& g : f.groups) {
        if (g.done) continue;
        if (g.stuck_at) take(*g.stuck_at);
        if (g.cut_at && (!g.items.empty() || g.sent < g.handed)) take(*g.cut_at);
        for (const auto& one : g.items) {
          const auto by = limit_of(f, one);
          if (by) take(*by);
          if (f.kind == frame_kind::data || (by && !one.key)) break;
        }
      }
    }
  }
  return first;
}

// The oldest message of audio or data that is no configuration.
bool group_sender::drop_oldest_other() {
  flow* oldest = nullptr;
  group* from = nullptr;
  std::size_t where = 0;
  for (auto& s : streams_) {
    for (auto* f : {&s.flows[0], &s.flows[1]}) {
      for (auto& g : f->groups) {
        const auto found = std::find_if(g.items.begin(), g.items.end(), [](const item& one) { return !one.config; });
        if (found == g.items.end()) continue;
        if (!from || found->order < from->items[where].order) {
          oldest = f, from = &g;
          where = static_cast<std::size_t>(found - g.items.begin());
        }
        break;
      }
    }
  }
  if (!oldest) return false;
  drop(*from, where, group_loss::cut);
  if (from->closed && from->items.empty() && !from->id) from->done = true;
  sweep(*oldest);
  return true;
}

void group_sender::hold_bytes() {
  while (limits_.expires && bytes_ > limits_.bytes_max) {
    flow* in = nullptr;
    group* oldest = nullptr;
    for (auto& s : streams_) {
      auto& f = s.flows[2];
      for (auto& g : f.groups) {
        if (g.items.empty()) continue;
        if (!oldest || g.order < oldest->order) in = &f, oldest = &g;
        break;
      }
    }
    if (oldest) {
      give_up(*in, *oldest, 0, group_loss::cut);
      sweep(*in);
    } else if (!drop_oldest_other()) {
      return;
    }
  }
}

}  // namespace millrace::rtmp
