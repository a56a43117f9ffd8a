#include "client/line.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <filesystem>
#include <utility>

#include "base/escape.hpp"
#include "base/log.hpp"
#include "client/line_seat.hpp"
#include "net/md5.hpp"
#include "rtmp/hide_secrets.hpp"
#include "rtmp/rejection.hpp"

namespace millrace::client {
namespace {

namespace log = base::log;
using std::chrono::milliseconds;

constexpr std::chrono::seconds tell_every{1};

base::instant clock_now() { return std::chrono::steady_clock::now(); }

std::string joined(const std::string& query, const std::string& more) {
  return query.empty() ? more : more.empty() ? query : query + '&' + more;
}

}  // namespace

line_ptr line::open(boost::asio::io_context& io, line_options options, line_handler& handler) {
  line_ptr made(new line(io, std::move(options), handler));
  made->current_ = made->sit_down({made->options_.target.uri, made->options_.target.app_query, {}});
  return made;
}

line::line(boost::asio::io_context& io, line_options options, line_handler& handler)
    : io_(io),
      options_(std::move(options)),
      handler_(&handler),
      backoff_(random_bits()),
      move_backoff_(random_bits()),
      retry_timer_(io),
      move_timer_(io),
      ration_(options_.link.limits),
      splice_(options_.link.limits) {
  login_.emplace(options_.link.login, net::md5, random_bits());
  if (options_.resume_file.empty()) return;
  if (auto kept = read_resume_file(options_.resume_file)) {
    ticket_ = std::move(*kept);
  } else {
    log::warning("{}", kept.error().text);
    options_.resume_file.clear();  // somebody else's: neither written over nor removed
  }
}

line::~line() {
  for (auto* s : {&current_, &next_}) {
    if (*s && (*s)->link) (*s)->link->close();
  }
}

std::shared_ptr<line::seat> line::sit_down(place at) {
  auto s = std::make_shared<seat>(*this, std::move(at));
  link_target target{s->at.uri, options_.target.role, joined(s->at.app_query, s->at.login_query), options_.target.capabilities, {}};
  // It is worth something only where it was given, and nobody else's business.
  if (ticket_ && ticket_->host == s->at.uri.host && ticket_->port == s->at.uri.port) target.resume = ticket_->token;
  s->link = link::open(io_, std::move(target), options_.link, *s);
  return s;
}

// Its link may be calling us right now; both stay until it has returned.
void line::retire(std::shared_ptr<seat>& which) {
  auto gone = std::exchange(which, nullptr);
  if (!gone) return;
  if (gone->link) gone->link->close();
  boost::asio::post(io_, [gone = std::move(gone)] {});
}

// ---- what links tell ----------------------------------------------------------------------------------------------

void line::seat::on_link_started(const rtmp::status&) {
  const auto keep = owner.shared_from_this();
  owner.on_started(*this);
}

void line::seat::on_link_frame(media::frame f) {
  const auto keep = owner.shared_from_this();
  if (is_next()) return owner.on_next_frame(std::move(f));
  if (!is_current() || !owner.handler_) return;
  if (owner.splice_.joined()) {
    for (auto& one : owner.splice_.follow(std::move(f))) {
      owner.splice_.note(one);
      if (owner.handler_) owner.handler_->on_line_frame(std::move(one));
    }
    return;
  }
  owner.splice_.note(f);
  owner.handler_->on_line_frame(std::move(f));
}

void line::seat::on_link_frames_done() {
  const auto keep = owner.shared_from_this();
  if (is_current() && owner.handler_) owner.handler_->on_line_frames_done();
}

void line::seat::on_link_status(const rtmp::status& info) {
  const auto keep = owner.shared_from_this();
  if (is_current() && owner.handler_) owner.handler_->on_line_status(info);
  if (!is_current() || !owner.handler_ || info.code == "NetStream.Play.Start" || info.code == "NetStream.Play.Reset") return;
  if (const auto left_out = owner.ration_.take(clock_now())) {
    owner.handler_->on_line_words(base::escaped(info.code) + ' ' + shown(info.description) + *left_out);
  }
}

std::string line::seat::shown(const std::string& words) const { return base::escaped(rtmp::hide_secrets(words, at.uri, at.app_query)); }

void line::seat::on_link_stream_ended() {
  const auto keep = owner.shared_from_this();
  if (!is_current() || !owner.handler_) return;
  // The publisher moves as well: what it left here goes on there.
  if (owner.moving_to_) {
    owner.stream_left_ = true;
  } else {
    owner.handler_->on_line_stream_ended();
  }
}

void line::seat::on_link_reconnect(const rtmp::reconnect_requested& asked) {
  const auto keep = owner.shared_from_this();
  if (const auto left_out = owner.ration_.take(clock_now())) {
    log::info("the server asks to reconnect{}{}{}", asked.tc_url.empty() ? "" : " to " + rtmp::shown_target(asked.tc_url),
              asked.description.empty() ? "" : ": " + shown(asked.description), *left_out);
  }
  if (is_current() && running()) return owner.wish_to_move(*this, asked);
  wish = asked;
}

void line::seat::on_link_writable() {
  const auto keep = owner.shared_from_this();
  if (is_current() && owner.handler_) owner.handler_->on_line_writable();
}

void line::seat::on_link_down(const link_end& what) {
  const auto keep = owner.shared_from_this();
  link.reset();
  auto end = what;
  const bool servers_words = end.refused || end.by_peer || end.reason.kind == base::error_kind::closed;
  if (servers_words) end.reason.text = rtmp::hide_secrets(std::move(end.reason.text), at.uri, at.app_query);
  if (is_next()) return owner.on_next_down(end);
  if (is_current()) owner.on_lost(end);
}

// ---- one session after another ------------------------------------------------------------------------------------

void line::on_started(seat& s) {
  if (s.is_next()) return on_next_started();
  if (s.is_current() && handler_) begin_session();
}

// A link has become the current one.
void line::look_at_link() {
  const auto facts = current_->link->facts();
  transport_ = facts ? std::string(net::name(facts->kind)) : "";
  why_ = current_->link->story().why;
  up_since_ = clock_now();
  ticket_ = resume_ticket{current_->at.uri.host, current_->at.uri.port, current_->link->resume_token()};
  keep_ticket();
  if (receive_paused_) current_->link->pause_receive(true);
}

// For the process that comes after this one, should this one die.
void line::keep_ticket() {
  if (options_.resume_file.empty() || !ticket_ || ticket_->token.empty()) return;
  if (auto written = write_resume_file(options_.resume_file, *ticket_); !written) {
    log::warning("a push that is started again will not be able to go on here: {}", written.error().text);
  }
}

void line::begin_session() {
  ++sessions_;
  backoff_.reset();
  login_->succeeded();
  splice_ = splice(options_.link.limits);
  sent_video_ = false;
  look_at_link();
  log::info("{}, {}", options_.what, current_->link->describe());
  handler_->on_line_up();
  if (current_ && current_->wish && current_->running()) wish_to_move(*current_, *std::exchange(current_->wish, std::nullopt));
}

// A refusal that says where to go or what to show instead: the next attempt, or why there is none. Nothing: any other end.
std::optional<base::result<line::place>> line::answer_to(const place& from, const link_end& end) {
  if (!end.redirect.empty()) {
    if (++hops_ > hops_max) {
      return base::error{base::error_kind::unsupported,
                         "more than " + std::to_string(hops_max) + " redirects in a row: " + end.reason.text};
    }
    auto target = rtmp::follow_redirect(from.uri, end.redirect, options_.link.redirects);
    if (!target) return std::move(target).error();
    log::info("redirected to {}", rtmp::shown_target(target->to.display(true)));
    return place{std::move(target->to), std::move(target->app_query), {}};
  }
  if (end.refused && !end.was_running && rtmp::wants_dialogue(*end.refused)) {
    auto query = login_->answer(*end.refused, from.uri.app);
    if (!query) return std::move(query).error();
    return place{from.uri, from.app_query, std::move(*query)};
  }
  return std::nullopt;
}

void line::on_lost(const link_end& end) {
  if (!handler_) return;
  const place at = current_->at;
  retire(current_);
  if (ending_) return down(end);
  if (auto another = answer_to(at, end)) {
    if (!*another) {
      last_error_ = another->error().text;
      return down({std::move(*another).error(), end.refused, end.was_running, end.redirect});
    }
    current_ = sit_down(std::move(**another));
    return;
  }
  last_error_ = end.reason.text;
  login_->succeeded();
  transport_.clear();
  if (next_) {
    handler_->on_line_lost(end.reason, milliseconds(0));
    return promote();
  }
  const bool again = worth_retrying(end.reason.kind) && (sessions_ > 0 ? options_.reconnect : options_.keep_trying);
  if (!again) return down(end);
  // Whoever sent us here may be back first; after that it is for the address that the person gave to say where to go.
  hops_ = 0;
  place to = end.was_running ? place{at.uri, at.app_query, {}} : place{options_.target.uri, options_.target.app_query, {}};
  if (moving_to_) to = *moving_to_;
  move_timer_.cancel();
  moving_to_.reset();
  stream_left_ = false;
  retry(end.reason, std::move(to));
}

void line::retry(const base::error& why, place at) {
  const auto wait = backoff_.next();
  log::warning("{}; trying again in {:.1f} s", why.text, std::chrono::duration<double>(wait).count());
  retry_at_ = clock_now() + wait;
  retry_timer_.expires_at(retry_at_);
  retry_timer_.async_wait([weak = weak_from_this(), at = std::move(at)](const boost::system::error_code& failure) {
    const auto self = weak.lock();
    if (failure || !self || !self->handler_ || self->ending_) return;
    self->retry_at_ = {};
    self->current_ = self->sit_down(at);
  });
  handler_->on_line_lost(why, wait);
}

void line::down(const link_end& end) {
  auto* handler = std::exchange(handler_, nullptr);
  retry_timer_.cancel();
  move_timer_.cancel();
  retire(current_);
  retire(next_);
  if (handler) handler->on_line_down(end);
}

// ---- the face -----------------------------------------------------------------------------------------------------

bool line::running() const { return current_ && current_->running() && !ending_; }

std::size_t line::queued_bytes() const { return current_ && current_->link ? current_->link->queued_bytes() : 0; }

base::duration line::queue_age(base::instant now) const {
  return current_ && current_->link ? current_->link->queue_age(now) : base::duration::zero();
}

std::size_t line::send_budget() const { return running() ? current_->link->send_budget() : 0; }

bool line::gives_up_late() const { return running() && current_->link->gives_up_late(); }

void line::report(progress& into, base::instant now) {
  into.transport = transport_;
  into.why = why_;
  into.reconnects = sessions_ > 0 ? sessions_ - 1 : 0;
  into.last_error = last_error_;
  if (waiting_to_retry()) into.retry_in = std::max(milliseconds(0), std::chrono::duration_cast<milliseconds>(retry_at_ - now));
  if (!current_ || !current_->link) return;
  if (const auto facts = current_->link->facts()) {
    into.rtt = facts->rtt;
    into.repeats_sent = facts->repeats_sent;
    into.repeat_bytes = facts->repeat_bytes;
    into.repeats_useful = facts->repeats_useful;
    into.repeats_received = facts->repeats_received;
    if (options_.target.role == rtmp::client_role::publish) {
      into.target_bits_per_second = advice_.update(now, 8 * sent_rate_.update(facts->bytes_sent, now), into.queue_age);
    }
    into.loss_percent = loss_.update(facts->packets_sent, facts->packets_lost);
  }
}

void line::send(const media::frame& f) {
  if (!running()) return;
  if (next_ready_ && is_start(f)) switch_publisher(f);
  heads_.remember(f);
  if (f.kind == media::frame_kind::video) sent_video_ = true;
  current_->link->send(f);
}

void line::flush() {
  if (current_ && current_->link) current_->link->flush();
}

void line::drain(publish_queue& queue, const std::function<void(const media::frame&)>& sent) {
  while (running() && !queue.empty()) {
    const auto budget = send_budget();
    if (budget == 0) break;
    std::size_t taken = 0;
    while (taken < budget) {
      const auto f = queue.pop();
      if (!f) break;
      taken += f->payload.size();
      sent(*f);
      send(*f);
    }
    flush();
  }
  tell_server(queue);
}

void line::tell_server(const publish_queue& queue) {
  const auto now = clock_now();
  if (!running() || now - told_ < tell_every) return;
  told_ = now;
  current_->link->report({std::chrono::duration_cast<milliseconds>(std::max(queue.age(now), queue_age(now)))});
  flush();
}

void line::pause_receive(bool paused) {
  receive_paused_ = paused;
  if (current_ && current_->link) current_->link->pause_receive(paused);
}

void line::end() {
  if (ending_) return;
  ending_ = true;
  retry_timer_.cancel();
  move_timer_.cancel();
  moving_to_.reset();
  next_ready_ = false;
  retire(next_);
  std::error_code ignored;
  if (!options_.resume_file.empty()) std::filesystem::remove(options_.resume_file, ignored);  // there is nothing to go on with
  if (current_ && current_->link) current_->link->end();
}

void line::close() {
  const auto keep = shared_from_this();
  handler_ = nullptr;
  retry_timer_.cancel();
  move_timer_.cancel();
  retire(current_);
  retire(next_);
}

}  // namespace millrace::client
