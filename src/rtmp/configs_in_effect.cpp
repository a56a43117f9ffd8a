#include "rtmp/configs_in_effect.hpp"

#include <algorithm>

#include "media/tag_header.hpp"

namespace millrace::rtmp {
namespace {

// Real configurations have tens to hundreds of bytes, of one or two tracks.
constexpr std::size_t count_max = 16;
constexpr std::size_t bytes_each_max = 16u << 10;

}  // namespace

bool configs_in_effect::is_config(base::bytes_view payload) const {
  const auto info = media::inspect(kind_, payload);
  return info.valid && info.config;
}

bool configs_in_effect::holds(base::bytes_view payload) const {
  return std::any_of(configs_.begin(), configs_.end(), [&](const config& c) { return base::as_text(c.payload) == base::as_text(payload); });
}

// Whatever shares a track with the new one is no longer in effect as it stands. Colours and layouts go with the sequence start that they
// were given for: if it changes, a repetition of theirs is news to a decoder.
void configs_in_effect::put(const base::slice& payload, std::size_t bytes_max) {
  if (holds(payload)) return;
  const auto info = media::inspect(kind_, payload);
  config added{info.metadata || info.multichannel, media::tracks_of(kind_, payload), payload};
  std::erase_if(configs_, [&](const config& c) {
    const bool replaced = (c.refers || !added.refers) && (c.tracks & added.tracks).any();
    if (replaced) bytes_ -= c.payload.size();
    return replaced;
  });
  if (payload.size() > bytes_each_max || configs_.size() >= count_max || bytes_ + payload.size() > bytes_max) return;
  bytes_ += payload.size();
  configs_.push_back(std::move(added));
}

}  // namespace millrace::rtmp
