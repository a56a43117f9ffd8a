// A live stream: one ring of frames, one publisher at most, any number of viewers. The ring keeps what somebody may still want: the newest
// group of pictures for who comes, and what is young enough for those who are there; without key frames all that its limits allow.
// Pure and single-threaded: a stream belongs to its publisher's shard.
#pragma once
#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/limits.hpp"
#include "base/result.hpp"
#include "base/send_chain.hpp"
#include "base/time.hpp"
#include "hub/loss.hpp"
#include "media/frame.hpp"

namespace millrace::hub {

class stream;
class cursor;
struct record_set;

// An entry of the ring: the frame and its wire images, encoded at most once each and shared by all viewers.
class entry {
 public:
  explicit entry(media::frame f) : frame_(std::move(f)) {}
  [[nodiscard]] const media::frame* frame() const noexcept { return &frame_; }
  // Wire formats that outputs know. The hub does not encode: the first viewer that needs an image makes it.
  enum class format : unsigned char { rtmp_chunks, roqr, roqr_group, flv_tag, flv_message, count };
  template <class Encode>  // base::send_chain encode(const media::frame&)
  const base::send_chain& image(format f, Encode&& encode) const {
    auto& image = made().images[static_cast<std::size_t>(f)];
    if (!image) image = encode(frame_);
    return *image;
  }

 private:
  friend class entry_forms;
  // What some viewers get in its place. Kept here, so that they share it and it goes when the ring drops this entry.
  struct form {
    std::uint64_t key = 0;
    std::shared_ptr<const entry> item;
  };
  struct made_of_it {
    std::array<std::optional<base::send_chain>, static_cast<std::size_t>(format::count)> images;
    std::vector<form> tracks;  // single tracks of a multitrack message, by id
    form stamped;              // with the times of the newest catch-up, by its number; null: that changes nothing
  };
  made_of_it& made() const {
    if (!made_) made_ = std::make_unique<made_of_it>();
    return *made_;
  }
  media::frame frame_;
  mutable std::unique_ptr<made_of_it> made_;  // null until a viewer wants some of it: most streams have none
};
using entry_ptr = std::shared_ptr<const entry>;

// What a viewer's owner implements. Called on the stream's thread from flush(), append(), begin and end of a publication; must not
// destroy the stream, another cursor or itself: note the fact and act after returning.
class viewer {
 public:
  virtual ~viewer() = default;
  virtual void on_frames() = 0;             // there is something to read again
  // A kept data message was taken away by `clear` ("@clearDataFrame"), which no viewer gets. For who passes a stream on whole.
  virtual void on_cleared(const entry_ptr& clear) { static_cast<void>(clear); }
  virtual void on_publisher_gone() = 0;
  virtual void on_publisher_back() = 0;     // also for the first publisher of a stream that was waited for
};

// The right to append to a stream; destroying it ends the publication (viewers are told, the name is free at once).
// A publication that yields may have a successor: another one that waits, by the same rules of access, to go on where this one is. It
// takes over at its first key frame (without video: at its first audio), or when this one ends before. Viewers are told nothing
// then, because nothing happens to them: the time runs on and the next thing they get is the successor's configuration and key frame.
class publication {
 public:
  ~publication();
  publication(const publication&) = delete;
  publication& operator=(const publication&) = delete;

  // Rebases the time so that viewers that stayed never see it run backwards, classifies nothing, stores. With no viewer
  // left from before, times stay as they come and the old ring goes. A configuration equal to the one in effect is not
  // stored again (L2); "@clearDataFrame" takes a kept data message away and goes no further.
  void append(media::frame&& f);
  // Tells waiting viewers; once per batch of appends. As target()->flush(), which others may call when they like.
  void flush();
  // From now on stream::publish() gives a successor. `taken_over` is called once when it has taken over, from inside its append(): note the
  // fact and act later. This publication then takes nothing in any more and ends without a trace.
  void yield(std::function<void()> taken_over);
  [[nodiscard]] bool waiting() const noexcept { return standing_ == standing::waiting; }  // a successor whose time has not come
  [[nodiscard]] bool over() const noexcept { return standing_ == standing::over; }        // it has been followed
  [[nodiscard]] const std::shared_ptr<stream>& target() const noexcept { return stream_; }

 private:
  friend class stream;
  enum class standing : unsigned char { waiting, active, over };
  publication(std::shared_ptr<stream> s, standing at);
  void wait_with(media::frame&& f);
  void keep_head(media::frame&& f);
  void take_over(std::optional<base::instant> now = {});

  std::shared_ptr<stream> stream_;
  standing standing_;
  bool yields_ = false;
  std::function<void()> taken_over_;
  std::shared_ptr<const record_set> heads_;  // waiting: the metadata and configurations that are in effect by now
  std::uint64_t heads_seen_ = 0;
};

struct cursor_policy {
  std::chrono::milliseconds age_max{2'000};  // older than this: jump to the newest key frame
  // Start this far behind the live edge by squeezing the times of what comes before it (hub/time_squeeze.hpp). Nothing: original
  // times, and the player stays behind by the age of the key frame it started on.
  std::optional<std::chrono::milliseconds> wanted_delay;
  // E-RTMP multitrack: the one track to get, as ordinary single-track messages. Nothing: every message as it was published.
  std::optional<std::uint8_t> video_track, audio_track;
};

struct delivery {
  entry_ptr item;
  // True for metadata and configuration that this viewer gets ahead of its first frame, or again after a jump: stamped with the time
  // of the frame that follows, so not the ring's own entry.
  bool prelude = false;
  std::uint32_t publication = 0;  // which one of the stream it came by, counted from 1
  // A prelude that nothing but prelude came before.
  bool opening = false;
};

// A viewer *is* a position in the ring: constant memory whatever the backlog. Must not outlive… it keeps the stream alive itself.
class cursor {
 public:
  cursor(std::shared_ptr<stream> s, viewer& owner, cursor_policy policy);
  ~cursor();
  cursor(const cursor&) = delete;
  cursor& operator=(const cursor&) = delete;

  // The next thing to send, or nothing: then on_frames comes when there is more. Call it after making the cursor and after
  // resuming too: on_frames announces what was appended after that. Allocates nothing but what all viewers of a join share.
  // Starts on the newest key frame, after metadata and configuration. Without one in the ring it starts from now (with a wanted
  // delay: that much before now), with audio at once (a player that waits for a picture is not silent) and video from the
  // next key frame. Key frames, configuration and jumps are those of the picked track.
  // With a wanted delay the backlog is sent in fast motion: video before the live edge gets squeezed times, audio older than
  // the delay is left out. Good for people who watch; a recorder wants the original times.
  // Too slow (see cursor_policy): jumps to the newest key frame if that is ahead; otherwise video is left out until the
  // next key frame while audio, configuration and data go on; without video, jumps to the live edge. Configuration
  // follows a jump only if it changed in what was jumped over. A viewer still reading the GOP it joined at is not too slow
  // for the age it started with, only for falling a further age_max behind its best. Every frame lost is counted by reason.
  std::optional<delivery> next(base::instant now);
  // While paused nothing is delivered; on resume the cursor joins anew at the newest key frame, catching up as at first, unless it
  // has passed that already: then it goes on where it was, or, if that is too old, with audio from now and video from the next key frame.
  void set_paused(bool paused);
  void set_tracks(bool audio, bool video);   // video comes back at a key frame, with its configuration
  [[nodiscard]] const cursor_stats& stats() const noexcept;
  [[nodiscard]] const std::shared_ptr<stream>& source() const noexcept;

 private:
  friend class stream;
  struct state;
  std::unique_ptr<state> state_;
};

struct stream_facts {
  std::string name;
  bool published = false;
  std::size_t viewers = 0;
  std::uint64_t frames = 0;      // appended since the stream object exists
  std::uint64_t bytes = 0;
  std::uint64_t pictures = 0;    // of frames: video that is no configuration
  // Messages of the newest publication whose header has a fault (media::header_fault), and what is wrong with the last of them.
  std::uint64_t malformed = 0;
  std::string malformed_text;
  std::size_t ring_frames = 0;
  std::size_t ring_bytes = 0;    // payload
  std::size_t gop_count = 0;
  std::string video_codec, audio_codec;
};

// One frame of the newest group of pictures, for who looks at its structure.
struct frame_facts {
  media::frame_kind kind = media::frame_kind::data;
  bool key = false, disposable = false, config = false;
  std::int64_t dts_ms = 0;
  std::size_t bytes = 0;
};

class stream : public std::enable_shared_from_this<stream> {
 public:
  stream(std::string name, const base::hub_limits& limits);
  ~stream();

  [[nodiscard]] const std::string& name() const noexcept;
  [[nodiscard]] bool published() const noexcept;
  [[nodiscard]] stream_facts facts() const;
  // What the ring has from its newest key frame on, or the last `most` frames of that.
  [[nodiscard]] std::vector<frame_facts> newest_group(std::size_t most) const;

  // Tells waiting viewers of what was appended since the last time. The caller keeps the stream alive.
  void flush();
  // True when viewers are to be told something and nobody has undertaken that yet: the caller has then. Once for each flush().
  [[nodiscard]] bool claim_flush();
  // What the frames since the last call take if each is handled as it comes: one turn to take it in, and one for each viewer.
  std::uint64_t take_turns();
  // Error kind busy when somebody publishes already and does not yield, or has a successor already.
  base::result<std::unique_ptr<publication>> publish();

 private:
  friend class publication;
  friend class cursor;
  struct state;
  std::unique_ptr<state> state_;
};

}  // namespace millrace::hub
