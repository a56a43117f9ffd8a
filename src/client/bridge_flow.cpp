#include "client/bridge_flow.hpp"

#include <boost/asio/post.hpp>
#include <algorithm>
#include <utility>

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
      tick_timer_(owner.io_),
      local_address_(local.remote()) {}

namespace {

// A player behind the bridge gets what it said it can take, and nothing that it does not understand. Reconnecting is ours to do.
rtmp::peer_capabilities announced_for(const rtmp::peer_capabilities& local, bool publishing) {
  if (publishing) return rtmp::own_capabilities();
  auto out = local;
  out.caps_ex |= rtmp::caps_reconnect;
  if (out.video_function == 0) out.video_function = rtmp::video_function_seek;
  return out;
}

}  // namespace

void bridge_flow::open() {
  link_target target{target_.uri, publishing_ ? rtmp::client_role::publish : rtmp::client_role::play, target_.app_query,
                     announced_for(local_->session().peer(), publishing_)};
  // Until the remote accepted, the local program hears of every failure and decides by itself.
  line_ = line::open(owner_.io_,
                     {std::move(target), owner_.options_.link, std::string(what()) + " " + name_ + " from " + local_address_, true, false}, *this);
  tick();
}

void bridge_flow::on_line_up() {
  if (line_->sessions() > 1 && publishing_) queue_.resume(clock_now());
  clock_.restart();
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
  if (!line_) return;
  line_->drain(queue_, [this](const media::frame& f) {
    ++frames_;
    bytes_ += f.payload.size();
  });
}

base::duration bridge_flow::queue_age(base::instant now) const {
  auto age = queue_.age(now);
  if (line_) age = std::max(age, line_->queue_age(now));
  return age;
}

std::size_t bridge_flow::queue_bytes() const { return queue_.bytes() + (line_ ? line_->queued_bytes() : 0); }

void bridge_flow::on_line_writable() {
  drain();
  if (local_) local_->update_push_back();
}

// ---- playing ------------------------------------------------------------------------------------------------------

void bridge_flow::on_line_frame(media::frame f) {
  if (!local_ || player_paused_) return;
  f.dts_ms = clock_.map(f);
  ++frames_;
  bytes_ += f.payload.size();
  local_->session().send(clock_now(), msid_, f, nullptr);
}

void bridge_flow::on_line_jump() { clock_.restart(); }

void bridge_flow::on_line_frames_done() {
  if (!local_) return;
  local_->turn();
  update_player();
}

void bridge_flow::update_player() {
  if (publishing_ || !line_ || !local_) return;
  const auto bytes = local_->queued_bytes();
  const bool pause = receive_paused_ ? bytes > player_bytes_max / 2 : bytes > player_bytes_max;
  if (pause == receive_paused_) return;
  receive_paused_ = pause;
  line_->pause_receive(pause);
}

void bridge_flow::set_paused(bool paused) { player_paused_ = paused; }

void bridge_flow::on_line_stream_ended() {
  if (!local_ || publishing_) return;
  local_->session().notify_unpublish(msid_);
  local_->turn();
}

void bridge_flow::on_line_status(const rtmp::status& info) {
  if (!publishing_ && local_ && info.code == "NetStream.Play.PublishNotify") {
    local_->session().notify_publish(msid_);
    local_->turn();
  }
}

void bridge_flow::on_line_words(const std::string& text) { log::debug("{} {}: server: {}", what(), name_, text); }

// ---- both ---------------------------------------------------------------------------------------------------------

void bridge_flow::on_line_lost(const base::error&, std::chrono::milliseconds) {
  if (finished_) return;
  if (!local_) {
    finish();
    return;
  }
  // The local program notices nothing: its media is dropped up to the next key frame after the remote is back.
  queue_.suspend();
  local_->update_push_back();
}

void bridge_flow::on_line_down(const link_end& end) {
  if (finished_) return;
  if (local_) {
    refuse(end);
  } else {
    finish();
  }
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
  const bool running = line_ && line_->running();
  if (!publishing_ && running) line_->end();
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
    if (!self->ending_ && self->line_ && self->queue_.empty()) {
      self->ending_ = true;
      self->line_->end();
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
  tick_timer_.cancel();
  // It may be calling us right now.
  if (line_) boost::asio::post(owner_.io_, [keep = line_, self = shared_from_this()] { keep->close(); });
  log::info("{} {} from {} ended after {} frames", what(), name_, local_address_, frames_);
  owner_.forget(shared_from_this());
}

bridge_flow_report bridge_flow::report() const {
  bridge_flow_report out;
  out.publishing = publishing_;
  out.local = local_address_;
  out.remote = name_;
  if (line_ && line_->running()) {
    out.transport = line_->transport();
    out.why = line_->why();
  }
  out.queue_age = std::chrono::duration_cast<milliseconds>(queue_age(clock_now()));
  out.frames = frames_;
  out.bytes = bytes_;
  out.frames_dropped = queue_.frames_dropped();
  out.reconnects = line_ && line_->sessions() > 0 ? line_->sessions() - 1 : 0;
  out.pushing_back = local_ && local_->pushing_back();
  return out;
}

}  // namespace millrace::client
