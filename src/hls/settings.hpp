// How streams are cut for HLS. What holds whatever an operator says is in base/limits.hpp.
#pragma once
#include <chrono>
#include <cstddef>

#include "base/limits.hpp"

namespace millrace::hls {

struct settings {
  // A segment ends at the first key frame after this much; parts are this long or, where frames last longer, one frame.
  std::chrono::milliseconds segment{2'000};
  std::chrono::milliseconds part{250};
  // A stream whose first key frame after that does not come gets its first segment cut here. The first segment decides the target duration,
  // which may not change (RFC 8216 section 6.2.1), and later ones are cut before they pass that.
  std::chrono::milliseconds segment_max{8'000};
  // Segments in the playlist. It never gets shorter than three target durations (RFC 8216 section 6.2.2). As many again can still be fetched.
  std::size_t window = 6;
  // A stream whose publisher went stays as it is for so long, then its playlist ends.
  std::chrono::milliseconds linger{60'000};
  // Nobody asked for anything for so long: packaging stops, and starts anew with the next request.
  std::chrono::milliseconds idle{30'000};
  // A first playlist waits for the first segment, this long at most; a stream that nobody publishes is refused after `unpublished`, which
  // leaves frames the time to come from another shard.
  std::chrono::milliseconds first_wait{15'000};
  std::chrono::milliseconds unpublished{2'000};
  base::hls_limits limits;
};

}  // namespace millrace::hls
