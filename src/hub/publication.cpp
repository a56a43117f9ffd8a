#include <algorithm>

#include "hub/stream_state.hpp"

namespace millrace::hub {
namespace {

// Distance to the first frame of a publisher that follows at once: one frame at 30 per second.
constexpr std::int64_t least_gap_ms = 33;

}  // namespace

void time_base::begin(bool rebase) {
  deciding_ = rebase && any_;
  have_resume_ = false;
  offset_ms_ = 0;
  floor_ms_ = std::numeric_limits<std::int64_t>::min();
  if (!deciding_) any_ = false;
}

std::int64_t time_base::stamp(const media::frame& f) {
  if (deciding_) {
    if (!have_resume_) {
      // Viewers' clocks ran on while nobody published, so the pause is part of the stream's time.
      const auto pause = std::chrono::duration_cast<std::chrono::milliseconds>(f.arrival - last_arrival_).count();
      resume_at_ms_ = floor_ms_ = last_dts_ms_ + std::max<std::int64_t>(least_gap_ms, pause);
      have_resume_ = true;
    }
    // Metadata and configuration often carry zero whatever the media counts from: the first media frame decides.
    if (f.kind != media::frame_kind::data && !f.config) {
      offset_ms_ = resume_at_ms_ - f.dts_ms;
      deciding_ = false;
    }
  }
  // The other track may start a little before the first one did: it is held at the seam, where it would step back.
  const std::int64_t dts = deciding_ ? resume_at_ms_ : std::max(f.dts_ms + offset_ms_, floor_ms_);
  last_dts_ms_ = any_ ? std::max(last_dts_ms_, dts) : dts;
  last_arrival_ = f.arrival;
  any_ = true;
  return dts;
}

publication::publication(std::shared_ptr<stream> s) : stream_(std::move(s)) {}

publication::~publication() {
  auto& s = *stream_->state_;
  s.flush();
  s.published = false;
  s.for_each_cursor([](auto& c) { c.owner->on_publisher_gone(); });
}

void publication::append(media::frame&& f) { stream_->state_->append(std::move(f)); }

void publication::flush() {
  const auto kept = stream_;  // a callback may end this publication
  kept->state_->flush();
}

base::result<std::unique_ptr<publication>> stream::publish() {
  if (state_->published) return base::error{base::error_kind::busy, "somebody publishes already"};
  state_->begin_publication();
  std::unique_ptr<publication> made(new publication(shared_from_this()));
  state_->for_each_cursor([](auto& c) { c.owner->on_publisher_back(); });
  return made;
}

}  // namespace millrace::hub
