#include <algorithm>
#include <tuple>
#include <utility>

#include "hub/records.hpp"
#include "hub/stream_state.hpp"

namespace millrace::hub {

publication::publication(std::shared_ptr<stream> s, standing at)
    : stream_(std::move(s)), standing_(at), heads_(std::make_shared<const record_set>()) {}

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
  if (f.config || f.kind == media::frame_kind::data) return keep_head(std::move(f));
  const bool starts = f.kind == media::frame_kind::video ? f.key : s.video_tracks.none();
  if (!starts) return;
  take_over(f.arrival);
  s.append(std::move(f));
}

// By the rules of an active one's records, and all of them together as large as one may be: the largest goes, and never what has just come.
void publication::keep_head(media::frame&& f) {
  const auto& limits = stream_->state_->limits;
  const auto info = media::inspect(f.kind, f.payload);
  const auto newest = ++heads_seen_;
  update_records(heads_, std::make_shared<const entry>(std::move(f)), info, newest, limits);
  const auto bytes = [this] {
    std::size_t sum = 0;
    for (const auto& kept : heads_->records) sum += kept.item->frame()->payload.size();
    return sum;
  };
  while (bytes() > limits.kept_record_bytes) {
    auto fewer = std::make_shared<record_set>(*heads_);
    const auto weight = [newest](const record& r) { return r.sequence == newest ? 0 : r.item->frame()->payload.size(); };
    fewer->records.erase(std::max_element(fewer->records.begin(), fewer->records.end(), [&](const record& a, const record& b) { return weight(a) < weight(b); }));
    heads_ = std::move(fewer);
  }
}

// `now`: when what it waited with is taken to have come; nothing: when it did.
void publication::take_over(std::optional<base::instant> now) {
  auto& s = *stream_->state_;
  auto* before = s.active;
  s.flush();
  if (before) before->standing_ = standing::over;
  s.active = this;
  s.successor = nullptr;
  standing_ = standing::active;
  s.begin_publication();
  auto heads = heads_->records;
  heads_.reset();
  std::sort(heads.begin(), heads.end(), [](const record& a, const record& b) { return std::tie(a.sequence, a.rank) < std::tie(b.sequence, b.rank); });  // as they came
  for (const auto& head : heads) {
    auto f = *head.item->frame();
    if (now) f.arrival = *now;
    s.append(std::move(f));
  }
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
