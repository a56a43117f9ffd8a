#include <algorithm>
#include <utility>

#include "hub/stream_state.hpp"

namespace millrace::hub {

publication::publication(std::shared_ptr<stream> s, standing at) : stream_(std::move(s)), standing_(at) {}

publication::~publication() {
  auto& s = *stream_->state_;
  if (standing_ == standing::waiting) s.successor = nullptr;
  if (standing_ != standing::active) return;
  s.flush();
  s.active = nullptr;
  if (s.successor) {
    s.successor->take_over();
    return;
  }
  s.published = false;
  s.for_each_cursor([](auto& c) { c.owner->on_publisher_gone(); });
}

void publication::append(media::frame&& f) {
  if (standing_ == standing::waiting) return wait_with(std::move(f));
  if (standing_ == standing::active) stream_->state_->append(std::move(f));
}

void publication::flush() {
  if (standing_ != standing::active) return;
  const auto kept = stream_;  // a callback may end this publication
  kept->flush();
}

void publication::yield(std::function<void()> taken_over) {
  yields_ = true;
  taken_over_ = std::move(taken_over);
}

// What the one before publishes is still good: media is left out until decoding can begin with ours.
void publication::wait_with(media::frame&& f) {
  auto& s = *stream_->state_;
  if (f.config || f.kind == media::frame_kind::data) {
    // Where there is no more room, one goes that this one repeats or replaces, or else the oldest of its kind: what is in effect in the end are the newest.
    const auto is_like = [&f](const media::frame& head) { return head.kind == f.kind && head.config == f.config; };
    const auto is_again = [&](const media::frame& head) { return is_like(head) && base::as_text(head.payload) == base::as_text(f.payload); };
    while (heads_.size() >= s.limits.kept_configs + s.limits.kept_data_names || head_bytes_ + f.payload.size() > s.limits.kept_record_bytes) {
      auto going = std::find_if(heads_.begin(), heads_.end(), is_again);
      if (going == heads_.end()) going = std::find_if(heads_.begin(), heads_.end(), is_like);
      if (going == heads_.end()) return;
      head_bytes_ -= going->payload.size();
      heads_.erase(going);
    }
    head_bytes_ += f.payload.size();
    heads_.push_back(std::move(f));
    return;
  }
  const bool starts = f.kind == media::frame_kind::video ? f.key : s.video_tracks.none();
  if (!starts) return;
  for (auto& head : heads_) head.arrival = f.arrival;
  take_over();
  s.append(std::move(f));
}

void publication::take_over() {
  auto& s = *stream_->state_;
  auto* before = s.active;
  s.flush();
  if (before) before->standing_ = standing::over;
  s.active = this;
  s.successor = nullptr;
  standing_ = standing::active;
  s.begin_publication();
  for (auto& head : std::exchange(heads_, {})) s.append(std::move(head));
  if (!before) return;
  if (const auto tell = std::exchange(before->taken_over_, nullptr)) tell();
}

base::result<std::unique_ptr<publication>> stream::publish() {
  auto& s = *state_;
  if (s.active) {
    if (!s.active->yields_ || s.successor) return base::error{base::error_kind::busy, "somebody publishes already"};
    std::unique_ptr<publication> waiting(new publication(shared_from_this(), publication::standing::waiting));
    s.successor = waiting.get();
    return waiting;
  }
  std::unique_ptr<publication> made(new publication(shared_from_this(), publication::standing::active));
  s.active = made.get();
  s.begin_publication();
  s.for_each_cursor([](auto& c) { c.owner->on_publisher_back(); });
  return made;
}

}  // namespace millrace::hub
