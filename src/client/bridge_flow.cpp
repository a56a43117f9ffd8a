#include "client/bridge_flow.hpp"

#include <boost/asio/post.hpp>
#include <algorithm>
#include <utility>

#include "base/escape.hpp"
#include "base/log.hpp"

namespace millrace::client {
namespace {

namespace log = base::log;
using std::chrono::milliseconds;

constexpr milliseconds tick_every{50};
// After the encoder left: to deliver what it sent before.
constexpr milliseconds ending_max{2500};
// A local player slower than the stream: the remote server drops for us, at key frames.
constexpr std::size_t player_bytes_max = 2U << 20;

base::instant clock_now() { return std::chrono::steady_clock::now(); }

// What the local program is told when the remote's refusal has no status of its own (it was never reached).
rtmp::status status_for(const base::error& reason, bool publishing) {
  std::string code = publishing ? "NetStream.Publish.Failed" : "NetStream.Play.Failed";
  if (publishing && reason.kind == base::error_kind::denied) code = "NetStream.Publish.Denied";
  if (publishing && reason.kind == base::error_kind::busy) code = "NetStream.Publish.BadName";
  if (!publishing && reason.kind == base::error_kind::not_found) code = "NetStream.Play.StreamNotFound";
  return {"error", std::move(code), reason.text};
}

}  // namespace

bridge_flow::bridge_flow(bridge& owner, bridge_connection& local, std::uint32_t msid, bool publishing, bridge_target target)
    : owner_(owner),
      local_(&local),
      msid_(msid),
      publishing_(publishing),
      target_(std::move(target)),
      name_(target_.uri.display(true)),
      queue_(owner.options_.queue),
      backoff_(random_bits()),
      retry_timer_(owner.io_),
      tick_timer_(owner.io_),
      local_address_(local.remote()) {}

void bridge_flow::open() {
  dial();
  tick();
}

void bridge_flow::dial() {
  const auto role = publishing_ ? rtmp::client_role::publish : rtmp::client_role::play;
  link_ = link::open(owner_.io_, {target_.uri, role, target_.app_query}, owner_.options_.link, *this);
}

void bridge_flow::on_link_started(const rtmp::status&) {
  ++sessions_;
  backoff_.reset();
  log::info("{} {} from {}, {}", what(), name_, local_address_, link_->describe());
  if (sessions_ > 1 && publishing_) {
    queue_.suspend();
    queue_.resume(clock_now());
  }
  clock_.restart();
  receive_paused_ = false;
  if (!local_) {  // the program left while we dialled
    detach();
    return;
  }
  if (!accepted_) {
    accepted_ = true;
    if (publishing_) {
      local_->session().accept_publish(msid_);
    } else {
      local_->session().accept_play(msid_);
    }
    local_->turn();
  }
  if (publishing_) drain();
}

// ---- publishing ---------------------------------------------------------------------------------------------------

void bridge_flow::push(media::frame f) { queue_.push(std::move(f), clock_now()); }

void bridge_flow::flush() {
  if (publishing_) drain();
}

void bridge_flow::drain() {
  if (!link_ || !link_->running()) return;
  while (!queue_.empty()) {
    const auto budget = link_->send_budget();
    if (budget == 0) break;
    std::size_t taken = 0;
    while (taken < budget) {
      auto f = queue_.pop();
      if (!f) break;
      taken += f->payload.size();
      ++frames_;
      bytes_ += f->payload.size();
      link_->send(*f);
    }
    link_->flush();
    if (!link_->running()) break;
  }
}

base::duration bridge_flow::queue_age(base::instant now) const {
  auto age = queue_.age(now);
  if (link_) age = std::max(age, link_->queue_age(now));
  return age;
}

std::size_t bridge_flow::queue_bytes() const { return queue_.bytes() + (link_ ? link_->queued_bytes() : 0); }

void bridge_flow::on_link_writable() {
  drain();
  if (local_) local_->update_push_back();
}

// ---- playing ------------------------------------------------------------------------------------------------------

void bridge_flow::on_link_frame(media::frame f) {
  if (!local_ || player_paused_) return;
  f.dts_ms = clock_.map(f);
  ++frames_;
  bytes_ += f.payload.size();
  local_->session().send(msid_, f, nullptr);
}

void bridge_flow::on_link_frames_done() {
  if (!local_) return;
  local_->turn();
  update_player();
}

void bridge_flow::update_player() {
  if (publishing_ || !link_ || !local_) return;
  const auto bytes = local_->queued_bytes();
  const bool pause = receive_paused_ ? bytes > player_bytes_max / 2 : bytes > player_bytes_max;
  if (pause == receive_paused_) return;
  receive_paused_ = pause;
  link_->pause_receive(pause);
}

void bridge_flow::set_paused(bool paused) { player_paused_ = paused; }

void bridge_flow::on_link_stream_ended() {
  if (!local_ || publishing_) return;
  local_->session().notify_unpublish(msid_);
  local_->turn();
}

void bridge_flow::on_link_status(const rtmp::status& info) {
  if (!publishing_ && local_ && info.code == "NetStream.Play.PublishNotify") {
    local_->session().notify_publish(msid_);
    local_->turn();
  }
  log::debug("{} {}: server: {} {}", what(), name_, base::escaped(info.code), base::escaped(info.description));
}

// ---- both ---------------------------------------------------------------------------------------------------------

void bridge_flow::on_link_down(const link_end& end) {
  link_.reset();
  if (finished_) return;
  if (!local_) {
    finish();
    return;
  }
  if (!accepted_ || !worth_retrying(end.reason.kind)) {
    refuse(end);
    return;
  }
  // The local program notices nothing: its media is dropped up to the next key frame after the remote is back.
  queue_.suspend();
  local_->update_push_back();
  const auto wait = backoff_.next();
  log::warning("{} {}: {}; trying again in {:.1f} s", what(), name_, end.reason.text, std::chrono::duration<double>(wait).count());
  retry_timer_.expires_after(wait);
  retry_timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& failure) {
    const auto self = weak.lock();
    if (!failure && self && !self->finished_) self->dial();
  });
}

void bridge_flow::refuse(const link_end& end) {
  const auto self = shared_from_this();
  log::warning("{} {} from {}: {}", what(), name_, local_address_, end.reason.text);
  auto why = end.refused.value_or(status_for(end.reason, publishing_));
  auto* local = std::exchange(local_, nullptr);
  auto& session = local->session();
  if (publishing_) {
    if (accepted_) {
      session.end_publish(msid_, std::move(why));
    } else {
      session.reject_publish(msid_, std::move(why));
    }
  } else if (accepted_) {
    session.end_play(msid_, std::move(why));
  } else {
    session.reject_play(msid_, std::move(why));
  }
  local->flow_over(msid_);
  finish();
  local->turn();
}

void bridge_flow::detach() {
  if (finished_) return;
  local_ = nullptr;
  if (detached_at_ == base::instant{}) detached_at_ = clock_now();
  retry_timer_.cancel();
  const bool running = link_ && link_->running();
  if (!publishing_ && running) link_->end();
  if (!publishing_ || !running) {
    finish();
    return;
  }
  drain();
}

void bridge_flow::abandon() {
  local_ = nullptr;
  finish();
}

void bridge_flow::tick() {
  tick_timer_.expires_after(tick_every);
  tick_timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& failure) {
    const auto self = weak.lock();
    if (failure || !self || self->finished_) return;
    if (self->local_) {
      self->drain();
      self->local_->update_push_back();
      self->update_player();
      self->tick();
      return;
    }
    // Ending: the queue, then FCUnpublish, then the transport's queue.
    const auto now = clock_now();
    self->drain();
    if (!self->ending_ && self->link_ && self->queue_.empty()) {
      self->ending_ = true;
      self->link_->end();
    }
    if ((self->ending_ && self->queue_bytes() == 0) || now - self->detached_at_ >= ending_max) {
      self->finish();
      return;
    }
    self->tick();
  });
}

void bridge_flow::finish() {
  if (std::exchange(finished_, true)) return;
  retry_timer_.cancel();
  tick_timer_.cancel();
  if (link_) {
    // It may be calling us right now.
    boost::asio::post(owner_.io_, [keep = std::exchange(link_, nullptr), self = shared_from_this()] { keep->close(); });
  }
  log::info("{} {} from {} ended after {} frames", what(), name_, local_address_, frames_);
  owner_.forget(shared_from_this());
}

bridge_flow_report bridge_flow::report() const {
  bridge_flow_report out;
  out.publishing = publishing_;
  out.local = local_address_;
  out.remote = name_;
  if (link_ && link_->running()) {
    if (const auto facts = link_->facts()) out.transport = net::name(facts->kind);
    out.why = link_->story().why;
  }
  out.queue_age = std::chrono::duration_cast<milliseconds>(queue_age(clock_now()));
  out.frames = frames_;
  out.bytes = bytes_;
  out.frames_dropped = queue_.frames_dropped();
  out.reconnects = sessions_ > 0 ? sessions_ - 1 : 0;
  out.pushing_back = local_ && local_->pushing_back();
  return out;
}

}  // namespace millrace::client
