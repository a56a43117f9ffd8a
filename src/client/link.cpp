#include "client/link.hpp"

#include <fmt/format.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <exception>
#include <random>
#include <utility>

#include "base/log.hpp"
#include "rtmp/group_sender.hpp"

namespace millrace::client {
namespace {

namespace asio = boost::asio;

// C0C1C2 and S0S1S2 (RTMP 1.0 section 5.2): what a peer has sent when its handshake is whole.
constexpr std::uint64_t handshake_bytes = 1 + 1536 + 1536;

// Of media that waits in groups; a bound on memory, which only the reliable profile comes near.
constexpr std::size_t group_bytes_max = 8u << 20;

// A peer that hears nothing of a player for long takes it for dead.
constexpr std::chrono::seconds acknowledge_counted_every{5};

base::instant clock_now() { return std::chrono::steady_clock::now(); }

std::string ms_text(std::chrono::microseconds t) { return fmt::format("{:.1f} ms", static_cast<double>(t.count()) / 1000.0); }

rtmp::client_config config_of(const link_target& target, rtmp::framing_kind framing, const link_settings& settings) {
  rtmp::client_config config;
  config.framing = framing;
  config.reliable = settings.reliable;
  base::rtmp_limits limits;
  limits.media_message_kept = settings.media_kept;
  config.limits = limits;
  config.role = target.role;
  config.app = target.uri.app;
  config.tc_url = target.uri.tc_url();
  if (!target.app_query.empty()) {
    config.app += '?' + target.app_query;
    config.tc_url += '?' + target.app_query;
  }
  config.stream_name = target.uri.stream_name();
  config.pipeline = settings.pipeline;
  config.capabilities = target.capabilities;
  config.resume = target.resume;
  return config;
}

}  // namespace

std::uint64_t random_bits() {
  std::random_device source;
  return (std::uint64_t{source()} << 32) | source();
}

net::dial_target dial_target_of(const rtmp::uri& uri, const net::verify_options& verify) {
  using tcp_side = net::dial_target::tcp_side;
  net::dial_target target;
  target.host = uri.host;
  target.host_is_ip = uri.host_is_ip;
  target.port = uri.port;
  target.quic = uri.use_quic;
  if (uri.use_quic) {
    switch (uri.fall_back_to) {
      case rtmp::fallback::none: target.tcp = tcp_side::none; break;
      case rtmp::fallback::rtmps: target.tcp = tcp_side::tls; break;
      case rtmp::fallback::rtmp: target.tcp = tcp_side::plain; break;
    }
  } else {
    target.tcp = uri.use_tls_when_tcp ? tcp_side::tls : tcp_side::plain;
  }
  target.plain_if_no_tls = uri.plain_if_no_tls;
  target.verify = verify;
  if (!uri.pin.empty()) target.verify.pin = uri.pin;
  return target;
}

link_ptr link::open(asio::io_context& io, link_target target, const link_settings& settings, link_handler& handler) {
  link_ptr made(new link(io, std::move(target), settings, handler));
  made->dial();
  return made;
}

link::link(asio::io_context& io, link_target target, const link_settings& settings, link_handler& handler)
    : io_(io), target_(std::move(target)), settings_(settings), handler_(&handler), timer_(io), opened_(clock_now()) {}

link::~link() {
  if (transport_) transport_->abort();
}

std::chrono::microseconds link::since_open() const {
  return std::chrono::duration_cast<std::chrono::microseconds>(clock_now() - opened_);
}

void link::dial() {
  dialing_ = true;
  net::dial_options options;
  options.quic = settings_.quic;
  // A player sends nothing, so it would notice a server that died and came back only with its next keep-alive. Media keeps the
  // timer quiet; in silence two pings a second are cheap.
  if (target_.role == rtmp::client_role::play) options.quic.keep_alive = std::min(options.quic.keep_alive, std::chrono::milliseconds(500));
  options.whole_dial = settings_.dial_timeout;
  options.memory = settings_.memory;
  // The completion keeps this object, so a link that is dropped while it dials lives until the dial was cancelled.
  asio::co_spawn(io_, net::dial(dial_target_of(target_.uri, settings_.verify), std::move(options)),
                 asio::bind_cancellation_slot(cancel_dial_.slot(), [self = shared_from_this()](
                                                                       std::exception_ptr failure, std::variant<net::dialed, net::dial_failure> outcome) {
                   self->dialing_ = false;
                   if (failure) {
                     outcome = net::dial_failure{{base::error_kind::closed, "the dial was cancelled"}, {}};
                   }
                   self->on_dialed(std::move(outcome));
                 }));
}

void link::on_dialed(std::variant<net::dialed, net::dial_failure> outcome) {
  if (auto* failed = std::get_if<net::dial_failure>(&outcome)) {
    story_ = std::move(failed->story);
    if (!ended_) down(std::move(failed->reason));
    return;
  }
  auto& done = std::get<net::dialed>(outcome);
  story_ = std::move(done.story);
  if (ended_) {
    if (done.transport) done.transport->abort();
    return;
  }
  times_.resolved = story_.resolved;
  times_.transport = since_open();
  transport_ = std::move(done.transport);
  start_deadline_ = clock_now() + settings_.start_timeout;
  const auto framing = transport_->facts().alpn == net::roqr_alpn ? rtmp::framing_kind::roqr : rtmp::framing_kind::chunks;
  shakes_hands_ = framing == rtmp::framing_kind::chunks;
  auto config = config_of(target_, framing, settings_);
  if (story_.fell_back) config.fell_back = story_.why;
  session_.emplace(std::move(config), clock_now(), random_bits());
  transport_->start(*this);
  const auto self = shared_from_this();  // the handler may drop us
  handler_->on_link_dialed();
  if (!ended_) turn();
}

std::optional<net::transport_facts> link::facts() const {
  if (!transport_) return std::nullopt;
  return transport_->facts();
}

base::duration link::queue_age(base::instant now) const {
  auto age = transport_ ? transport_->oldest_queued_age(now) : base::duration::zero();
  if (auto* groups = session_ ? session_->groups() : nullptr) age = std::max(age, groups->queue_age(now));
  return age;
}

// With groups everything may be handed over: what the network does not take can still be given up there.
std::size_t link::send_budget() const {
  if (!running() || !transport_) return 0;
  const auto* groups = session_->groups();
  if (!groups) return transport_->send_budget();
  return groups->queued_bytes() < group_bytes_max ? group_bytes_max - groups->queued_bytes() : 0;
}

bool link::gives_up_late() const { return session_ && session_->groups() && !settings_.reliable; }

std::string link::describe() const {
  std::string out = "connected";
  if (transport_) out += fmt::format(" by {}", net::name(transport_->kind()));
  if (!story_.why.empty()) out += " (" + story_.why + ")";
  out += ':';
  if (times_.resolved) out += " resolve " + ms_text(*times_.resolved) + ",";
  if (times_.transport) out += " transport " + ms_text(*times_.transport);
  if (times_.rtmp_handshake) out += ", rtmp handshake " + ms_text(*times_.rtmp_handshake);
  if (times_.connected) out += ", connect " + ms_text(*times_.connected);
  if (times_.started) out += fmt::format(", {} {}", target_.role == rtmp::client_role::play ? "play" : "publish", ms_text(*times_.started));
  return out;
}

std::size_t link::queued_bytes() const {
  std::size_t sum = transport_ ? transport_->queued_bytes() : 0;
  if (!session_) return sum;
  if (auto* groups = session_->groups()) sum += groups->queued_bytes();
  return sum + session_->waiting_behind_media();
}

void link::send(const media::frame& f) {
  if (running()) session_->send(f);
}

void link::report(const rtmp::publisher_report& what) {
  if (running()) session_->report(what);
}

void link::flush() {
  if (!session_ || !transport_) return;
  replies_unsent_ += session_->reply_bytes();
  auto out = session_->poll_output();
  if (!out.empty()) {
    sent_since_receive_ = true;
    transport_->send(std::move(out));
  }
  hold_for_replies();
  if (auto* const groups = session_->groups()) {
    if (!std::exchange(pulled_from_, true)) transport_->pull_from(groups);
    if (session_->wants_pull()) transport_->pull();
  }
  while (const auto stop = session_->poll_stop()) transport_->stop_stream(stop->stream, static_cast<std::uint64_t>(stop->code));
  if (ended_ || ending_) return;
  if (session_->is_closed()) {
    // The event is still inside; it must not reach the handler from inside a call of its own.
    asio::post(io_, [self = shared_from_this()] { self->turn(); });
    return;
  }
  arm_timer();
}

void link::pause_receive(bool paused) {
  paused_by_owner_ = paused;
  apply_pause();
}

void link::apply_pause() {
  if (transport_) transport_->pause_receive(paused_by_owner_ || held_for_replies_);
}

// A server that makes us answer and does not take the answers is not read from until it did. What is queued bounds the replies among it.
void link::hold_for_replies() {
  replies_unsent_ = std::min(replies_unsent_, transport_->queued_bytes());
  // Only where on_writable is going to say that there is room again.
  const bool hold = replies_unsent_ > settings_.limits.replies_unsent && transport_->send_budget() == 0;
  if (std::exchange(held_for_replies_, hold) != hold) apply_pause();
}

bool link::count_only() {
  if (!transport_ || !session_ || !transport_->count_only()) return false;
  acknowledge_due_ = clock_now() + acknowledge_counted_every;
  arm_timer();
  return true;
}

void link::acknowledge_counted(base::instant now) {
  const auto total = transport_->facts().bytes_received;
  session_->skip_received(now, total - std::exchange(bytes_received_, total));
  acknowledge_due_ = now + acknowledge_counted_every;
}

void link::end() {
  if (!session_ || ended_ || ending_) return;
  session_->end();
  ending_ = true;
  timer_.cancel();
  flush();
}

void link::close() {
  if (ended_) {
    handler_ = nullptr;
    return;
  }
  const auto self = shared_from_this();
  if (session_) {
    if (!ending_) session_->end();  // said in order also by one who leaves before the start was confirmed
    session_->release_behind_media();
  }
  flush();
  ended_ = true;
  handler_ = nullptr;
  timer_.cancel();
  if (dialing_) {
    // Posted: a signal must not be emitted from inside the coroutine that it cancels.
    asio::post(io_, [self] { self->cancel_dial_.emit(asio::cancellation_type::terminal); });
  }
  if (transport_) std::exchange(transport_, nullptr)->close(net::close_code::no_error, "done");
}

void link::turn() {
  // Handlers called from here may send, which flushes, which may ask for another turn; that one waits for this one.
  if (in_turn_ || ended_ || ending_ || !session_) return;
  const auto self = shared_from_this();
  in_turn_ = true;
  received_frame_ = false;
  hand_on_merged();
  while (!ended_ && !ending_) {
    auto event = session_->poll_event();
    if (!event) break;
    std::visit([this](auto& e) { handle(e); }, *event);
  }
  in_turn_ = false;
  if (received_frame_ && !ended_ && !ending_) handler_->on_link_frames_done();
  if (!ended_) flush();
}

void link::handle(rtmp::connected&) {
  times_.connected = since_open();
  times_.connect_round_trips = round_trips_;
  if (target_.role == rtmp::client_role::connect_only) {
    running_ = true;
    start_deadline_ = base::instant::max();
  }
  handler_->on_link_connected();
}

void link::handle(rtmp::started& e) {
  times_.started = since_open();
  times_.start_round_trips = round_trips_;
  running_ = true;
  // A QUIC connection is there again after a gap in the network as long as its idle timeout allows; TCP is not (tcp_client.hpp).
  auto patience = settings_.limits.send_stall;
  if (transport_->kind() == net::transport_kind::quic) patience = std::max(patience, settings_.quic.idle_timeout);
  stall_.emplace(patience, clock_now());
  resume_ = e.resume;
  start_deadline_ = base::instant::max();
  handler_->on_link_started(e.info);
}

void link::handle(rtmp::status_received& e) { handler_->on_link_status(e.info); }

void link::handle(rtmp::stream_ended&) {
  merge_.release();
  hand_on_merged();
  if (handler_) handler_->on_link_stream_ended();
}

void link::handle(rtmp::rejected& e) {
  refused_ = e.info;
  refusal_ = e.reason;  // `closed` follows, with less to say
  redirect_ = e.redirect;
}

void link::handle(rtmp::reconnect_requested& e) { handler_->on_link_reconnect(e); }

void link::handle(rtmp::frame_received& e) {
  received_frame_ = true;
  if (!times_.first_frame) times_.first_frame = since_open();
  if (!session_->groups()) return handler_->on_link_frame(std::move(e.frame));
  merge_.push(clock_now(), std::move(e.frame));
  hand_on_merged();
}

void link::hand_on_merged() {
  const auto now = clock_now();
  while (!ended_ && handler_) {
    auto next = merge_.poll(now);
    if (!next) return;
    received_frame_ = true;
    handler_->on_link_frame(std::move(*next));
  }
}

void link::handle(rtmp::closed& e) {
  merge_.release();
  hand_on_merged();
  down(refusal_ ? *refusal_ : std::move(e.reason));
}

void link::arm_timer() {
  if (!session_ || ended_ || ending_) return;
  const auto due = std::min({session_->poll_timeout().value_or(base::instant::max()), start_deadline_, acknowledge_due_,
                             merge_.poll_timeout().value_or(base::instant::max()), stall_ ? stall_->due() : base::instant::max()});
  if (due == timer_due_) return;
  timer_due_ = due;
  if (due == base::instant::max()) {
    timer_.cancel();
    return;
  }
  timer_.expires_at(due);
  timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& failure) {
    const auto self = weak.lock();
    if (!failure && self) self->on_timer();
  });
}

void link::on_timer() {
  if (ended_ || ending_ || !session_) return;
  timer_due_ = base::instant::max();
  const auto now = clock_now();
  if (now >= start_deadline_) {
    down({base::error_kind::timeout, fmt::format("no answer to {} within {:.1f} s", waiting_for(),
                                                 std::chrono::duration<double>(settings_.start_timeout).count())});
    return;
  }
  if (stall_ && now >= stall_->due() && transport_ && stall_->look(now, transport_->delivered_bytes(), queued_bytes())) {
    down({base::error_kind::timeout, "the server takes no data"});
    return;
  }
  if (session_->groups() && transport_) {
    if (const auto rtt = transport_->round_trip()) session_->set_round_trip(*rtt);
  }
  if (now >= acknowledge_due_ && transport_) acknowledge_counted(now);
  session_->on_timer(now);
  turn();
}

std::string link::waiting_for() const {
  if (shakes_hands_ && !times_.rtmp_handshake) return "the RTMP handshake";
  if (!times_.connected) return "connect";
  return target_.role == rtmp::client_role::play ? "play" : "publish";
}

void link::down(base::error reason) {
  if (ended_) return;
  ended_ = true;
  timer_.cancel();
  link_end end{std::move(reason), std::move(refused_), running_, std::move(redirect_), closed_by_peer_};
  if (transport_) {
    // What the session still wanted to say goes out with the close.
    if (session_) {
      session_->release_behind_media();
      auto out = session_->poll_output();
      if (!out.empty()) transport_->send(std::move(out));
    }
    const bool ours = end.reason.kind == base::error_kind::protocol || end.reason.kind == base::error_kind::limit;
    std::exchange(transport_, nullptr)->close(ours ? net::close_code::general_error : net::close_code::no_error, end.reason.text);
  }
  asio::post(io_, [self = shared_from_this(), end = std::move(end)] {
    if (auto* handler = std::exchange(self->handler_, nullptr)) handler->on_link_down(end);
  });
}

void link::on_receive(base::bytes_view bytes) {
  if (ended_) return;
  if (std::exchange(sent_since_receive_, false)) ++round_trips_;
  bytes_received_ += bytes.size();
  if (shakes_hands_ && !times_.rtmp_handshake && bytes_received_ >= handshake_bytes) {
    times_.rtmp_handshake = since_open();
    times_.handshake_round_trips = round_trips_;
  }
  session_->receive(clock_now(), bytes);
  // One burst can ask for more replies than there should be: it ends early when these are not taken.
  if (session_->reply_bytes() > settings_.limits.replies_unsent / 4) flush();
}

void link::on_stream_receive(std::int64_t stream, base::bytes_view bytes, bool fin) {
  if (ended_) return;
  if (std::exchange(sent_since_receive_, false)) ++round_trips_;
  session_->receive_stream(clock_now(), stream, bytes, fin);
}

void link::on_stream_reset(std::int64_t stream, std::uint64_t) {
  if (!ended_) session_->on_stream_reset(clock_now(), stream);
}

void link::on_groups_flushed() {
  if (ended_) return;
  session_->on_groups_flushed(clock_now());
  flush();
}

void link::on_receive_done() { turn(); }

void link::on_writable() {
  const auto self = shared_from_this();
  if (transport_) hold_for_replies();
  if (running()) handler_->on_link_writable();
}

void link::on_closed(const net::close_info& info) {
  transport_.reset();
  if (ended_) return;
  closed_by_peer_ = info.by_peer;
  const auto self = shared_from_this();
  auto reason = info.reason;
  if (session_ && !ending_) {
    session_->on_transport_closed(reason);
    turn();
  }
  if (!ended_) down(std::move(reason));
}

void link::on_path_changed(const std::string& remote, std::chrono::milliseconds gap) {
  base::log::info("the network path changed, now to {}, after a gap of {} ms", remote, gap.count());
}

}  // namespace millrace::client
