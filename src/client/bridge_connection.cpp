#include <boost/asio/post.hpp>
#include <utility>

#include "base/escape.hpp"
#include "base/log.hpp"
#include "client/bridge_flow.hpp"

namespace millrace::client {
namespace {

namespace log = base::log;

base::instant clock_now() { return std::chrono::steady_clock::now(); }

rtmp::server_config config_of(const bridge_options& options) {
  rtmp::server_config config;
  config.limits = options.local_limits;
  return config;
}

}  // namespace

bridge_connection::bridge_connection(bridge& owner, net::transport_ptr transport)
    : owner_(owner),
      transport_(std::move(transport)),
      session_(config_of(owner.options_), clock_now(), random_bits()),
      timer_(owner.io_),
      remote_(transport_->facts().remote) {}

void bridge_connection::start() {
  transport_->start(*this);
  turn();
}

void bridge_connection::stop(const std::string& why) {
  if (!transport_) return;
  const auto self = shared_from_this();
  session_.close({base::error_kind::closed, why});
  turn();
  finish();
}

void bridge_connection::on_receive(base::bytes_view bytes) {
  if (transport_) session_.receive(clock_now(), bytes);
}

void bridge_connection::on_receive_done() {
  turn();
  for (const auto& [msid, flow] : flows_) flow->flush();
  update_push_back();
}

void bridge_connection::on_writable() {
  for (const auto& [msid, flow] : flows_) flow->update_player();
}

void bridge_connection::on_closed(const net::close_info& info) {
  const auto self = shared_from_this();
  transport_.reset();
  session_.on_transport_closed(info.reason);
  turn();
  finish();
}

// Draining may call flows, which call session methods and turn() again; the outer loop picks those events up.
void bridge_connection::turn() {
  if (in_turn_) return;
  const auto self = shared_from_this();
  in_turn_ = true;
  handle_events();
  flush();
  handle_events();  // perhaps too much is unread
  in_turn_ = false;
  arm_timer();
}

void bridge_connection::handle_events() {
  while (auto event = session_.poll_event()) {
    std::visit([this](auto& e) { handle(e); }, *event);
  }
}

void bridge_connection::flush() {
  if (!transport_) return;
  auto out = session_.poll_output();
  if (!out.empty()) transport_->send(std::move(out));
  session_.on_unsent(transport_->queued_bytes());
}

void bridge_connection::arm_timer() {
  if (!transport_) return;
  const auto due = session_.poll_timeout().value_or(base::instant::max());
  if (due == timer_due_) return;
  timer_due_ = due;
  if (due == base::instant::max()) {
    timer_.cancel();
    return;
  }
  timer_.expires_at(due);
  timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& failure) {
    const auto self = weak.lock();
    if (failure || !self || !self->transport_) return;
    self->timer_due_ = base::instant::max();
    const auto now = clock_now();
    if (self->paused_) self->session_.excuse_silence(now);
    self->session_.on_timer(now);
    self->turn();
  });
}

void bridge_connection::handle(rtmp::connect_requested& e) {
  app_ = std::move(e.app);
  app_query_ = std::move(e.query);
  // Whether the remote server agrees shows at publish or play: only then is it known what to ask it for.
  session_.accept_connect();
}

void bridge_connection::handle(rtmp::publish_requested& e) { open_flow(e.msid, true, std::move(e.name), std::move(e.query)); }

void bridge_connection::handle(rtmp::play_requested& e) { open_flow(e.msid, false, std::move(e.name), std::move(e.query)); }

void bridge_connection::open_flow(std::uint32_t msid, bool publishing, std::string name, std::string query) {
  end_flow(msid);
  auto target = resolve_target(owner_.options_.route, {app_, app_query_, std::move(name), std::move(query)});
  if (!target) {
    log::warning("{}: {}", remote_, target.error().text);
    const rtmp::status why{"error", publishing ? "NetStream.Publish.BadName" : "NetStream.Play.StreamNotFound", target.error().text};
    if (publishing) {
      session_.reject_publish(msid, why);
    } else {
      session_.reject_play(msid, why);
    }
    return;
  }
  auto flow = std::make_shared<bridge_flow>(owner_, *this, msid, publishing, std::move(*target));
  flows_[msid] = flow;
  owner_.flows_.insert(flow);
  flow->open();
}

void bridge_connection::end_flow(std::uint32_t msid) {
  const auto found = flows_.find(msid);
  if (found == flows_.end()) return;
  const auto flow = std::move(found->second);
  flows_.erase(found);
  flow->detach();
}

void bridge_connection::handle(rtmp::publish_ended& e) { end_flow(e.msid); }

void bridge_connection::handle(rtmp::play_ended& e) { end_flow(e.msid); }

void bridge_connection::handle(rtmp::pause_requested& e) {
  if (const auto found = flows_.find(e.msid); found != flows_.end()) found->second->set_paused(e.pause);
}

void bridge_connection::handle(rtmp::frame_received& e) {
  if (const auto found = flows_.find(e.msid); found != flows_.end() && found->second->publishing()) found->second->push(std::move(e.frame));
}

void bridge_connection::handle(rtmp::noticed& e) { log::info("{}: {}", remote_, base::escaped(e.text)); }

void bridge_connection::handle(rtmp::closed& e) {
  if (e.reason.kind != base::error_kind::closed) log::info("{}: {}", remote_, base::escaped(e.reason.text));
  // finish() drops the transport, which must first get what the session has left to say.
  boost::asio::post(owner_.io_, [self = shared_from_this()] { self->finish(); });
}

void bridge_connection::update_push_back() {
  if (!transport_) return;
  const auto now = clock_now();
  const auto& o = owner_.options_;
  base::duration age{0};
  std::size_t bytes = 0;
  for (const auto& [msid, flow] : flows_) {
    if (!flow->publishing()) continue;
    if (o.push_back_age || !flow->gives_up_late()) age = std::max(age, flow->queue_age(now));
    bytes = std::max(bytes, flow->queue_bytes());
  }
  const auto limit = o.push_back_age.value_or(bridge_options::push_back_default);
  if (!paused_ && (age > limit || bytes > o.push_back_bytes)) {
    paused_ = true;
    log::debug("{}: {} ms and {} bytes wait for the network: holding the encoder back", remote_,
               std::chrono::duration_cast<std::chrono::milliseconds>(age).count(), bytes);
    transport_->pause_receive(true);
  } else if (paused_ && age <= limit / 2 && bytes <= o.push_back_bytes / 2) {
    paused_ = false;
    session_.excuse_silence(now);
    transport_->pause_receive(false);
  }
}

void bridge_connection::finish() {
  const auto self = shared_from_this();
  timer_.cancel();
  const auto flows = std::exchange(flows_, {});
  for (const auto& [msid, flow] : flows) flow->detach();
  if (transport_) {
    flush();
    std::exchange(transport_, nullptr)->close(net::close_code::no_error, "done");
  }
  owner_.forget(self);
}

}  // namespace millrace::client
