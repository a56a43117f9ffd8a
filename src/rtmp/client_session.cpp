#include <algorithm>

#include "rtmp/client_impl.hpp"
#include "rtmp/control.hpp"
#include "rtmp/rejection.hpp"
#include "rtmp/wire_image.hpp"

namespace millrace::rtmp {

client_session::impl::impl(client_config config, base::instant now, random_seed seed)
    : framing_(make_framing(config, now, seed)),
      config_(std::move(config)),
      now_(now),
      deadline_(now + config_.limits->connect_deadline) {
  begin_if_ready();
}

// With a handshake of its own, a framing is ready later.
void client_session::impl::begin_if_ready() {
  if (phase_ != phase::handshaking || !framing_->ready()) return;
  phase_ = phase::connecting;
  write_connect();
}

void client_session::impl::receive(base::instant now, base::bytes_view bytes) {
  if (phase_ == phase::closed) return;
  now_ = now;
  framing_->begin_receive(now, bytes.size());
  take_messages(bytes);
}

void client_session::impl::skip_received(base::instant now, std::size_t count) {
  if (phase_ == phase::closed) return;
  now_ = now;
  framing_->skip_received(now, count);
}

void client_session::impl::receive_stream(base::instant now, std::int64_t stream, base::bytes_view bytes, bool fin) {
  if (phase_ == phase::closed) return;
  now_ = now;
  framing_->begin_receive(now, bytes.size());
  if (auto ok = framing_->receive_stream(now, stream, bytes, fin); !ok) return fail(std::move(ok).error());
  take_messages({});
}

void client_session::impl::on_stream_reset(base::instant now, std::int64_t stream) {
  if (phase_ == phase::closed) return;
  now_ = now;
  framing_->on_stream_reset(now, stream);
  take_messages({});
}

void client_session::impl::take_messages(base::bytes_view bytes) {
  while (phase_ != phase::closed) {
    auto m = framing_->next(now_, bytes);
    if (!m) return fail(std::move(m).error());
    begin_if_ready();
    if (!*m) break;
    on_message(**m);
    if (phase_ != phase::closed && framing_->reply_bytes() > config_.limits->reply_queue_bytes) {
      // A server may well behave next time, so no kind that ends a client for good.
      return fail({base::error_kind::protocol,
                   "replies that the server does not read exceed " + std::to_string(config_.limits->reply_queue_bytes) + " bytes"});
    }
  }
  if (phase_ != phase::closed) framing_->acknowledge();
}

void client_session::impl::on_message(const message& m) {
  switch (m.type) {
    case message_type::user_control: return on_user_control(m);
    case message_type::command_amf0:
    case message_type::command_amf3: return on_command(m);
    case message_type::audio:
    case message_type::video:
    case message_type::aggregate:
    case message_type::data_amf0:
    case message_type::data_amf3: return on_media(m);
    default: return;  // shared objects, types of later versions
  }
}

void client_session::impl::on_user_control(const message& m) {
  const auto c = parse_user_control(m);
  if (!c || !c->known || phase_ != phase::running || c->value != msid_ || msid_ == 0) return;
  if (c->event == user_event::stream_eof) mark_stream_ended();
  if (c->event == user_event::stream_begin) stream_ended_ = false;
}

// Servers say it once, twice (StreamEOF and an onStatus) or in either order; the driver hears it once.
void client_session::impl::mark_stream_ended() {
  if (stream_ended_) return;
  stream_ended_ = true;
  events_.push_back(stream_ended{msid_});
}

void client_session::impl::on_media(const message& m) {
  if (config_.role != rtmp::client_role::play || start_sent_ == 0) return;
  const bool data = m.type == message_type::data_amf0 || m.type == message_type::data_amf3;
  if (data && read_data(m).clear) return;  // between a publisher and its server; nothing to show or to write down
  std::vector<media::frame> frames;
  if (auto ok = frames_.build(now_, m, frames, dropped_); !ok) return fail(std::move(ok).error());
  if (frames.empty()) return;
  // Some servers send no Play.Start; media speaks for itself.
  if (phase_ == phase::opening && frames.front().kind != media::frame_kind::data) begin_running({});
  stream_ended_ = false;
  for (auto& f : frames) events_.push_back(frame_received{msid_, std::move(f)});
}

void client_session::impl::begin_running(const status& info, std::string resume) {
  phase_ = phase::running;
  events_.push_back(started{msid_, info, std::move(resume)});
}

void client_session::impl::reject(const status& info, const amf0::value* object) {
  auto reason = classify_rejection(info, object);
  events_.push_back(rejected{info, reason, redirect_of(object)});
  fail(std::move(reason));
}

void client_session::impl::fail(base::error why) {
  if (phase_ == phase::closed) return;
  phase_ = phase::closed;
  events_.push_back(closed{std::move(why)});
}

void client_session::impl::send(const media::frame& frame) {
  if (phase_ != phase::running || config_.role != rtmp::client_role::publish) return;
  if (frame.kind != media::frame_kind::data) return write_media(frame);
  auto marked = frame;
  marked.payload = with_set_data_frame(frame.payload);
  write_media(marked);
}

// A frame may be newer than the last thing that the session heard of.
void client_session::impl::write_media(const media::frame& frame) {
  framing_->write_media(std::max(now_, frame.arrival), msid_, frame, frame.arrival, nullptr);
}

void client_session::impl::end() {
  if (phase_ == phase::closed) return;
  if (msid_ != 0) {
    if (config_.role == rtmp::client_role::publish) {
      framing_->write_behind_media(msid_, make_command(0, "FCUnpublish", 0, amf0::null{}, {config_.stream_name}));
    }
    framing_->write_behind_media(msid_, make_command(0, "deleteStream", 0, amf0::null{}, {msid_}));
  }
  fail({base::error_kind::closed, "ended"});
}

void client_session::impl::report(const publisher_report& what) {
  if (phase_ != phase::running || !extension_.reports || config_.role != rtmp::client_role::publish) return;
  framing_->write(make_command(0, report_command, 0, amf0::null{}, {report_object(what)}));
}

void client_session::impl::on_timer(base::instant now) {
  if (phase_ == phase::closed) return;
  now_ = now;
  static_cast<void>(framing_->on_timer(now));  // a client pings nobody, so it calls nobody dead
  take_messages({});                           // a receiver of groups waits no longer for what is missing
  if (phase_ == phase::running || phase_ == phase::closed || now < deadline_) return;
  switch (phase_) {
    case phase::handshaking: return fail({base::error_kind::timeout, "no RTMP handshake from the server"});
    case phase::connecting: return fail({base::error_kind::timeout, "no answer to connect"});
    default: return fail({base::error_kind::timeout, start_sent_ == 0 ? "no answer to createStream" : "no answer to publish or play"});
  }
}

std::optional<base::instant> client_session::impl::poll_timeout() const {
  if (phase_ == phase::closed) return std::nullopt;
  const auto framing = framing_->poll_timeout();
  if (phase_ == phase::running) return framing;
  return framing ? std::min(*framing, deadline_) : deadline_;
}

// ---- the public face --------------------------------------------------------------------------------------------

client_session::client_session(client_config config, base::instant now, random_seed seed)
    : impl_(std::make_unique<impl>(std::move(config), now, seed)) {}
client_session::~client_session() = default;
client_session::client_session(client_session&&) noexcept = default;
client_session& client_session::operator=(client_session&&) noexcept = default;

bool client_session::is_closed() const { return impl_->phase_ == impl::phase::closed; }
bool client_session::running() const { return impl_->phase_ == impl::phase::running; }
std::uint32_t client_session::msid() const { return impl_->msid_; }
const extension& client_session::server_extension() const { return impl_->extension_; }
std::uint64_t client_session::bytes_acknowledged() const { return impl_->framing_->bytes_acknowledged(); }
std::size_t client_session::reply_bytes() const { return impl_->framing_->reply_bytes(); }
const peer_capabilities& client_session::server() const { return impl_->server_; }

void client_session::receive(base::instant now, base::bytes_view bytes) { impl_->receive(now, bytes); }
void client_session::skip_received(base::instant now, std::size_t count) { impl_->skip_received(now, count); }
void client_session::receive_stream(base::instant now, std::int64_t stream, base::bytes_view bytes, bool fin) {
  impl_->receive_stream(now, stream, bytes, fin);
}
void client_session::on_stream_reset(base::instant now, std::int64_t stream) { impl_->on_stream_reset(now, stream); }
void client_session::set_round_trip(std::chrono::microseconds smoothed) { impl_->framing_->set_round_trip(smoothed); }
void client_session::on_groups_flushed(base::instant) { impl_->framing_->on_groups_flushed(); }
std::size_t client_session::waiting_behind_media() const { return impl_->framing_->waiting_behind_media(); }
void client_session::release_behind_media() { impl_->framing_->release_behind_media(); }
void client_session::on_timer(base::instant now) { impl_->on_timer(now); }
void client_session::on_transport_closed(base::error why) { impl_->fail(std::move(why)); }

void client_session::send(const media::frame& frame) { impl_->send(frame); }
void client_session::report(const publisher_report& what) { impl_->report(what); }
void client_session::end() { impl_->end(); }
void client_session::close(base::error why) { impl_->fail(std::move(why)); }

std::optional<client_event> client_session::poll_event() {
  if (impl_->events_.empty()) return std::nullopt;
  auto event = std::move(impl_->events_.front());
  impl_->events_.pop_front();
  return event;
}
base::send_chain client_session::poll_output() {
  base::send_chain out;
  impl_->framing_->take_output(out);
  return out;
}
group_sender* client_session::groups() const { return impl_->framing_->groups(); }

bool client_session::wants_pull() const { return impl_->framing_->wants_pull(); }
const group_receiver* client_session::group_reception() const { return impl_->framing_->group_reception(); }
std::optional<stream_stop> client_session::poll_stop() { return impl_->framing_->poll_stop(); }
std::optional<base::instant> client_session::poll_timeout() const { return impl_->poll_timeout(); }

}  // namespace millrace::rtmp
