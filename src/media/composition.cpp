#include "media/composition.hpp"

#include "media/ex_header.hpp"
#include "media/tag_header.hpp"

namespace millrace::media {
namespace {

// Legacy codecs with AVC's layout have it behind codec and packet type (FLV 10.1 annex E.4.3.2), where packet type 1 is a frame.
constexpr std::size_t legacy_at = 2;
bool is_legacy_frame(base::bytes_view payload) {
  const auto codec = payload.empty() ? 0 : payload[0] & 15;
  if ((codec != 7 && codec != 12 && codec != 13) || payload[0] >> 4 == frame_type_command) return false;
  return payload.size() > legacy_at + 3 && payload[1] == 1;
}

}  // namespace

std::vector<composition> compositions_of(base::bytes_view payload) {
  std::vector<composition> all;
  if (!is_enhanced(frame_kind::video, payload)) {
    if (is_legacy_frame(payload)) all.push_back({legacy_at, inspect_video(payload).composition_ms});
    return all;
  }
  ex_walk walk(frame_kind::video, payload);
  while (const auto* track = walk.next()) {
    if (walk.head().packet != ex_packet::coded_frames || !track->usable || !has_composition_time(track->codec)) continue;
    all.push_back({track->content_at, track->composition_ms});
  }
  return all;
}

base::slice head_with(base::bytes_view payload, const std::vector<composition>& changed) {
  if (changed.empty()) return {};
  std::vector<std::uint8_t> head(payload.begin(), payload.begin() + static_cast<std::ptrdiff_t>(changed.back().at + 3));
  for (const auto& c : changed) {
    const auto raw = static_cast<std::uint32_t>(c.ms);
    head[c.at] = static_cast<std::uint8_t>(raw >> 16);
    head[c.at + 1] = static_cast<std::uint8_t>(raw >> 8);
    head[c.at + 2] = static_cast<std::uint8_t>(raw);
  }
  return base::slice(std::move(head));
}

}  // namespace millrace::media
