#include "hub/stream_state.hpp"

namespace millrace::hub {
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
