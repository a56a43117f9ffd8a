#include "http/connection.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <ctime>

#include "base/escape.hpp"
#include "base/log.hpp"

namespace millrace::http {
namespace log = base::log;
using base::escaped;

namespace {

// What a client sends ahead of what is answered; beyond that it is not read until a request needs more.
constexpr std::size_t read_ahead_max = 32u << 10;
constexpr std::chrono::seconds tick{1};

base::instant now() { return std::chrono::steady_clock::now(); }

}  // namespace

reply::~reply() {
  if (!sent_) send(text_response(500, "the request got no answer: see the server's log"));
}

void reply::send(response r) {
  if (std::exchange(sent_, true)) return;
  if (const auto one = to_.lock()) one->answer(std::move(r));
}

connection::connection(connection_context& shared, net::transport_ptr transport, base::instant came, std::uint64_t id, std::function<void()> on_done)
    : shared_(shared), transport_(std::move(transport)), id_(id), on_done_(std::move(on_done)), remote_(transport_->facts().remote), timer_(shared.io), due_(came + shared.limits.request) {}

connection::~connection() {
  if (transport_) transport_->abort();
}

void connection::start() {
  arm_due();
  transport_->start(*this);
}

void connection::shut_down() {
  stopping_ = true;
  keep_alive_ = false;
  const bool endless = (phase_ == phase::sending && !left_) || phase_ == phase::switched;
  if (endless) return finish("the server is shutting down");
  if (transport_ && (phase_ == phase::reading || phase_ == phase::draining)) close_when_taken("the server is shutting down");
}

void connection::give_up(const std::string& why) {
  if (transport_) finish(why, true);
}

void connection::on_receive(base::bytes_view bytes) {
  if (phase_ == phase::switched) {
    if (source_ && !source_->receive(bytes)) finish("closed by the peer");
    return;
  }
  // Nothing follows a body without an end, nor the last answer.
  if ((phase_ == phase::sending && !left_) || phase_ == phase::closing) return;
  reader_.receive(bytes);
  if (reader_.waiting_bytes() > read_ahead_max) pause(true);
}

void connection::on_receive_done() {
  if (phase_ == phase::reading) next();
}

void connection::on_writable() {
  if (phase_ == phase::draining) return end_of_body();
  pump();
}

void connection::on_drained() {
  if (phase_ == phase::closing) finish("all of it was taken");
}

void connection::on_closed(const net::close_info& info) {
  traffic_ = transport_->traffic_so_far();
  transport_.reset();
  finish(info.reason.text);
}

// Requests are answered one by one; a request that came early waits in the reader.
void connection::next() {
  if (!transport_ || phase_ != phase::reading) return;
  std::optional<request_reader::failure> failed;
  auto one = reader_.poll(failed);
  if (failed) {
    keep_alive_ = false;
    phase_ = phase::answering;
    log::debug("http {}: {}: {}", remote_, failed->status, escaped(failed->why));
    return answer(text_response(failed->status, failed->why));
  }
  if (!one) {
    pause(false);
    if (!request_begun_ && reader_.waiting_bytes() > 0) {
      request_begun_ = true;
      if (requests_ == 0) return;  // its time runs since the peer came
      due_ = now() + shared_.limits.request;
      arm_due();
    }
    return;
  }
  request_begun_ = false;
  phase_ = phase::answering;
  keep_alive_ = one->keep_alive && !stopping_ && ++requests_ < shared_.limits.requests_max;
  head_ = one->head();
  one->remote = remote_;
  one->secure = transport_->kind() == net::transport_kind::tls;
  log::debug("http {}: {} {}", remote_, escaped(one->method), escaped(one->path, 512));
  shared_.handle(std::move(*one), std::make_shared<reply>(weak_from_this(), id_));
}

void connection::answer(response&& r) {
  const auto gone = [&] {
    if (r.source) r.source->on_end("the connection has ended");
  };
  if (!transport_ || phase_ != phase::answering) return gone();
  if (r.source && !r.source_bytes) keep_alive_ = false;  // its end is the connection's end
  base::send_chain out(base::slice::copy_of(base::as_bytes(encode_head(r, keep_alive_, imf_date(std::time(nullptr))))));
  if (!head_ && !r.source) out.append(r.body);
  watch_progress(now());
  transport_->send(std::move(out));
  if (!transport_) return gone();
  if (head_ || !r.source) {
    if (r.source) r.source->on_end("only the head was asked for");
    return end_of_body();
  }
  source_ = std::move(r.source);
  left_ = r.source_bytes;
  phase_ = r.status == 101 ? phase::switched : phase::sending;
  if (!left_) {
    pause(false);  // what comes is not kept
  } else if (!keep_alive_) {
    pause(true);  // as in close_when_taken
  }
  source_->on_wake = [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->pump();
  };
  if (phase_ == phase::switched) {
    const auto early = reader_.take_rest();
    if (!early.empty() && !source_->receive(base::as_bytes(early))) return finish("closed by the peer");
  }
  due_ = base::instant::max();
  arm(tick);
  pump();
}

void connection::pump() {
  if (!source_ || !transport_ || pumping_) return;
  pumping_ = true;  // a source may wake us while it is asked
  auto& out = shared_.scratch;
  auto state = body_source::state::waits;
  const auto at = now();
  for (auto budget = transport_->send_budget(); budget > 0; budget -= std::min(budget, out.size())) {
    out.clear();
    if (left_) budget = static_cast<std::size_t>(std::min<std::uint64_t>(budget, *left_));
    state = source_->pull(at, budget, out);
    const auto size = out.size();
    if (left_) *left_ -= std::min<std::uint64_t>(*left_, size);
    if (size > 0) transport_->send(std::move(out));
    if (!transport_ || state != body_source::state::more) break;
    budget = std::min(budget, transport_->send_budget());
    if (size == 0) break;
  }
  out.clear();  // NOLINT: good after a move, too
  pumping_ = false;
  if (!transport_) return;
  if (state == body_source::state::ended) {
    const bool whole = !left_ || *left_ == 0;
    if (whole) return end_of_body();
    state = body_source::state::broken;
  }
  if (state == body_source::state::broken) finish("the body broke off", true);
}

void connection::end_of_body() {
  if (const auto over = std::exchange(source_, nullptr)) over->on_end("all of it was sent");
  left_.reset();
  if (!keep_alive_) return close_when_taken("the answer was the last");
  arm(tick);
  // What a peer does not take stays queued: its next answer would come on top of that.
  if (transport_->send_budget() == 0) {
    phase_ = phase::draining;
    return;
  }
  phase_ = phase::reading;
  due_ = now() + shared_.limits.idle;
  // Posted, or many small requests in one packet would be answered from ever deeper on the stack.
  if (reader_.waiting_bytes() > 0 || paused_) {
    boost::asio::post(shared_.io, [weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->next();
    });
  }
}

// In order. The transport would give what it has queued two seconds; a slow peer needs longer for a segment.
void connection::close_when_taken(const std::string& why) {
  if (transport_->queued_bytes() == 0) return finish(why);
  phase_ = phase::closing;
  pause(true);  // a client that has said all may close its side already: it still gets everything
  arm(tick);
}

void connection::pause(bool paused) {
  if (std::exchange(paused_, paused) != paused) transport_->pause_receive(paused);
}

void connection::finish(const std::string& why, bool abort) {
  timer_.cancel();
  if (const auto over = std::exchange(source_, nullptr)) over->on_end(why);
  if (const auto gone = std::exchange(transport_, nullptr)) {
    traffic_ = gone->traffic_so_far();
    if (abort) gone->abort(); else gone->close(net::close_code::no_error, why);
  }
  if (on_done_) boost::asio::post(shared_.io, std::exchange(on_done_, nullptr));
}

void connection::watch_progress(base::instant at) {
  const auto sent = transport_->traffic_so_far().sent;
  if (sent == sent_mark_ && transport_->queued_bytes() > 0) return;
  sent_mark_ = sent;
  progress_at_ = at;
}

void connection::arm(std::chrono::milliseconds after) {
  timer_.expires_after(after);
  timer_.async_wait([weak = weak_from_this()](boost::system::error_code failed) {
    if (const auto self = weak.lock(); self && !failed) self->on_timer();
  });
}

void connection::arm_due() {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(due_ - now());
  arm(std::max(left, std::chrono::milliseconds::zero()));
}

void connection::on_timer() {
  if (!transport_) return;
  const auto at = now();
  if (source_) source_->on_tick(at);
  if (!transport_) return;
  watch_progress(at);
  if (at - progress_at_ > shared_.limits.progress) {
    log::info("http {}: takes no data for {} ms, closed", remote_, shared_.limits.progress.count());
    return finish(std::string(stuck_text), true);
  }
  if (phase_ != phase::reading) return arm(tick);
  const bool owes = transport_->queued_bytes() > 0;
  if (owes && !request_begun_) due_ = at + shared_.limits.idle;
  if (at < due_) return owes ? arm(tick) : arm_due();
  if (!request_begun_) return finish("no request came");
  keep_alive_ = false;
  phase_ = phase::answering;
  answer(text_response(408, "the request did not come whole in time"));
}

}  // namespace millrace::http
