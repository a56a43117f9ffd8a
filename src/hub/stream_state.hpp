// The inside of a stream and of its cursors. Private to hub.
#pragma once
#include <array>
#include <cstdint>
#include <deque>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "hub/ring.hpp"
#include "hub/stream.hpp"

namespace millrace::hub {

// The records of a slot, each stamped with the slot's time; same order as slot.before->records. Shared by all viewers
// that start at that slot.
using prelude_list = std::vector<entry_ptr>;
using prelude_ptr = std::shared_ptr<const prelude_list>;

// Keeps the time of a stream running forward when a publisher follows another (conformance T10).
class time_base {
 public:
  // A new publication begins: `rebase` if somebody watched the old one and stays.
  void begin(bool rebase);
  // The stream time of a frame of the current publication.
  std::int64_t stamp(const media::frame& f);

 private:
  bool any_ = false;
  std::int64_t last_dts_ms_ = 0;
  base::instant last_arrival_{};
  bool deciding_ = false;      // rebasing, and no media frame has shown yet what the new publisher counts from
  bool have_resume_ = false;
  std::int64_t resume_at_ms_ = 0;
  std::int64_t offset_ms_ = 0;
  std::int64_t floor_ms_ = std::numeric_limits<std::int64_t>::min();
};

struct stream::state {
  state(std::string stream_name, const base::hub_limits& stream_limits) : name(std::move(stream_name)), limits(stream_limits) {}

  std::string name;
  base::hub_limits limits;

  ring frames;
  std::deque<std::uint64_t> gops;  // numbers of the slots with gop_start, oldest first
  std::size_t payload_bytes = 0;   // of what the ring holds
  record_set_ptr records = std::make_shared<record_set>();
  std::uint64_t frames_total = 0;
  std::uint64_t bytes_total = 0;
  std::uint64_t malformed_total = 0;
  struct {
    media::frame_kind kind;
    std::size_t size;
    media::tag_info info;
  } newest_fault{};

  bool published = false;
  std::uint32_t publication = 0;           // counts publications
  std::uint64_t publication_start = 0;     // number of its first slot
  bool video_seen = false;                 // in this publication
  std::uint16_t lead_track = no_track;     // lowest track that had a key frame: the one that viewers wait for
  std::string video_codec, audio_codec;
  time_base time;

  // Attached cursors; null marks one that left while somebody walks the list.
  std::vector<cursor::state*> cursors;
  std::size_t attached = 0;
  unsigned walking = 0;
  bool appended = false;  // since the last flush

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
  void flush();
  prelude_ptr prelude_of(std::uint64_t sequence);

 private:
  void evict(base::instant newest);
  void close_gaps();
  void note_codec(const media::frame& f, const media::tag_info& info);

  struct cached_prelude {
    std::uint64_t sequence = std::numeric_limits<std::uint64_t>::max();
    prelude_ptr list;
  };
  cached_prelude key_prelude_, other_prelude_;  // late viewers nearly all meet at the newest key frame
};

struct cursor::state {
  std::shared_ptr<stream> source;
  viewer* owner = nullptr;
  base::duration age_max{};
  std::size_t place = 0;  // in stream::state::cursors

  // Number of the next slot to read. Nothing below it is ever delivered again.
  std::uint64_t position = 0;
  std::uint64_t since = 0;       // the ring's end when this cursor asked to join
  std::uint32_t publication = 0;  // of the last slot looked at
  bool joining = true;
  bool joined_before = false;
  bool paused = false;
  bool dry = true;
  bool need_key = true;     // video waits for a key frame …
  bool slow_skip = false;   // … because the viewer was too slow
  std::array<bool, 3> wanted{true, true, true};  // by kind_index
  // How old a position may be while no newer key frame is there; falls as the viewer catches up.
  base::duration age_allowed{};

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
  [[nodiscard]] bool wants(const slot& at) const;
  [[nodiscard]] bool has_more(const stream::state& s) const;
  void expect_records();
  void enable(std::size_t kind);
  bool join(const stream::state& s, base::instant now);
  void jump(const stream::state& s, std::uint64_t to, base::instant now);
  bool fall_behind(const stream::state& s, const slot& at, base::instant now);
  void allow_age_at(const stream::state& s, base::instant now);
  bool begin_prelude(stream::state& s, const slot& at);
  entry_ptr take_ahead();
};

}  // namespace millrace::hub
