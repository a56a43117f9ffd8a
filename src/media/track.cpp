#include "media/track.hpp"

#include "media/ex_header.hpp"
#include "media/tag_header.hpp"

namespace millrace::media {

track_set tracks_of(frame_kind kind, base::bytes_view payload) {
  track_set all;
  if (is_enhanced(kind, payload)) {
    ex_walk walk(kind, payload);
    while (const auto* track = walk.next()) all.set(track->id);
    if (is_unreadable(walk.fault())) all.reset();
  }
  if (all.none()) all.set(0);
  return all;
}

std::optional<base::slice> single_track(frame_kind kind, const base::slice& payload, std::uint8_t id) {
  if (!is_enhanced(kind, payload)) return id == 0 ? std::optional(payload) : std::nullopt;
  ex_walk walk(kind, payload);
  if (walk.head().form == ex_form::single) return id == 0 ? std::optional(payload) : std::nullopt;
  std::optional<ex_track> wanted;
  while (const auto* track = walk.next()) {
    if (track->id == id && track->usable && !wanted) wanted = *track;
  }
  if (!wanted || is_unreadable(walk.fault())) return std::nullopt;
  return walk.as_single(*wanted);
}

std::optional<frame> single_track(const frame& f, std::uint8_t id) {
  if (f.kind == frame_kind::data) return f;
  auto payload = single_track(f.kind, f.payload, id);
  if (!payload) return std::nullopt;
  auto alone = f;
  if (payload->data() == f.payload.data()) return alone;
  alone.payload = std::move(*payload);
  classify(alone);
  return alone;
}

}  // namespace millrace::media
