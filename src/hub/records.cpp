#include "hub/records.hpp"

#include <algorithm>
#include <array>

#include "base/bytes.hpp"

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
                        [wanted](const record& r) { return r.kind == frame_kind::data && r.name == wanted; });
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
  added.name = name;
  added.sequence = sequence;
  added.item = item;
  insert(*changed, std::move(added));
  set = std::move(changed);
  return record_effect::pass;
}

void mark_ended(record_set_ptr& set, frame_kind kind) {
  if (std::none_of(set->records.begin(), set->records.end(), [kind](const record& r) { return r.kind == kind && !r.ended; })) return;
  auto changed = copy_of(set);
  for (auto& kept : changed->records) kept.ended = kept.ended || kept.kind == kind;
  set = std::move(changed);
}

record_effect update_config(record_set_ptr& set, const entry_ptr& item, const media::tag_info& info, std::uint64_t sequence,
                            const base::hub_limits& limits) {
  const auto& frame = *item->frame();
  const bool is_start = !info.metadata && !info.multichannel;
  record added;
  added.kind = frame.kind;
  added.rank = rank_of(frame.kind, is_start ? 0 : 1, info.track_id);
  added.codec = info.enhanced ? info.fourcc : info.legacy_codec;
  added.sequence = sequence;
  added.item = item;
  const auto found =
      std::find_if(set->records.begin(), set->records.end(),
                   [&added](const record& r) { return r.rank == added.rank && r.kind == added.kind; });
  if (found != set->records.end() && !found->ended && same_bytes(found->item->frame()->payload, frame.payload)) {
    return record_effect::repeat;
  }

  auto changed = copy_of(set);
  // A sequence start of another codec makes the track's HDR metadata or channel layout void as well.
  std::erase_if(changed->records, [&](const record& r) {
    if (r.kind != added.kind) return false;
    if (r.rank == added.rank) return true;
    return is_start && r.codec != added.codec && (r.rank & 0xFF) == info.track_id;
  });
  const auto configs =
      std::count_if(changed->records.begin(), changed->records.end(), [](const record& r) { return r.kind != frame_kind::data; });
  if (frame.payload.size() <= limits.kept_record_bytes && static_cast<std::size_t>(configs) < limits.kept_configs) {
    insert(*changed, std::move(added));
  }
  set = std::move(changed);
  return record_effect::pass;
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
  if (info.end_of_sequence) mark_ended(set, frame.kind);
  return record_effect::pass;
}

}  // namespace millrace::hub
