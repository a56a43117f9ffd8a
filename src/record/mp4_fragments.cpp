#include "record/mp4_fragments.hpp"

#include <algorithm>
#include <array>
#include <set>
#include <string_view>

#include "base/bytes.hpp"

namespace millrace::record {
namespace {

using base::byte_reader;
using base::bytes_view;

// A fragment has a few seconds. Samples that take no byte in the box are limited by this alone.
constexpr std::uint32_t samples_max = 1u << 14;
// sample_is_non_sync_sample, or sample_depends_on others (section 8.8.3.1).
constexpr std::uint32_t not_key_flags = 0x0101'0000;

// The boxes in a body that was read whole. False if it does not end where the last of them does.
template <class Take>
bool for_each_box(bytes_view bytes, Take take) {
  byte_reader in(bytes);
  while (in.remaining() >= 8) {
    const auto size = in.u32().value();
    const auto type = base::as_text(in.take(4).value());
    const auto body = size < 8 ? std::nullopt : in.take(size - 8);
    if (!body) return false;
    take(type, *body);
  }
  return in.at_end();
}

bytes_view find(bytes_view in, std::string_view type) {
  bytes_view found;
  for_each_box(in, [&](std::string_view t, bytes_view body) {
    if (t == type && found.empty()) found = body;
  });
  return found;
}

// tkhd, mdhd: what stands behind the two times, which are wider in version 1.
byte_reader behind_times(bytes_view body) {
  byte_reader in(body);
  in.skip(in.u8().value_or(0) == 1 ? 19 : 11);
  return in;
}

// Boxes with a count that libavformat would believe, whatever box they stand in: of those in a moov of fragments it is 0.
constexpr std::array<std::string_view, 9> counted{"stsz", "stz2", "stts", "ctts", "stsc", "stco", "co64", "stss", "trun"};

// How often these four letters stand anywhere in it.
std::size_t mentions(bytes_view bytes, std::string_view type) {
  const auto text = base::as_text(bytes);
  std::size_t count = 0;
  for (auto at = text.find(type); at != std::string_view::npos; at = text.find(type, at + 1)) ++count;
  return count;
}

// The number of counted boxes in a sample table; nothing if one has samples. stsz has its count behind the common size, the others at once
// (sections 8.6.1.2, 8.7.3, 8.7.5).
std::optional<std::size_t> empty_tables(bytes_view stbl) {
  std::size_t boxes = 0;
  bool empty = true;
  for_each_box(stbl, [&](std::string_view type, bytes_view body) {
    if (std::ranges::find(counted, type) == counted.end()) return;
    ++boxes;
    byte_reader in(body);
    in.skip(type == "stsz" || type == "stz2" ? 8 : 4);
    empty = empty && in.u32() == 0u;
  });
  return empty ? std::optional(boxes) : std::nullopt;
}

std::int64_t to_ms(std::int64_t units, std::uint32_t scale) {
  // As the demuxer rounds, so that both mean the same frame.
  return (units * 1000 + scale / 2) / scale;
}

struct run_defaults {
  std::uint32_t duration = 0, flags = 0;
};

// False if there cannot be as many samples as are announced. `take` gets time and flags of each.
template <class Take>
bool walk_run(bytes_view trun, run_defaults usual, std::int64_t& at, std::uint32_t& samples, Take take) {
  byte_reader in(trun);
  const auto has = in.u32().value_or(0);
  const auto count = in.u32().value_or(0);
  if ((has & 1) != 0) in.skip(4);
  std::optional<std::uint32_t> first_flags;
  if ((has & 4) != 0) first_flags = in.u32();
  std::size_t each = 0;
  for (const auto field : {0x100u, 0x200u, 0x400u, 0x800u}) each += (has & field) != 0 ? 4 : 0;
  if (count > samples_max - samples || std::uint64_t{count} * each > in.remaining()) return false;
  samples += count;
  for (std::uint32_t i = 0; i < count; ++i) {
    const auto duration = (has & 0x100) != 0 ? in.u32().value() : usual.duration;
    if ((has & 0x200) != 0) in.skip(4);
    auto flags = (has & 0x400) != 0 ? in.u32().value() : usual.flags;
    if (i == 0 && first_flags) flags = *first_flags;
    if ((has & 0x800) != 0) in.skip(4);
    take(at, flags);
    at += duration;
  }
  return true;
}

}  // namespace

std::optional<mp4_box> box_at(block_reader& in, std::uint64_t at) {
  const auto head = in.get(at, 8);
  if (head.empty()) return std::nullopt;
  byte_reader fields(head);
  mp4_box box;
  box.at = at;
  box.bytes = fields.u32().value();
  box.type = base::as_text(fields.take(4).value());
  if (box.bytes == 0) box.bytes = in.size() - at;  // up to the end of the file
  if (box.bytes == 1) {
    const auto wide = in.get(at + 8, 8);
    if (wide.empty()) return std::nullopt;
    box.bytes = byte_reader(wide).u64().value();
    box.head_bytes = 16;
  }
  if (box.bytes < box.head_bytes || box.bytes > in.size() - at) return std::nullopt;
  return box;
}

base::result<mp4_tracks> read_moov(bytes_view moov) {
  mp4_tracks out;
  bool whole_movie = false;
  bool right = true;
  std::size_t tables = 0;
  for_each_box(moov, [&](std::string_view type, bytes_view body) {
    if (type != "trak") return;
    auto head = behind_times(find(body, "tkhd"));
    const auto id = head.u32().value_or(0);
    const auto media = find(body, "mdia");
    auto times = behind_times(find(media, "mdhd"));
    mp4_tracks::track t;
    t.scale = times.u32().value_or(0);
    byte_reader handler(find(media, "hdlr"));
    handler.skip(8);
    const auto kind = base::as_text(handler.take(4).value_or(bytes_view()));
    t.video = kind == "vide";
    const auto empty = empty_tables(find(find(media, "minf"), "stbl"));
    whole_movie = whole_movie || !empty;
    tables += empty.value_or(0);
    right = right && id != 0 && t.scale != 0 && out.by_id.emplace(id, t).second;
    if (right && (t.video || kind == "soun") && (out.main == 0 || (t.video && !out.by_id[out.main].video))) out.main = id;
  });
  std::size_t mentioned = 0;
  for (const auto type : counted) mentioned += mentions(moov, type);
  // One that was not come across stands where only libavformat finds it.
  if (whole_movie || mentioned != tables)
    return base::error{base::error_kind::input, "an MP4 that is not made of fragments, which is none that this server has written"};
  std::set<std::uint32_t> extended;
  for_each_box(find(moov, "mvex"), [&](std::string_view type, bytes_view body) {
    if (type != "trex") return;
    byte_reader in(body);
    in.skip(4);
    const auto id = in.u32().value_or(0);
    const auto found = out.by_id.find(id);
    right = right && found != out.by_id.end() && extended.insert(id).second;
    if (!right) return;
    in.skip(4);
    found->second.usual_duration = in.u32().value_or(0);
    in.skip(4);
    found->second.usual_flags = in.u32().value_or(0);
  });
  // libavformat takes seconds over fragments of a track that has no id, or no trex of its own (section 8.8.3: each has exactly one).
  if (!right || extended.size() != out.by_id.size())
    return base::error{base::error_kind::input, "an MP4 whose moov is damaged: its tracks do not agree with what it says of fragments"};
  if (out.main == 0) return base::error{base::error_kind::input, "an MP4 without tracks of sound or picture"};
  return out;
}

std::optional<mp4_fragment_times> read_moof(const mp4_tracks& tracks, bytes_view moof) {
  mp4_fragment_times out;
  std::uint32_t samples = 0;
  bool right = true;
  // Strict, because libavformat is not: it reads a box that is too long as far as there are bytes, and these boxes wherever they stand.
  const bool whole = for_each_box(moof, [&](std::string_view type, bytes_view traf) {
    if (type != "traf") {
      right = right && type == "mfhd";
      return;
    }
    byte_reader head(find(traf, "tfhd"));
    const auto has = head.u32().value_or(0);
    const auto id = head.u32().value_or(0);
    const auto known = tracks.by_id.find(id);
    if (known == tracks.by_id.end()) right = false;
    if (!right) return;
    const auto& track = known->second;
    run_defaults usual{track.usual_duration, track.usual_flags};
    if ((has & 1) != 0) head.skip(8);
    if ((has & 2) != 0) head.skip(4);
    if ((has & 8) != 0) usual.duration = head.u32().value_or(0);
    if ((has & 0x10) != 0) head.skip(4);
    if ((has & 0x20) != 0) usual.flags = head.u32().value_or(0);
    byte_reader time(find(traf, "tfdt"));
    const bool wide = time.u8() == std::uint8_t{1};
    time.skip(3);
    auto at = static_cast<std::int64_t>(wide ? time.u64().value_or(0) : time.u32().value_or(0));
    // Sums of durations in milliseconds stay far from the end of the type.
    if (at > (std::int64_t{1} << 50) || at < -(std::int64_t{1} << 50)) right = false;
    const bool main = id == tracks.main && !out.begin_ms;
    const bool traf_whole = for_each_box(traf, [&](std::string_view t, bytes_view trun) {
      right = right && (t == "trun" || t == "tfhd" || t == "tfdt");
      if (t != "trun" || !right) return;
      right = walk_run(trun, usual, at, samples, [&](std::int64_t units, std::uint32_t flags) {
        if (!main) return;
        if (!out.begin_ms) out.begin_ms = to_ms(units, track.scale);
        if (!track.video || (flags & not_key_flags) == 0) out.keys_ms.push_back(to_ms(units, track.scale));
      });
    });
    right = right && traf_whole;
  });
  if (!right || !whole) return std::nullopt;
  return out;
}

}  // namespace millrace::record
