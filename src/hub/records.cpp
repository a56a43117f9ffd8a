#include "hub/records.hpp"

#include <algorithm>
#include <array>

#include "base/bytes.hpp"
#include "media/ex_body.hpp"
#include "media/ex_header.hpp"
#include "media/track.hpp"

namespace millrace::hub {
namespace {

using media::frame_kind;

constexpr std::uint32_t rank_of(frame_kind kind, std::uint32_t part, std::uint32_t track) {
  return (kind == frame_kind::video ? 1u << 16 : 2u << 16) | (part << 8) | track;
}

// Events of a moment: played back to a viewer that joins minutes later they would be wrong. Everything else that
// has a name is taken for state, as "@setDataFrame" means it, and its last value is kept.
bool is_momentary(std::string_view name) {
  static constexpr std::array<std::string_view, 9> names = {"|RtmpSampleAccess", "onCuePoint", "onTextData", "onCaption", "onCaptionInfo",
                                                            "onFI",              "onSEI",      "onStatus",   "onPlayStatus"};
  return std::find(names.begin(), names.end(), name) != names.end();
}

bool same_bytes(base::bytes_view a, base::bytes_view b) { return std::equal(a.begin(), a.end(), b.begin(), b.end()); }

std::shared_ptr<record_set> copy_of(const record_set_ptr& set) { return std::make_shared<record_set>(*set); }

void insert(record_set& set, record&& added) {
  const auto after = std::upper_bound(set.records.begin(), set.records.end(), added.rank,
                                      [](std::uint32_t rank, const record& other) { return rank < other.rank; });
  set.records.insert(after, std::move(added));
}

record_effect update_data(record_set_ptr& set, const entry_ptr& item, std::uint64_t sequence, const base::hub_limits& limits) {
  const auto payload = item->frame()->payload.view();
  const auto name = data_name(payload);
  const auto find = [&set](std::string_view wanted) {
    return std::find_if(set->records.begin(), set->records.end(),
                        [wanted](const record& r) { return r.kind == frame_kind::data && data_name(r.item->frame()->payload) == wanted; });
  };
  const auto erase_named = [&](std::string_view unwanted) {
    const auto found = find(unwanted);
    if (found == set->records.end()) return;
    auto changed = copy_of(set);
    changed->records.erase(changed->records.begin() + (found - set->records.begin()));
    set = std::move(changed);
  };
  if (name == "@clearDataFrame") {
    erase_named(data_name(payload.subspan(3 + name.size())));
    return record_effect::consume;
  }
  if (name.empty() || is_momentary(name)) return record_effect::pass;
  if (payload.size() > limits.kept_record_bytes) {
    erase_named(name);  // stale now
    return record_effect::pass;
  }
  const auto found = find(name);
  if (found != set->records.end()) {
    if (same_bytes(found->item->frame()->payload, payload)) return record_effect::pass;
    auto changed = copy_of(set);
    auto& kept = changed->records[static_cast<std::size_t>(found - set->records.begin())];
    kept.item = item;
    kept.sequence = sequence;
    set = std::move(changed);
    return record_effect::pass;
  }
  const auto names = std::count_if(set->records.begin(), set->records.end(), [](const record& r) { return r.kind == frame_kind::data; });
  if (static_cast<std::size_t>(names) >= limits.kept_data_names) return record_effect::pass;
  auto changed = copy_of(set);
  record added;
  added.sequence = sequence;
  added.item = item;
  insert(*changed, std::move(added));
  set = std::move(changed);
  return record_effect::pass;
}

// The tracks of a kind come and go each on its own (E-RTMP v2 "Multitrack").
void mark_ended(record_set_ptr& set, frame_kind kind, const media::track_set& tracks) {
  const auto ends = [&](const record& r) { return r.kind == kind && tracks[r.track] && !r.ended; };
  if (std::none_of(set->records.begin(), set->records.end(), ends)) return;
  auto changed = copy_of(set);
  for (auto& kept : changed->records) kept.ended = kept.ended || ends(kept);
  set = std::move(changed);
}

bool has_room(const record_set& set, const base::hub_limits& limits) {
  const auto configs = std::count_if(set.records.begin(), set.records.end(), [](const record& r) { return r.kind != frame_kind::data; });
  return static_cast<std::size_t>(configs) < limits.kept_configs;
}

// Replaces the record of one track; without an item it is only taken away. A sequence start of another codec makes the
// track's HDR metadata or channel layout void as well.
void replace_config(record_set& set, record&& added, bool is_start, const base::hub_limits& limits) {
  std::erase_if(set.records, [&](const record& r) {
    if (r.kind != added.kind) return false;
    if (r.rank == added.rank) return true;
    return is_start && r.codec != added.codec && r.track == added.track;
  });
  if (added.item && has_room(set, limits)) insert(set, std::move(added));
}

// A message with the configurations of several tracks is kept as one message for each: they are replaced one by one, and whoever
// comes late gets nothing that does not hold any more. Null if that is too large to be kept.
entry_ptr alone(const entry_ptr& item, const media::ex_walk& walk, const media::ex_track& track, std::size_t bytes_max) {
  const bool whole = walk.head().form == media::ex_form::single || walk.head().form == media::ex_form::one_track;
  if ((whole ? item->frame()->payload.size() : track.content.size()) > bytes_max) return nullptr;
  if (whole) return item;
  auto frame = *item->frame();
  frame.payload = walk.as_one_track(track);
  return std::make_shared<const entry>(std::move(frame));
}

record_effect update_config(record_set_ptr& set, const entry_ptr& item, const media::tag_info& info, std::uint64_t sequence,
                            const base::hub_limits& limits) {
  const auto& frame = *item->frame();
  const bool is_start = !info.metadata && !info.multichannel;
  std::shared_ptr<record_set> changed;
  bool news = false;
  // `make_own` gives null if it is too large, and is not asked where nothing can be kept; `color` is of Metadata packets, and what says nothing of colours
  // replaces nothing.
  const auto take = [&](std::uint8_t track, std::uint32_t codec, media::color_info color, auto&& make_own) {
    if (info.metadata && color == media::color_info::none) return;
    record added;
    added.kind = frame.kind;
    added.rank = rank_of(frame.kind, is_start ? 0 : 1, track);
    added.track = track;
    added.multitrack = info.multitrack;
    added.codec = codec;
    added.sequence = sequence;
    const auto& now = changed ? *changed : *set;
    const auto& records = now.records;
    const auto found =
        std::find_if(records.begin(), records.end(), [&added](const record& r) { return r.rank == added.rank && r.kind == added.kind; });
    const auto own = found != records.end() || has_room(now, limits) ? make_own() : nullptr;
    added.item = own;
    if (own && found != records.end() && !found->ended && same_bytes(found->item->frame()->payload, own->frame()->payload)) return;
    news = true;
    // A reset is kept in the place of what it resets: a viewer that had the old colours and jumped over the reset needs it.
    // Whoever never had them gets it as well, and it changes nothing.
    if (color == media::color_info::reset && found == records.end()) return;
    if (!changed) changed = copy_of(set);
    replace_config(*changed, std::move(added), is_start, limits);
  };
  const auto color_of = [&info](base::bytes_view body) { return info.metadata ? media::color_info_of(body) : media::color_info::none; };
  if (info.enhanced) {
    media::ex_walk walk(frame.kind, frame.payload);
    media::track_set taken;  // of a track that is in it twice, the first: so does media::single_track
    while (const auto* track = walk.next()) {
      if (!track->usable || taken[track->id]) continue;
      taken.set(track->id);
      take(track->id, track->codec, color_of(track->body), [&] { return alone(item, walk, *track, limits.kept_record_bytes); });
    }
  } else {
    take(0, media::codec_of(frame.kind, info), media::color_info::none, [&] { return frame.payload.size() <= limits.kept_record_bytes ? item : nullptr; });
  }
  if (changed) set = std::move(changed);
  return news ? record_effect::pass : record_effect::repeat;
}

// Audio whose frames describe themselves needs no sequence start, so nothing else tells that the configuration of another codec, which
// the track had before, does not hold any more.
void drop_stale(record_set_ptr& set, const media::frame& frame, const media::tag_info& info) {
  const auto codec = media::codec_of(frame.kind, info);
  const bool describes_itself = codec < 16 || (media::may_start_empty(codec) && codec != media::codecs::opus);
  if (!info.valid || frame.kind != frame_kind::audio || !describes_itself) return;
  const auto stale = [&](const record& r) { return r.kind == frame.kind && r.track == info.track_id && r.codec != codec; };
  if (std::none_of(set->records.begin(), set->records.end(), stale)) return;
  auto changed = copy_of(set);
  std::erase_if(changed->records, stale);
  set = std::move(changed);
}

}  // namespace

std::string_view data_name(base::bytes_view payload) {
  base::byte_reader in(payload);
  if (in.u8() != std::uint8_t{2}) return {};
  const auto length = in.u16();
  if (!length) return {};
  const auto name = in.take(*length);
  return name ? base::as_text(*name) : std::string_view{};
}

record_effect update_records(record_set_ptr& set, const entry_ptr& item, const media::tag_info& info, std::uint64_t sequence,
                             const base::hub_limits& limits) {
  const auto& frame = *item->frame();
  if (frame.kind == frame_kind::data) return update_data(set, item, sequence, limits);
  if (frame.config) return update_config(set, item, info, sequence, limits);
  if (info.end_of_sequence) {
    mark_ended(set, frame.kind, media::tracks_of(frame.kind, frame.payload));
  } else {
    drop_stale(set, frame, info);
  }
  return record_effect::pass;
}

std::size_t cost_of_change(const record_set& set, const entry_ptr& item, std::uint64_t sequence) {
  constexpr std::size_t heads_bytes = 64;  // of what the heap and shared ownership add to an allocation, or two
  std::size_t bytes = sizeof(record_set) + heads_bytes + set.records.capacity() * sizeof(record);
  for (const auto& kept : set.records) {
    if (kept.sequence == sequence && kept.item != item) bytes += sizeof(entry) + heads_bytes + kept.item->frame()->payload.size();
  }
  return bytes;
}

}  // namespace millrace::hub
