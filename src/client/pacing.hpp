// When the frames of a file are due, and what their times become. Pure.
#pragma once
#include <array>
#include <cstdint>
#include <optional>

#include "base/time.hpp"
#include "media/frame.hpp"

namespace millrace::client {

// Turns decoding times into points of the clock: the first frame is due at once, each later one as much later as its time says.
// Late frames are due immediately, so a source that stumbled catches up.
class pacer {
 public:
  // Times that jump by more than this, or back within a track by more than `back_ms_max`, are a new timeline, not a pause to sit out.
  static constexpr std::int64_t ahead_ms_max = 10'000;
  static constexpr std::int64_t back_ms_max = 1'000;

  // Asking again for the same frame gives the same answer.
  base::instant due(const media::frame& f, base::instant now);
  // The next frame is due at once whatever its time (after an interruption).
  void restart() noexcept { anchored_ = false; }
  // A frame of that time is due `when`, and the others around it.
  void anchor_to(std::int64_t dts_ms, base::instant when) noexcept {
    anchored_ = true;
    anchor_ = when;
    anchor_dts_ms_ = last_dts_ms_ = dts_ms;
  }

 private:
  bool anchored_ = false;
  base::instant anchor_{};
  std::int64_t anchor_dts_ms_ = 0;
  std::int64_t last_dts_ms_ = 0;
  std::array<std::optional<std::int64_t>, 2> last_of_kind_;  // since the anchor
};

// Tells a source that runs at the pace of its media (an encoder in front of a pipe) from one that gives all it has (`cat file |`).
class source_pace {
 public:
  // Call it with every audio and video frame in order; `arrival` of the frame is when it was read. `held_back` counts how often the reader had
  // to wait for room: then its pace says nothing about the source. True: since the last answer the source went at its media's pace.
  bool live(const media::frame& f, std::uint64_t held_back);

 private:
  static constexpr std::int64_t span_ms = 300;  // long enough that a key frame read in pieces does not look like a pause
  bool begun_ = false;
  base::instant since_{};
  std::int64_t from_ms_ = 0;
  std::uint64_t held_back_ = 0;
};

// The times that a publisher sends: they start at 0 and go on across the passes of a looped file, where every pass begins
// one frame duration after the end of the one before. A step back of more than pacer::back_ms_max within a track begins a pass, too.
class loop_clock {
 public:
  std::int64_t map(const media::frame& f);
  void next_pass();

 private:
  struct track {
    std::int64_t last = 0;      // as mapped
    std::int64_t duration = 0;  // distance of the last two of one pass
    bool seen = false;          // in this pass
    std::optional<std::int64_t> newest_in;  // of this pass, as it came
  };
  track& of(media::frame_kind kind) { return kind == media::frame_kind::audio ? tracks_[0] : tracks_[1]; }

  std::array<track, 2> tracks_;
  std::optional<std::int64_t> first_ms_;  // of the first audio or video frame of this pass
  std::int64_t offset_ms_ = 0;            // what it is mapped to
};

// The times of an input of any container for a muxer that takes no step back (ms): none within a track, and where the input's clock began anew
// both tracks go on behind the end, with the distance that they have.
class joining_clock {
 public:
  // What to add to the times of this frame; `track` is 0 or 1.
  std::int64_t shift(std::size_t track, std::int64_t dts_ms);

 private:
  struct track {
    std::optional<std::int64_t> newest_in;  // since it joined
    std::int64_t last_out = 0;
    std::int64_t offset = 0;
    bool joined = true;  // its times are of the newest clock: demuxers may give the last of the old one behind the other track's first of the new one
  };

  std::array<track, 2> tracks_;
  std::int64_t offset_ms_ = 0;  // of the newest clock
  std::int64_t end_ms_ = 0;
};

// The times of a file that is being written while sessions come and go: from 0, never backwards within a kind, and without the
// hole or step that a reconnect or a restarted publisher brings.
class output_clock {
 public:
  std::int64_t map(const media::frame& f);
  // A new session: the next frame goes right behind what is written, whatever its time.
  void restart() noexcept { joined_ = false; }

 private:
  std::int64_t shift_ms_ = 0;
  bool joined_ = false;
  bool started_ = false;
  std::int64_t newest_in_ms_ = 0;
  std::array<std::optional<std::int64_t>, 2> newest_of_kind_;  // of what came since it joined
  std::int64_t newest_out_ms_ = 0;
  std::array<std::int64_t, 2> last_out_ms_{0, 0};
};

}  // namespace millrace::client
