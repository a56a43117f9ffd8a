// E-RTMP v2 "Reconnect Request" from the client's side: the new link is opened first, the stream changes over where a decoder can start,
// then the old link is closed.
#include <boost/asio/post.hpp>
#include <utility>

#include "base/escape.hpp"
#include "base/log.hpp"
#include "client/line_seat.hpp"

namespace millrace::client {
namespace {

namespace log = base::log;
using std::chrono::milliseconds;

// A session this old is no part of a circle.
constexpr std::chrono::seconds settled_after{30};

base::instant clock_now() { return std::chrono::steady_clock::now(); }

}  // namespace

void line::wish_to_move(seat& s, const rtmp::reconnect_requested& wish) {
  if (ending_ || !handler_) return;
  if (moving_to_) return;  // asked again while we are on our way
  if (clock_now() - up_since_ > settled_after) hops_ = 0;
  if (++hops_ > hops_max) {
    warn("the server asked to reconnect more than " + std::to_string(hops_max) + " times in a row: staying");
    return;
  }
  auto target = rtmp::follow_redirect(s.at.uri, wish.tc_url, options_.link.redirects);
  if (!target) {
    // The server closes in the end; what happens then is the same as after any loss.
    warn("not reconnecting: " + target.error().text);
    return;
  }
  moving_to_ = place{std::move(target->to), wish.tc_url.empty() ? s.at.app_query : std::move(target->app_query), {}};
  begin_move();
}

void line::warn(const std::string& text) {
  if (const auto left_out = ration_.take(clock_now())) log::warning("{}{}", text, *left_out);
}

void line::begin_move() {
  next_ready_ = false;
  splice_.restart();
  next_ = sit_down(*moving_to_);
}

void line::on_next_started() {
  login_->succeeded();
  if (options_.target.role == rtmp::client_role::publish) {
    next_ready_ = true;
    log::info("the new connection is ready: moving at the next key frame");
  }
}

void line::on_next_down(const link_end& end) {
  retire(next_);
  next_ready_ = false;
  if (!handler_ || !moving_to_) return;
  if (auto another = answer_to(*moving_to_, end)) {
    if (!*another) {
      warn("not reconnecting: " + another->error().text);
      return give_up_move();
    }
    moving_to_ = std::move(**another);
    return begin_move();
  }
  login_->succeeded();
  if (!current_) return;  // on_lost went on with this very attempt
  if (end.reason.kind == base::error_kind::busy && options_.target.role == rtmp::client_role::publish)
    return move_before_connecting(end.reason);
  if (!worth_retrying(end.reason.kind)) {
    warn("not reconnecting: " + end.reason.text);
    return give_up_move();
  }
  const auto wait = move_backoff_.next();
  log::info("the new connection does not come up: {}; trying again in {:.1f} s, the old one goes on", end.reason.text,
            std::chrono::duration<double>(wait).count());
  move_timer_.expires_after(wait);
  move_timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& failure) {
    const auto self = weak.lock();
    if (!failure && self && self->handler_ && self->moving_to_ && self->current_) self->begin_move();
  });
}

void line::give_up_move() {
  moving_to_.reset();
  move_backoff_.reset();
  splice_.restart();
  if (std::exchange(stream_left_, false)) handler_->on_line_stream_ended();
}

// A server that lets nobody publish a name twice: the old publication has to end first.
void line::move_before_connecting(const base::error& why) {
  log::info("{}: leaving the old connection first", why.text);
  place to = *std::exchange(moving_to_, std::nullopt);
  if (current_->link) current_->link->end();
  retire(current_);
  transport_.clear();
  handler_->on_line_lost(why, milliseconds(0));
  if (handler_) current_ = sit_down(std::move(to));
}

// The old link is gone before the change: what was to be the next one is simply the one in use.
void line::promote() {
  if (!handler_) return;
  current_ = std::exchange(next_, nullptr);
  moving_to_.reset();
  next_ready_ = false;
  move_backoff_.reset();
  if (std::exchange(stream_left_, false)) handler_->on_line_stream_ended();
  if (!handler_ || !current_ || !current_->running()) return;
  auto heads = splice_.take_heads();  // said once
  begin_session();
  if (heads.empty()) return;
  for (auto& head : heads) {
    if (handler_) handler_->on_line_frame(std::move(head));
  }
  if (handler_) handler_->on_line_frames_done();
}

bool line::is_start(const media::frame& f) const {
  if (f.config || f.kind == media::frame_kind::data) return false;
  return f.kind == media::frame_kind::video ? f.key : !sent_video_;
}

void line::switch_publisher(const media::frame& first) {
  // FCUnpublish and deleteStream go behind the last frame of the old link, which is flushed as it closes.
  current_->link->end();
  retire(current_);
  current_ = std::exchange(next_, nullptr);
  moving_to_.reset();
  next_ready_ = false;
  move_backoff_.reset();
  ++moves_;
  look_at_link();
  log::info("moved: {}, {}", options_.what, current_->link->describe());
  for (auto head : heads_.frames()) {
    head.dts_ms = first.dts_ms;
    current_->link->send(head);
  }
  if (!current_->wish) return;
  // Not from inside send(): opening a link is more than the caller bargained for.
  boost::asio::post(io_, [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (self && self->current_ && self->current_->wish)
      self->wish_to_move(*self->current_, *std::exchange(self->current_->wish, std::nullopt));
  });
}

void line::on_next_frame(media::frame f) {
  auto frames = splice_.follow(std::move(f));
  if (!splice_.joined() || !handler_) return;
  switch_player();
  for (auto& one : frames) {
    splice_.note(one);
    if (handler_) handler_->on_line_frame(std::move(one));
  }
}

void line::switch_player() {
  retire(current_);
  current_ = std::exchange(next_, nullptr);
  moving_to_.reset();
  stream_left_ = false;
  move_backoff_.reset();
  ++moves_;
  look_at_link();
  log::info("moved: {}, {}", options_.what, current_->link->describe());
  if (!splice_.continuous()) handler_->on_line_jump();
  if (current_ && current_->wish && handler_) wish_to_move(*current_, *std::exchange(current_->wish, std::nullopt));
}

}  // namespace millrace::client
