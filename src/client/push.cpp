#include "client/push.hpp"

#include <boost/asio/post.hpp>
#include <algorithm>
#include <limits>
#include <utility>

#include "base/log.hpp"

namespace millrace::client {
namespace {

namespace log = base::log;
using std::chrono::milliseconds;

// As fast as possible still means bounded: so much is in our hands at a time.
constexpr std::size_t fast_bytes_max = 2U << 20;
constexpr milliseconds tick_every{100};
// At the end, while nothing of what is left gets through; and in all for somebody who stopped it and waits.
constexpr std::chrono::seconds ending_max{10};

base::instant clock_now() { return std::chrono::steady_clock::now(); }

publish_queue::limits queue_limits(const push_options& options) {
  auto limits = options.queue;
  // Without pacing nothing is ever late, and nothing may be lost.
  if (!options.realtime) limits.age_max = std::chrono::hours(24);
  return limits;
}

}  // namespace

push::push(boost::asio::io_context& io, push_options options, std::function<void(base::result<void>)> done)
    : io_(io),
      options_(std::move(options)),
      done_(std::move(done)),
      queue_(queue_limits(options_)),
      due_timer_(io),
      tick_timer_(io),
      started_at_(clock_now()) {
  // Who sends as fast as possible has no late pictures.
  if (!options_.realtime) options_.link.reliable = true;
}

push::~push() {
  if (line_) line_->close();
}

void push::start() {
  // The input comes first: a file that is no media must not disturb a server.
  input_ = std::make_unique<input>(io_, options_.input, [this] { on_input(); });
}

void push::stop() {
  if (finished_) return;
  stopping_ = true;
  if (state_ == link_state::ending) {
    ending_since_ = clock_now();  // what is left has the time of somebody who waits
  } else if (running()) {
    begin_ending();
  } else {
    finish({});
  }
}

void push::on_input() {
  if (finished_) return;
  if (state_ == link_state::waiting_for_input) {
    if (input_->ended()) {
      auto failure = input_->failure();
      finish(failure ? base::result<void>(std::move(*failure)) : base::result<void>());
      return;
    }
    const auto what = input_->description();
    log::info("input {}{}{}", shown_input(options_.input.path), what.empty() ? "" : ": ", what);
    state_ = link_state::connecting;
    link_target target{options_.target, rtmp::client_role::publish, {}};
    line_ = line::open(io_,
                       {std::move(target), options_.link, "publishing to " + options_.target.display(true), options_.reconnect, options_.keep_trying,
                        options_.resume_file},
                       *this);
    tick();
    return;
  }
  pump();
}

void push::on_line_up() {
  if (finished_) return;  // the server's answer crossed the wish to stop
  state_ = link_state::live;
  if (sessions() > 1) {
    queue_.resume(clock_now());
    if (!live_input()) {
      // A file waited meanwhile. It goes on where a decoder can begin.
      skipping_ = queue_.waiting_for_key();
      pacer_.restart();
    }
  }
  if (stopping_) {
    begin_ending();
  } else {
    pump();
  }
}

bool push::take_input(base::instant now) {
  const auto* f = input_->front();
  if (f == nullptr) return false;
  const bool up = running();
  if (!up && (sessions() == 0 || !live_input())) return false;  // a file can wait, a live source only at the start
  if (skipping_ && up) {
    auto skipped = input_->pop();
    if (skipped.key) {
      skipping_ = false;
      pacer_.restart();
      static_cast<void>(pacer_.due(skipped, now));
    } else if (!skipped.config && skipped.kind != media::frame_kind::data) {
      ++skipped_;
      return true;
    }
    queue_.push(std::move(skipped), now);
    return true;
  }
  if (options_.realtime) {
    // Metadata carries no time of its own worth waiting for.
    auto due = now;
    if (f->kind != media::frame_kind::data) {
      // A running encoder in front of the pipe has a pace of its own: what it gave while this program started and dialled is late
      // already, and pacing it once more would be a delay for ever.
      due = pacer_.due(*f, now);
      if (live_input() && source_pace_.live(*f, input_->times_held_back()) && f->arrival < due) {
        pacer_.anchor_to(f->dts_ms, f->arrival);
        due = f->arrival;
      }
    }
    if (due > now) {
      arm(due);
      return false;
    }
  } else if (queue_.bytes() + (line_ ? line_->queued_bytes() : 0) >= fast_bytes_max) {
    return false;  // on_writable goes on
  }
  queue_.push(input_->pop(), now);
  return true;
}

void push::pump() {
  if (finished_ || state_ == link_state::ending || state_ == link_state::waiting_for_input) return;
  for (;;) {
    const auto now = clock_now();
    // Bounded batches: as fast as possible must not starve the sockets.
    bool more = true;
    for (int i = 0; i < 64 && more; ++i) more = take_input(now);
    drain();
    if (!more) break;
    if (!options_.realtime && queue_.bytes() >= fast_bytes_max) break;
  }
  if (queue_.cuts() > cuts_logged_) {
    cuts_logged_ = queue_.cuts();
    log::warning("the network is slower than the stream: dropped up to the next key frame, {} frames so far", queue_.frames_dropped());
  }
  if (input_->ended() && queue_.empty() && running()) return begin_ending();
  if (input_->ended() && !running() && live_input() && sessions() > 0) {
    // The source is gone and so is the server: nothing is left to come back with.
    auto failure = input_->failure();
    finish(failure ? std::move(*failure) : base::error{base::error_kind::closed, "the input ended while the server was away: " + line_->last_error()});
  }
}

void push::drain() {
  if (!line_) return;
  line_->drain(queue_, [this](const media::frame& f) {
    if (f.kind != media::frame_kind::data) position_ms_ = std::max(position_ms_, f.dts_ms);
    ++frames_;
    bytes_ += f.payload.size();
  });
}

void push::arm(base::instant due) {
  if (due_timer_.expiry() == due) return;
  due_timer_.expires_at(due);
  due_timer_.async_wait([this](const boost::system::error_code& failure) {
    if (!failure) pump();
  });
}

void push::tick() {
  tick_timer_.expires_after(tick_every);
  tick_timer_.async_wait([this](const boost::system::error_code& failure) {
    if (failure || finished_) return;
    if (state_ == link_state::ending) {
      check_ending();
    } else {
      pump();
    }
    if (!finished_) tick();
  });
}

void push::on_line_writable() {
  pump();
}

void push::on_line_words(const std::string& text) { log::info("server: {}", text); }

void push::begin_ending() {
  if (state_ == link_state::ending) return;
  state_ = link_state::ending;
  due_timer_.cancel();
  drain();
  ending_since_ = clock_now();
  ending_watch_.emplace(ending_max, ending_since_);
  ending_left_ = std::numeric_limits<std::size_t>::max();
  line_->end();
  check_ending();
}

void push::check_ending() {
  const auto now = clock_now();
  const auto left = line_ ? line_->queued_bytes() : 0;
  if (left > 0) {
    // No media is added any more, so the least that was left says what got through.
    ending_left_ = std::min(ending_left_, left);
    if (ending_watch_->look(now, ending_left_, left) || (stopping_ && now - ending_since_ > ending_max)) {
      finish(base::error{base::error_kind::timeout, "the last " + std::to_string(left) + " bytes could not be delivered"});
    }
    return;
  }
  // A publication that broke off in the middle of its file was still ended in order.
  auto failure = stopping_ ? std::nullopt : input_->failure();
  finish(failure ? base::result<void>(std::move(*failure)) : base::result<void>());
}

void push::on_line_lost(const base::error&, std::chrono::milliseconds) {
  if (finished_) return;
  state_ = link_state::connecting;
  if (sessions() > 0) queue_.suspend();  // before the first session nothing has begun that could be interrupted
  if (!live_input()) due_timer_.cancel();
}

void push::on_line_down(const link_end& end) {
  if (finished_) return;
  if (state_ == link_state::ending && end.reason.kind == base::error_kind::closed) {
    auto failure = stopping_ ? std::nullopt : input_->failure();
    finish(failure ? base::result<void>(std::move(*failure)) : base::result<void>());
    return;
  }
  finish(state_ == link_state::ending ? base::error(end.reason).within("at the end") : end.reason);
}

progress push::report() {
  const auto now = clock_now();
  progress p;
  p.state = state_;
  p.running = std::chrono::duration_cast<milliseconds>(now - started_at_);
  p.position = milliseconds(position_ms_);
  p.frames = frames_;
  p.frames_dropped = queue_.frames_dropped() + skipped_;
  p.bytes = bytes_;
  p.bits_per_second = 8 * rate_.update(bytes_, now);
  p.queue_bytes = queue_.bytes();
  auto age = queue_.age(now);
  if (line_) age = std::max(age, line_->queue_age(now));
  p.queue_age = std::chrono::duration_cast<milliseconds>(age);
  if (line_) {
    p.queue_bytes += line_->queued_bytes();
    if (line_->waiting_to_retry()) p.state = link_state::waiting_to_retry;
    line_->report(p, now);
  }
  return p;
}

void push::finish(base::result<void> outcome) {
  if (finished_) return;
  finished_ = true;
  due_timer_.cancel();
  tick_timer_.cancel();
  // The line may be calling us right now; it stays until it has returned.
  if (line_) boost::asio::post(io_, [keep = line_] { keep->close(); });
  input_.reset();
  boost::asio::post(io_, [done = done_, outcome = std::move(outcome)] { done(outcome); });
}

}  // namespace millrace::client
