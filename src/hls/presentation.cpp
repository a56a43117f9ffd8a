// The writer's side. What requests get: presentation_answers.cpp.
#include "hls/presentation.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace millrace::hls {
namespace {

// So many segments are kept at most, whatever the window says in durations: a publisher that changes its configuration with each key frame makes them
// as short as a frame, and every playlist is written anew with all of them.
std::size_t segments_max(std::size_t window) { return 4 * window + 100; }

}  // namespace

presentation::presentation(std::string stream, mux::container container, const settings& how, std::uint64_t least_number)
    : stream_(std::move(stream)),
      container_(container),
      how_(how),
      viewers_(std::make_shared<audience>(2 * how.segment_max)),
      next_msn_(least_number),
      now_(std::make_shared<snapshot>()) {}

void presentation::begin(std::uint64_t first_number, base::instant now) {
  next_msn_ = std::max(first_number, next_msn_.load());
  const std::lock_guard lock(mutex_);
  last_request_ = std::max(last_request_, now);
}
void presentation::set_part_target(std::int64_t ms) { part_target_ms_ = ms; }

void presentation::add_init(base::slice bytes, std::vector<mux::track_facts> tracks) {
  // Named after the first segment that needs it, so that no name is ever used for something else, not even by the next process.
  // One that no segment ever needed has given its name away: a publisher that goes on from one to the next leaves no row of them.
  if (!inits_.empty() && inits_.back().number == next_msn_) {
    bytes_ -= inits_.back().bytes.size();
    inits_.pop_back();
  }
  bytes_ += bytes.size();
  inits_.push_back({next_msn_, std::move(bytes)});
  tracks_ = std::move(tracks);
}

void presentation::begin_segment(bool discontinuity, std::int64_t wall_ms) {
  auto s = std::make_shared<stored_segment>();
  s->entry.msn = next_msn_++;
  s->entry.init = inits_.empty() ? 0 : inits_.back().number;
  s->entry.discontinuity = discontinuity;
  s->entry.wall_ms = wall_ms;
  segments_.push_back(std::move(s));
}

void presentation::add_part(base::slice bytes, std::int64_t duration_ms, bool independent) {
  // A new one in the place of the open one: snapshots that were handed out keep theirs.
  auto s = std::make_shared<stored_segment>(*segments_.back());
  s->entry.duration_ms += duration_ms;
  s->entry.parts.push_back({duration_ms, independent});
  s->bytes += bytes.size();
  bytes_ += bytes.size();
  s->parts.push_back(std::move(bytes));
  segments_.back() = std::move(s);
  if (container_ == mux::container::fmp4) publish();
}

void presentation::end_segment(std::int64_t target_s) {
  auto s = std::make_shared<stored_segment>(*segments_.back());
  s->entry.complete = true;
  // Rounded to the nearest second it may not pass the target duration (RFC 8216 section 4.3.3.1). Half a second is much for those that follow
  // to be longer by, but a tenth of one has to be left for it.
  if (target_s_ == 0) target_s_ = std::max<std::int64_t>({target_s, (s->entry.duration_ms + 600) / 1000, (part_target_ms_ + 999) / 1000, 1});
  segments_.back() = std::move(s);
  forget_old();
  publish();
}

void presentation::end() {
  if (ended_) return;
  ended_ = true;
  publish();
}

void presentation::set_trouble(std::string why) {
  const std::lock_guard lock(mutex_);
  trouble_ = std::move(why);
}

void presentation::forget_old() {
  // A segment leaves the list only if three target durations stay (RFC 8216 section 6.2.2) …
  auto listed = segments_.size() - first_listed_;
  std::int64_t rest = 0;
  for (std::size_t i = first_listed_ + 1; i < segments_.size(); ++i) rest += segments_[i]->entry.duration_ms;
  while (listed > std::max<std::size_t>(how_.window, 1) && rest >= 3 * target_s_ * 1000) {
    if (segments_[first_listed_]->entry.discontinuity) ++discontinuities_gone_;
    ++first_listed_;
    --listed;
    rest -= segments_[first_listed_]->entry.duration_ms;
  }
  // … and stays for its own duration and that of the longest list with it (section 6.2.2): as many again, and one. Memory has the last word,
  // and no list is as long as a publisher likes.
  const auto drop = [&] {
    bytes_ -= segments_.front()->bytes;
    segments_.pop_front();
    if (first_listed_ > 0) --first_listed_;
    const auto oldest = segments_.front()->entry.init;
    const auto needed = std::ranges::find_if(inits_, [oldest](const initialization& i) { return i.number >= oldest; });
    for (auto i = inits_.begin(); i != needed; ++i) bytes_ -= i->bytes.size();
    inits_.erase(inits_.begin(), needed);
  };
  while (first_listed_ > listed + 1) drop();
  while ((bytes_ > how_.limits.presentation_bytes || segments_.size() > segments_max(how_.window)) && segments_.size() > 1) {
    if (first_listed_ == 0 && segments_.front()->entry.discontinuity) ++discontinuities_gone_;
    drop();
  }
}

variant presentation::measured() const {
  variant v;
  const auto slash = stream_.rfind('/');
  v.uri = uri_segment(slash == std::string::npos ? stream_ : stream_.substr(slash + 1)) + "/index.m3u8";
  v.tracks = tracks_;
  std::int64_t bits = 0, ms = 0;
  for (const auto& s : segments_) {
    if (!s->entry.complete || s->entry.duration_ms <= 0) continue;
    const auto own = static_cast<std::int64_t>(s->bytes) * 8;
    v.bandwidth = std::max(v.bandwidth, own * 1000 / s->entry.duration_ms);
    bits += own;
    ms += s->entry.duration_ms;
  }
  v.average_bandwidth = ms > 0 ? bits * 1000 / ms : 0;
  return v;
}

void presentation::publish() {
  auto next = std::make_shared<snapshot>();
  media_playlist list;
  list.container = container_;
  list.target_s = target_s_;
  list.part_target_ms = part_target_ms_;
  list.discontinuity_sequence = discontinuities_gone_;
  list.ended = ended_;
  next->segments.assign(segments_.begin(), segments_.end());
  next->inits = inits_;
  next->target_s = target_s_;
  next->part_target_ms = part_target_ms_;
  next->ended = ended_;
  for (std::size_t i = first_listed_; i < segments_.size(); ++i) {
    // An open segment of MPEG-TS is not for anybody to see: it has no parts that could be listed.
    if (segments_[i]->entry.complete || container_ == mux::container::fmp4) list.segments.push_back(&segments_[i]->entry);
  }
  next->next_msn = next_msn_;
  if (segment_open()) {
    next->next_msn = segments_.back()->entry.msn;
    next->next_parts = segments_.back()->parts.size();
  }
  next->ready = target_s_ > 0;
  if (next->ready) {
    const auto slice_of = [](const std::string& text) { return base::slice::copy_of(base::as_bytes(text)); };
    next->playlist = slice_of(text_of(list));
    next->delta = list.skippable() > 0 ? slice_of(text_of(list, true)) : next->playlist;
    next->multivariant = slice_of(text_of(measured()));
  }
  const auto& seen = *next;
  std::vector<waiter> waiting;
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return;
    now_ = next;
    waiting.swap(waiters_);
  }
  // Thousands may wait for one part: they are answered without the lock, by what is new. Who comes meanwhile sees that too.
  std::vector<waiter> left;
  for (auto& w : waiting) {
    if (auto a = answer_to(w.what, seen)) {
      w.done(std::move(*a));
    } else {
      left.push_back(std::move(w));
    }
  }
  if (left.empty()) return;
  std::optional<answer> closed;
  {
    const std::lock_guard lock(mutex_);
    closed = closed_;
    if (!closed) waiters_.insert(waiters_.end(), std::make_move_iterator(left.begin()), std::make_move_iterator(left.end()));
  }
  if (!closed) return;
  for (auto& w : left) w.done(*closed);
}

}  // namespace millrace::hls
