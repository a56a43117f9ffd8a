#include "hls/packager.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "media/tag_header.hpp"

namespace millrace::hls {
namespace {

using media::frame_kind;

// What is waited for before the distance of frames is taken for known; a burst that a publisher begins with does not fill half a second.
constexpr std::int64_t learn_ms = 500;
constexpr std::size_t learn_frames = 1'000;
// A key frame this much early is on time: milliseconds are rounded, cameras jitter.
constexpr std::int64_t early_ms = 50;
// No segment is made shorter than this to spare the next one: numbers would run ahead of the seconds that they begin with.
constexpr std::int64_t short_segment_ms = 1'000;
// Milliseconds of frames are rounded: so many frames are up to this much longer than they should be.
constexpr double rounding_ms = 1.5;
// Pictures that are so far behind the sound have stopped.
constexpr std::int64_t stall_ms = 1'000;
// Further apart than that, frames are a hole and no distance.
constexpr std::int64_t hole_ms = 5'000;
// The cursor reads at once, so only a shard that stands still lets it fall behind.
constexpr std::chrono::seconds age_max{10};

hub::cursor_policy policy() {
  // Original times, and the track that players without multitrack get.
  hub::cursor_policy p;
  p.age_max = age_max;
  p.video_track = 0;
  p.audio_track = 0;
  return p;
}

}  // namespace

clocks clocks::real() {
  return {[] { return std::chrono::steady_clock::now(); }, std::chrono::steady_clock::now(), std::chrono::system_clock::now()};
}

std::int64_t clocks::wall_ms(base::instant t) const {
  return std::chrono::duration_cast<std::chrono::milliseconds>(wall_at.time_since_epoch() + (t - at)).count();
}

packager::packager(const std::shared_ptr<hub::stream>& source, std::shared_ptr<presentation> to, clocks time)
    : to_(std::move(to)), time_(std::move(time)), muxer_({.to = to_->container()}), begun_(time_.now()), cursor_(source, *this, policy()) {
  // A segment lasts a second at least on the average, so numbers that begin with the seconds since 1970 are higher than all that a player may
  // remember of an earlier packager, even of another process.
  to_->begin(static_cast<std::uint64_t>(std::max<std::int64_t>(time_.wall_ms(begun_) / 1000, 0)), begun_);
  if (!source->published()) gone_since_ = begun_;
  on_frames();
}

packager::~packager() { to_->close(503, "packaging stops"); }

void packager::on_timer(base::instant now) {
  if (over()) return;
  const auto& how = to_->how();
  to_->expire(now);
  if (!any_run_ && gone_since_ && now - begun_ >= how.unpublished) return to_->close(404, "nobody publishes this stream");
  if (gone_since_ && now - *gone_since_ >= how.linger && !ended_) {
    ended_ = true;
    to_->end();
  }
  if (to_->idle(now)) to_->close(404, "the stream is not packaged any more");
}

void packager::on_frames() {
  if (ended_ || over()) return;
  const auto now = time_.now();
  while (const auto next = cursor_.next(now)) take(*next);
}

void packager::on_publisher_gone() {
  on_frames();
  if (!first_.empty()) learn();
  end_run();
  gone_since_ = time_.now();
}

void packager::on_publisher_back() {
  gone_since_.reset();
  // A list that has ended stays as it is; who asks again gets a new one.
  if (ended_) return to_->close(404, "the stream begins anew");
  on_frames();
}

void packager::take(const hub::delivery& d) {
  if (publication_ != 0 && d.publication != publication_) {
    if (!first_.empty()) learn();
    end_run();
  }
  publication_ = d.publication;
  const auto& f = *d.item->frame();
  if (f.kind == frame_kind::data) return;
  if (part_target_ms_ > 0 || to_->container() == mux::container::mpegts) return accept(f);
  first_.push_back(f);
  first_bytes_ += f.payload.size();
  const auto media = std::ranges::find_if(first_, [](const media::frame& one) { return !one.config; });
  const auto span = media == first_.end() ? 0 : f.dts_ms - media->dts_ms;
  if (span >= learn_ms || first_.size() >= learn_frames || first_bytes_ > to_->how().limits.open_part_bytes) learn();
}

// The part target: as many whole frames as come closest below what is wished, so that regular parts end at frames.
void packager::learn() {
  auto frames = std::exchange(first_, {});
  first_bytes_ = 0;
  const bool video = std::ranges::any_of(frames, [](const media::frame& f) { return f.kind == frame_kind::video && !f.config; });
  std::int64_t first = 0, last = 0, count = 0;
  for (const auto& f : frames) {
    if (f.config || f.kind != (video ? frame_kind::video : frame_kind::audio)) continue;
    if (count++ == 0) first = f.dts_ms;
    last = f.dts_ms;
  }
  const double wished = static_cast<double>(to_->how().part.count());
  double interval = count > 1 ? static_cast<double>(last - first) / static_cast<double>(count - 1) : 40;
  interval = std::clamp(interval, 1.0, static_cast<double>(to_->how().segment_max.count()) / 2);
  const double whole = std::max(1.0, std::floor((wished + rounding_ms) / interval));
  interval_ms_ = interval;
  part_target_ms_ = static_cast<std::int64_t>(std::ceil(whole * interval + rounding_ms));
  to_->set_part_target(part_target_ms_);
  for (const auto& f : frames) accept(f);
}

void packager::accept(const media::frame& f) {
  if (f.config) {
    muxer_.push(f);
    return;
  }
  if (run_ && muxer_.starts_anew(f)) end_run();
  if (muxer_.queued_bytes() > to_->how().limits.open_part_bytes) end_run();
  const auto queued = muxer_.queued_frames();
  muxer_.push(f);
  while (auto e = muxer_.poll_error()) to_->set_trouble(std::move(e->text));
  if (muxer_.queued_frames() == queued) return;  // not for the container, or not yet
  if (!run_) begin_run(f);
  const bool video = f.kind == frame_kind::video;
  if (video && !run_->video) {
    run_->video = true;
    last_frame_ms_.reset();
    last_key_ms_.reset();
  }
  if (video == run_->video) {
    note_interval(f);
    return advance(f.dts_ms, f.key);
  }
  // Sound that goes on while the pictures stand still takes over, so that a part is not waited for for ever.
  if (!video && f.dts_ms - run_->part_ms > part_bound_ms() + stall_ms) advance(f.dts_ms - stall_ms, false);
}

void packager::note_interval(const media::frame& f) {
  if (last_frame_ms_) {
    const auto apart = static_cast<double>(f.dts_ms - *last_frame_ms_);
    if (apart > 0 && apart < static_cast<double>(hole_ms)) interval_ms_ = interval_ms_ == 0 ? apart : interval_ms_ + (apart - interval_ms_) / 8;
  }
  last_frame_ms_ = f.dts_ms;
  if (!f.key) return;
  if (last_key_ms_) key_distance_ms_ = std::max(key_distance_ms_, std::min(f.dts_ms - *last_key_ms_, hole_ms));
  last_key_ms_ = f.dts_ms;
}

void packager::begin_run(const media::frame& f) {
  any_run_ = true;
  run_.emplace();
  run_->part_ms = run_->segment_ms = run_->newest_ms = f.dts_ms;
  run_->offset_ms = time_.wall_ms(f.arrival) - f.dts_ms;
  last_frame_ms_.reset();
  last_key_ms_.reset();
}

// How long a segment may become: rounded to the nearest second it is the target duration at most.
std::int64_t packager::segment_bound_ms() const { return to_->target_s() > 0 ? to_->target_s() * 1000 + 499 : to_->how().segment_max.count(); }

// Where the open part ends at the latest, so that neither it nor its segment gets longer than the playlist declares.
std::int64_t packager::next_boundary_ms() const {
  return std::min(run_->part_ms + part_bound_ms(), run_->segment_ms + segment_bound_ms());
}

bool packager::segment_is_due(std::int64_t at_ms, bool key) const {
  const auto length = at_ms - run_->segment_ms;
  if (length <= 0) return false;
  const auto bound = segment_bound_ms();
  if (length + static_cast<std::int64_t>(std::ceil(interval_ms_)) > bound) return true;
  if (!run_->video) return length >= to_->how().segment.count();
  if (!key) return false;
  if (length >= to_->how().segment.count() - early_ms) return true;
  // The next key frame may come too late to end this one: it ends here rather than in the middle of a group of pictures.
  return to_->target_s() > 0 && length >= short_segment_ms && length + key_distance_ms_ > bound;
}

// The clock says `at_ms`, of a frame that waits in the muxer already.
void packager::advance(std::int64_t at_ms, bool key) {
  for (auto boundary = next_boundary_ms(); at_ms > boundary; boundary = next_boundary_ms()) {
    if (muxer_.has_before(boundary)) {
      close_part(boundary);
      if (run_->part_ms + part_bound_ms() - run_->segment_ms > segment_bound_ms()) close_segment();
      continue;
    }
    const bool hole = boundary - run_->part_ms >= std::min(part_bound_ms(), segment_bound_ms());
    close_segment();
    if (!hole) continue;  // the segment was full, no more than that
    // Nothing at all for the length of a part: a hole. What is declared stays true only if time begins anew behind it.
    discontinuous_ = true;
    run_->offset_ms = time_.wall_ms(time_.now()) - at_ms;
    run_->part_ms = run_->segment_ms = at_ms;
    break;
  }
  run_->newest_ms = std::max(run_->newest_ms, at_ms);
  if (segment_is_due(at_ms, key)) {
    if (at_ms > run_->part_ms) close_part(at_ms);
    return close_segment();
  }
  const auto length = at_ms - run_->part_ms;
  if (part_target_ms_ > 0 && length * 100 >= part_target_ms_ * 85 &&
      static_cast<double>(length) + interval_ms_ > static_cast<double>(part_target_ms_))
    close_part(at_ms);
}

// What waits goes out, and what comes is discontinuous.
void packager::end_run() {
  if (!run_) return;
  muxer_.finish();
  const auto rest = run_->newest_ms + static_cast<std::int64_t>(std::ceil(interval_ms_)) - run_->part_ms;
  take_pieces(std::max<std::int64_t>(1, std::min({rest, part_bound_ms(), run_->segment_ms + segment_bound_ms() - run_->part_ms})));
  close_segment();
  run_.reset();
  discontinuous_ = true;
}

void packager::close_part(std::int64_t at_ms) {
  muxer_.cut(at_ms);
  take_pieces(at_ms - run_->part_ms);
  run_->part_ms = at_ms;
}

void packager::close_segment() {
  if (to_->segment_open()) to_->end_segment((to_->how().segment.count() + 999) / 1000);
  run_->segment_ms = run_->part_ms;
}

void packager::take_pieces(std::int64_t duration_ms) {
  while (auto e = muxer_.poll_error()) to_->set_trouble(std::move(e->text));
  while (auto p = muxer_.poll_piece()) {
    if (p->is == mux::piece::type::init) {
      // After an error of the muxer amid a segment: what follows is of another one.
      if (to_->segment_open()) {
        close_segment();
        discontinuous_ = true;
      }
      for (auto& t : p->tracks) {
        // Parameter sets tell the exact rate, if it is the one at all.
        const bool measured = t.kind == frame_kind::video && run_->video && interval_ms_ > 0;
        if (measured && std::abs(t.frame_rate * interval_ms_ / 1000 - 1) > 0.1) t.frame_rate = std::round(1000 / interval_ms_);
      }
      to_->add_init(std::move(p->bytes), std::move(p->tracks));
      continue;
    }
    if (!to_->segment_open()) to_->begin_segment(std::exchange(discontinuous_, false), run_->part_ms + run_->offset_ms);
    to_->add_part(std::move(p->bytes), duration_ms, p->independent);
  }
}

}  // namespace millrace::hls
