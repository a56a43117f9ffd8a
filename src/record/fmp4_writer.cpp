#include <algorithm>
#include <utility>

#include "media/codec.hpp"
#include "media/tag_header.hpp"
#include "media/track.hpp"
#include "mux/muxer.hpp"
#include "record/scan.hpp"
#include "record/writer.hpp"

namespace millrace::record {
namespace {

using media::frame;
using media::frame_kind;

// A crash costs what is not in a fragment yet.
constexpr std::int64_t fragment_ms = 1'000;
// Key frames begin fragments, so that a player can seek to them; those that follow sooner do without.
constexpr std::int64_t fragment_ms_min = 500;
// The tracks of a file are those that its first fragment has, so that one waits for the second track: as long as nothing is known of it …
constexpr std::int64_t wait_ms = 2'000;
// … and if its configuration has come.
constexpr std::int64_t wait_announced_ms = 10'000;
// So much waits at most, whatever the times say: those of a publisher may stand still. 250 Mb/s fill it in a second.
constexpr std::size_t fragment_bytes_max = 32u << 20;
// What a picture may last in a file: its duration has 31 bits, in 1/90000 s.
constexpr std::int64_t hole_ms_max = 6 * 3'600'000;

class fmp4_writer final : public writer {
 public:
  explicit fmp4_writer(const file_mark& mark)
      : mark_(make_mark_box(escaped_name(mark.stream), utc_text(mark.start))), muxer_({.to = mux::container::fmp4, .from_zero = true, .video_track = 0, .audio_track = 0}) {}

  bool needs_new_file(const frame& f) const override { return over_ || (f.kind != frame_kind::data && leaps(f.dts_ms)) || muxer_.starts_anew(f); }

  void push(const frame& f) override {
    if (f.kind == frame_kind::data || over_) return;
    if (f.config) {
      (f.kind == frame_kind::video ? video_ : audio_).announced = true;
    } else {
      look_for_tracks(f);
      cut_before(f);
      bound(f);
    }
    const auto waited = muxer_.queued_frames();
    muxer_.push(f);
    drain();
    if (f.config) return;
    if (muxer_.queued_frames() == waited) {
      ++not_carried_;
      return;
    }
    (f.kind == frame_kind::video ? video_ : audio_).seen = true;
    if (!begin_ms_) begin_ms_ = cut_ms_ = newest_ms_ = f.dts_ms;
    newest_ms_ = std::max(newest_ms_, f.dts_ms);
  }

  void finish(std::optional<std::int64_t> next_ms) override {
    if (next_ms && !leaps(*next_ms)) muxer_.cut(*next_ms);
    muxer_.finish();
    drain();
  }

  base::send_chain take() override { return std::exchange(out_, {}); }
  std::vector<patch> patches(std::uint64_t, std::int64_t) const override { return {}; }
  std::optional<base::error> poll_error() override {
    if (error_) return std::exchange(error_, std::nullopt);
    return muxer_.poll_error();
  }

 private:
  struct track {
    bool announced = false, seen = false;
  };

  [[nodiscard]] bool leaps(std::int64_t to_ms) const { return begin_ms_ && to_ms - newest_ms_ > hole_ms_max; }

  void cut_before(const frame& f) {
    if (!begin_ms_) return;
    const auto length = f.dts_ms - cut_ms_;
    const bool key = f.kind == frame_kind::video && f.key;
    // Where there is video, it is what fragments are cut at: a cut amid a picture's time would have to guess its end.
    if (video_.seen && f.kind != frame_kind::video && length < 2 * fragment_ms) return;
    if (length < (key ? fragment_ms_min : fragment_ms)) return;
    if (!opened_ && !(video_.seen && audio_.seen)) {
      const bool announced = video_.seen ? audio_.announced : video_.announced;
      if (length < (announced ? wait_announced_ms : wait_ms)) return;
    }
    if (!muxer_.has_before(f.dts_ms)) return;
    muxer_.cut(f.dts_ms);
    cut_ms_ = f.dts_ms;
    drain();
  }

  void bound(const frame& f) {
    if (muxer_.queued_bytes() <= fragment_bytes_max) return;
    muxer_.finish();
    cut_ms_ = f.dts_ms;
    drain();
  }

  void drain() {
    not_carried_ += muxer_.refused_frames() - std::exchange(refused_, muxer_.refused_frames());
    while (auto p = muxer_.poll_piece()) {
      if (p->is == mux::piece::type::init) {
        // A second one, after an error of the muxer: what follows belongs to another file.
        over_ = over_ || opened_;
        if (over_) continue;
        opened_ = true;
        out_.push_back(p->bytes);
        out_.push_back(mark_);
        continue;
      }
      if (over_) continue;
      out_.push_back(p->bytes);
      if (!first_ms_) first_ms_ = p->begin_ms;
      duration_ms_ = std::max(duration_ms_, p->end_ms - *first_ms_);
    }
  }

  // MP4 gets one track of each kind, and what else there is gets said once.
  void look_for_tracks(const frame& f) {
    if (told_ || !media::inspect(f.kind, f.payload).multitrack) return;
    auto tracks = media::tracks_of(f.kind, f.payload);
    tracks.reset(0);
    if (tracks.none()) return;
    told_ = true;
    error_ = base::error{base::error_kind::unsupported, "MP4 gets track 0 of sound and picture; the other tracks of this stream are in no file (FLV carries all)"};
  }

  const base::slice mark_;
  mux::muxer muxer_;
  base::send_chain out_;
  track video_, audio_;
  std::uint64_t refused_ = 0;  // by the muxer, that are counted
  bool opened_ = false, over_ = false, told_ = false;
  std::optional<std::int64_t> begin_ms_, first_ms_;
  std::int64_t cut_ms_ = 0, newest_ms_ = 0;
  std::optional<base::error> error_;
};

}  // namespace

std::unique_ptr<writer> make_fmp4_writer(const file_mark& mark) { return std::make_unique<fmp4_writer>(mark); }

}  // namespace millrace::record
