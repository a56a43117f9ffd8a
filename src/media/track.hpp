// Tracks of E-RTMP multitrack messages, for those who want one of them (E-RTMP v2 "Multitrack").
#pragma once
#include <bitset>
#include <optional>

#include "base/slice.hpp"
#include "media/frame.hpp"

namespace millrace::media {

using track_set = std::bitset<256>;

// Tracks that a message has something for. One that is not multitrack, or cannot be read and is passed on as it is, counts as track 0, the
// default track.
track_set tracks_of(frame_kind kind, base::bytes_view payload);

// The message as a peer gets it that knows no multitrack and wants track `id`: without the wrapper, a short ModEx chain and all other
// content kept (ex_walk::as_single). A message that is not multitrack is returned as it is, shared, for track 0. Nothing for a message that
// holds nothing of the track, and for a multitrack message that is unreadable: to such a peer it would be rubbish. Of a track that is in it
// twice, the first.
std::optional<base::slice> single_track(frame_kind kind, const base::slice& payload, std::uint8_t id);

// The same for a frame, times kept and flags set. Data frames belong to no track and always stay as they are.
std::optional<frame> single_track(const frame& f, std::uint8_t id);

}  // namespace millrace::media
