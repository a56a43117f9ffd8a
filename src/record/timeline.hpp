// One time for a recording whose frames may come from several streams of the hub in turn. Pure.
#pragma once
#include <algorithm>
#include <cstdint>
#include <optional>

#include "base/time.hpp"
#include "media/frame.hpp"

namespace millrace::record {

// A publisher that comes back may come back on another shard, which has a stream of its own whose time begins anew. In the recording it goes on: the
// new stream's first frame of media is as much later than the last one as it came later, as the hub does it within one stream (hub/time_base.hpp).
class timeline {
 public:
  void next_source() { first_ = true; }

  std::int64_t stamp(const media::frame& f) {
    // What comes ahead of media may have any time, such as 0, and decides nothing, as in the hub.
    if (first_ && newest_ms_ && (f.kind == media::frame_kind::data || f.config)) return *newest_ms_;
    if (first_) {
      first_ = false;
      if (newest_ms_) {
        const auto later = std::chrono::duration_cast<std::chrono::milliseconds>(f.arrival - newest_arrival_).count();
        shift_ms_ = *newest_ms_ + std::max<std::int64_t>(later, 1) - f.dts_ms;
      }
    }
    const auto ms = f.dts_ms + shift_ms_;
    if (!newest_ms_ || ms >= *newest_ms_) {
      newest_ms_ = ms;
      newest_arrival_ = f.arrival;
    }
    return ms;
  }

 private:
  bool first_ = false;
  std::int64_t shift_ms_ = 0;
  std::optional<std::int64_t> newest_ms_;
  base::instant newest_arrival_{};
};

}  // namespace millrace::record
