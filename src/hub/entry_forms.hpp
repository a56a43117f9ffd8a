// What some viewers get in the place of a ring's entry: one track of it, or the same with the times of a catch-up.
#pragma once
#include <cstdint>

#include "hub/stream.hpp"
#include "hub/time_squeeze.hpp"

namespace millrace::hub {

// A start near the live edge, shared by all viewers that join with the same wish at the same state of the ring.
struct catch_up {
  std::uint64_t number = 0;  // tells one from another for ever
  time_squeeze times;
  // Sound is as far as the viewer's start. If it is not, it may lag behind its pictures by any time, and goes on there once the catch-up is over.
  bool sound_is_there = false;

  // The stream time at which the viewer gets the frame. Sound cannot be squeezed: it keeps its time, and configurations from before the start, which
  // are not left out, have the start's.
  [[nodiscard]] std::int64_t time_of(media::frame_kind kind, std::int64_t dts_ms) const {
    if (kind == media::frame_kind::audio) return sound_is_there && dts_ms < times.start_ms() ? times.start_ms() : dts_ms;
    return times.map(dts_ms);
  }
  [[nodiscard]] bool leaves_out(const media::frame& f) const {
    return f.kind == media::frame_kind::audio && !f.config && f.dts_ms < times.start_ms();
  }
  // Pictures are far enough past the live edge that none can lag behind it any more: all that follows is as it is. Sound says nothing of that: it
  // may be ahead of its pictures by any time.
  [[nodiscard]] bool is_over(const media::frame& f) const { return f.kind == media::frame_kind::video && f.dts_ms > times.edge_ms() + 1'000; }
};

// Every form is made once and kept in the entry it was made from. Payloads are shared.
class entry_forms {
 public:
  // The single-track message of one track; null where there is nothing of it that a peer without multitrack could read.
  static entry_ptr single_track(const entry_ptr& item, std::uint8_t track);
  // With the times of a catch-up, composition times included; the entry itself where they do not differ.
  static entry_ptr stamped(const entry_ptr& item, const catch_up& with);
  // With another time, for one viewer. This one is made anew each time.
  static entry_ptr at_time(const entry_ptr& item, std::int64_t dts_ms);
  // For a player that reads FLV or RTMP: metadata that opens a stream has the time 0. FFmpeg takes any other data for a track of subtitles.
  static entry_ptr opening(const delivery& what);
};

}  // namespace millrace::hub
