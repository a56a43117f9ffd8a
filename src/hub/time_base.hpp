// The time of a stream as its viewers see it.
#pragma once
#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

#include "media/frame.hpp"

namespace millrace::hub {

// Gives every frame its stream time: the publisher's own time plus an offset, such that no track ever steps back for a viewer that
// stays. The policy (conformance T8 to T11):
//
// * A publisher that follows another goes on where the stream is: what passed while nobody published is part of the stream's time. All
//   of its tracks get one offset, so the distance between audio and video is its own. With no viewer left, times are as they come.
// * A step back of up to 1 s is jitter. The frame gets the time of the one before it; the offset stays, so the distance between
//   audio and video is exact again once the source has passed the place where it stepped back.
// * A longer step back (a source that started anew, a loop, a clock of 24 bits that wrapped), and a step forward of a minute more than
//   has passed (a 32-bit clock that was reset from above 2^31 looks like one), is another clock. The frame follows the
//   newest one at the distance at which it arrived. A track that steps later goes over to the clock of another track where
//   that fits within 10 s, or back to the one that it had before where that fits within 1 s: so audio and video keep their
//   distance on the new clock too, and one stray time does not part them for good.
// * Metadata and configuration decide nothing, because many senders give them the time 0. What is more than 1 s
//   away from the media gets the media's time. Where a configuration came first and is more than 1 s ahead of the media, the media goes on from there.
//
// Wraps of the 32-bit wire clock are undone before the hub (rtmp/media_message.hpp), so times here simply go on.
class time_base {
 public:
  // A new publication begins: `rebase` if somebody watched the old one and stays.
  void begin(bool rebase);
  // The stream time of a frame of the current publication. `track`: its E-RTMP track, the first one of many.
  std::int64_t stamp(const media::frame& f, std::uint8_t track);

 private:
  struct track_clock {
    unsigned key = 0;  // kind and track
    bool begun = false;
    std::int64_t offset_ms = 0;
    std::optional<std::int64_t> offset_before_ms;  // of the clock before this one
    std::int64_t last_in_ms = 0;                   // as the publisher sent it
    std::int64_t last_out_ms = std::numeric_limits<std::int64_t>::min();
    base::instant last_arrival{};
    // What its next frame may not step back behind; data has no say in the time of media.
    [[nodiscard]] std::int64_t held_ms() const {
      return key >> 8 == static_cast<unsigned>(media::frame_kind::data) ? std::numeric_limits<std::int64_t>::min() : last_out_ms;
    }
  };
  track_clock& clock_of(const media::frame& f, std::uint8_t track);
  void follow_step(track_clock& t, const media::frame& f);
  std::int64_t stamp_media(track_clock& t, const media::frame& f);
  std::int64_t stamp_aside(track_clock& t, const media::frame& f);

  std::vector<track_clock> tracks_;  // of this publication: a handful
  bool any_ = false;                 // the stream had a frame: the two below hold
  std::int64_t newest_ms_ = 0;       // newest stream time of all tracks
  base::instant newest_arrival_{};
  bool media_seen_ = false;          // in this publication
  std::optional<std::int64_t> resume_ms_;  // where this publication begins, when it follows another
  bool deciding_ = false;                  // and no media frame has shown yet what it counts from
  std::int64_t offset_ms_ = 0;             // of the newest clock
};

}  // namespace millrace::hub
