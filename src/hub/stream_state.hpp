// The inside of a stream and of its cursors. Private to hub.
#pragma once
#include <array>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/fifo.hpp"
#include "hub/entry_forms.hpp"
#include "hub/ring.hpp"
#include "hub/stream.hpp"
#include "hub/time_base.hpp"

namespace millrace::hub {

// The records of a slot, each stamped with the time at which its viewers get the slot; same order as slot.before->records.
// Shared by all viewers that start at that slot.
using prelude_list = std::vector<entry_ptr>;
using prelude_ptr = std::shared_ptr<const prelude_list>;

struct stream::state {
  state(std::string stream_name, const base::hub_limits& stream_limits) : name(std::move(stream_name)), limits(stream_limits) {}

  std::string name;
  base::hub_limits limits;

  ring frames;
  base::fifo<std::uint64_t> gops;  // numbers of the slots with gop_start, oldest first
  std::map<std::uint8_t, std::uint64_t> newest_key;  // by track, for viewers with a picked one; the slot may be gone
  // The oldest of the key frames that somebody may start at or jump to: each track has its own. Nothing if there is none at all.
  std::optional<std::uint64_t> oldest_start;
  std::size_t payload_bytes = 0;   // of what the ring holds
  std::size_t records_bytes = 0;   // slot::records_bytes, likewise
  std::uint64_t overrun_end = 0;   // what lies below went for the ring's limits although a viewer may have wanted it
  record_set_ptr records = std::make_shared<record_set>();
  std::uint64_t frames_total = 0, frames_in_turns = 0;  // the latter: of them, those that take_turns() has told
  std::uint64_t bytes_total = 0;
  std::uint64_t pictures_total = 0;
  base::instant picture_arrival{};  // of the newest picture
  std::uint64_t malformed_total = 0;
  struct {
    media::frame_kind kind;
    std::size_t size;
    media::tag_info info;
  } newest_fault{};

  bool published = false;
  hub::publication* active = nullptr;     // null when nobody publishes
  hub::publication* successor = nullptr;  // waits for its key frame
  std::uint32_t publication = 0;           // counts publications
  std::uint64_t publication_start = 0;     // number of its first slot
  media::track_set video_tracks;           // seen in this publication
  std::uint16_t lead_track = no_track;     // lowest track that had a key frame: the one that viewers wait for
  std::string video_codec, audio_codec;
  time_base time;

  // Attached cursors; null marks one that left while somebody walks the list.
  std::vector<cursor::state*> cursors;
  std::size_t attached = 0;
  unsigned walking = 0;
  std::chrono::milliseconds viewers_age{0};  // no viewer wants frames that are older, if there is a key frame behind them
  bool appended = false;       // since the last flush
  bool flush_claimed = false;  // likewise

  static constexpr std::uint16_t no_track = 0x100;

  void begin_publication();
  void append(media::frame&& f);
  void attach(cursor::state& c);
  void detach(cursor::state& c);
  // Calls `act` for every cursor that is attached now; cursors may come and go meanwhile. The caller keeps the stream alive.
  template <class Act>
  void for_each_cursor(Act act) {
    ++walking;
    for (std::size_t i = 0, count = cursors.size(); i < count; ++i) {
      if (auto* c = cursors[i]) act(*c);
    }
    if (--walking == 0) close_gaps();
  }
  bool claim_flush();
  void flush();
  // The key frame that a viewer starts at, by its picked track.
  [[nodiscard]] std::optional<std::uint64_t> newest_start(std::optional<std::uint8_t> picked) const;
  // What has come since the newest picture did, where that is so long that pictures say nothing of the live edge any more: the camera is off, or it is a show
  // of slides, and sound goes on. By arrival, for the sound may be ahead of its pictures by any time. 0: they come.
  [[nodiscard]] std::chrono::milliseconds without_pictures() const;
  [[nodiscard]] bool has_video(std::optional<std::uint8_t> picked) const { return picked ? video_tracks[*picked] : video_tracks.any(); }
  prelude_ptr prelude_of(std::uint64_t sequence, std::int64_t time_ms, std::int64_t audio_time_ms);
  // The catch-up of a viewer that starts at the key frame `start` now; null when there is nothing to catch up with.
  std::shared_ptr<const catch_up> catch_up_from(std::uint64_t start, std::optional<std::uint8_t> picked, std::chrono::milliseconds delay);
  // The first slot at or above `lowest` with sound of the last `delay`; the ring's end if there is none.
  [[nodiscard]] std::uint64_t sound_of_last(std::chrono::milliseconds delay, std::uint64_t lowest) const;

 private:
  void look_for_starts();
  void evict(base::instant newest);
  void look_at_ages();
  void close_gaps();
  void note_codec(const media::frame& f, const media::tag_info& info);
  void note_video(slot& added, const media::tag_info& info);

  struct cached_prelude {
    std::uint64_t sequence = std::numeric_limits<std::uint64_t>::max();
    std::int64_t time_ms = 0, audio_time_ms = 0;
    prelude_ptr list;
  };
  cached_prelude key_prelude_, other_prelude_;  // late viewers nearly all meet at the newest key frame

  struct cached_catch_up {
    std::uint64_t start = 0, end = 0;
    std::optional<std::uint8_t> picked;
    std::chrono::milliseconds delay{-1};
    std::shared_ptr<const catch_up> made;
  };
  cached_catch_up catch_up_;  // viewers that join in one batch share it
  std::uint64_t catch_ups_ = 0;
};

struct cursor::state {
  std::shared_ptr<stream> source;
  viewer* owner = nullptr;
  cursor_policy policy;
  std::size_t place = 0;  // in stream::state::cursors

  // Number of the next slot to read. Nothing below it is ever delivered again.
  std::uint64_t position = 0;
  std::uint64_t since = 0;       // the ring's end when this cursor asked to join
  std::uint32_t publication = 0;  // of the last slot looked at
  bool joining = true;
  bool joined_before = false;
  bool begun = false;  // something of the ring was delivered
  bool paused = false;
  bool dry = true;
  bool need_key = true;     // video waits for a key frame …
  bool slow_skip = false;   // … because the viewer was too slow
  std::array<bool, 3> wanted{true, true, true};  // by kind_index
  // How old a position may be while no newer key frame is there; falls as the viewer catches up.
  base::duration age_allowed{};
  std::shared_ptr<const catch_up> catching;  // until the live edge is well behind
  std::int64_t data_ms = std::numeric_limits<std::int64_t>::min();  // of the newest data delivered

  // Before the next frame goes out, records in effect there that the viewer has not got go ahead of it: those with a
  // number at or above `seen` of their kind. Meaningful only while `check` is set: reading in order, all is seen.
  bool check = true;
  std::array<std::uint64_t, 3> seen{};
  std::array<bool, 3> again{};  // track switched on amid a prelude: its records follow in one of their own
  prelude_ptr ahead;            // being delivered, for the slot at `position`
  record_set_ptr ahead_records;
  std::size_t ahead_index = 0;

  cursor_stats stats;

  static std::size_t kind_index(media::frame_kind kind) {
    return kind == media::frame_kind::data ? 0 : kind == media::frame_kind::video ? 1 : 2;
  }
  [[nodiscard]] bool wants_video() const { return wanted[1]; }
  [[nodiscard]] std::optional<std::uint8_t> picked(media::frame_kind kind) const {
    if (kind == media::frame_kind::data) return std::nullopt;
    return kind == media::frame_kind::video ? policy.video_track : policy.audio_track;
  }

  // cursor.cpp
  [[nodiscard]] bool wants(const slot& at) const;
  [[nodiscard]] bool can_start_at(const slot& at) const;
  [[nodiscard]] bool has_more(const stream::state& s) const;
  void follow_publication(const slot& at);
  [[nodiscard]] entry_ptr form_of(const slot& at);  // null: nothing that this viewer could read

  // cursor_join.cpp
  bool join(stream::state& s, base::instant now);
  void allow_age_at(const stream::state& s, base::instant now);

  // cursor_slow.cpp
  void lose(loss reason, std::uint64_t frames) { stats.lost[static_cast<std::size_t>(reason)] += frames; }
  void jump(const stream::state& s, std::uint64_t to, loss reason, base::instant now);
  bool fall_behind(const stream::state& s, const slot& at, base::instant now);

  // cursor_records.cpp
  void expect_records();
  void enable(std::size_t kind);
  [[nodiscard]] bool owed(const record& r) const;
  bool begin_prelude(stream::state& s, const slot& at);
  entry_ptr take_ahead();

 private:
  std::uint64_t choose_start(stream::state& s, base::instant now);
};

}  // namespace millrace::hub
