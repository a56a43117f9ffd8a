#include "client/stream_heads.hpp"

#include <algorithm>
#include <utility>

#include "media/tag_header.hpp"

namespace millrace::client {
namespace {

using media::frame;
using media::frame_kind;

// Enough for every track of a multitrack stream; a source that invents more loses its oldest, not our memory.
constexpr std::size_t heads_max = 32;

// Two configurations with one id are versions of the same thing. Legacy headers say codec and kind in 2 bytes; enhanced ones need
// the FourCC and, with several tracks, the track number behind it (E-RTMP v2 "ExVideoTagHeader": at most 7 bytes).
std::string head_id(const frame& f) {
  std::string id(1, static_cast<char>(f.kind));
  if (f.kind == frame_kind::data) return id;
  const auto info = f.kind == frame_kind::video ? media::inspect_video(f.payload) : media::inspect_audio(f.payload);
  const auto head = f.payload.view().first(std::min<std::size_t>(f.payload.size(), info.enhanced ? 7 : 2));
  return id.append(base::as_text(head));
}

}  // namespace

bool stream_heads::is_head(const frame& f) { return f.config || is_metadata(f); }

void stream_heads::remember(const frame& f) {
  if (!is_head(f)) return;
  const auto erase_at = [this](std::size_t i) {
    ids_.erase(ids_.begin() + static_cast<std::ptrdiff_t>(i));
    frames_.erase(frames_.begin() + static_cast<std::ptrdiff_t>(i));
  };
  auto id = head_id(f);
  if (const auto same = std::find(ids_.begin(), ids_.end(), id); same != ids_.end())
    erase_at(static_cast<std::size_t>(same - ids_.begin()));
  if (ids_.size() >= heads_max) erase_at(0);
  const bool first = f.kind == frame_kind::data;
  ids_.insert(first ? ids_.begin() : ids_.end(), std::move(id));
  frames_.insert(first ? frames_.begin() : frames_.end(), f);
}

bool is_metadata(const frame& f) {
  static constexpr std::string_view name("\x02\x00\x0aonMetaData", 13);
  return f.kind == frame_kind::data && f.payload.size() >= name.size() && base::as_text(f.payload.view().first(name.size())) == name;
}

}  // namespace millrace::client
