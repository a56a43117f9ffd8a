// The composition times in a video message, read and changed: what a change of its decoding time takes.
#pragma once
#include <cstdint>
#include <vector>

#include "base/slice.hpp"

namespace millrace::media {

// A composition time: SI24 at an offset in the message (FLV 10.1 annex E.4.3.2; E-RTMP v2 "ExVideoTagBody").
struct composition {
  std::size_t at = 0;
  std::int32_t ms = 0;
};

// All of them in order, one for each track that has one. Legacy AVC and the HEVC and AV1 of old forks, coded frames of avc1, hvc1 and vvc1;
// only where a frame follows, not in configurations. Linear, never past the end.
std::vector<composition> compositions_of(base::bytes_view payload);

// The first bytes of `payload` up to the last of the changed composition times: what media::frame::head takes. Empty for none.
base::slice head_with(base::bytes_view payload, const std::vector<composition>& changed);

}  // namespace millrace::media
