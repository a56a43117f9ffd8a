#include <algorithm>

#include "rtmp/client_impl.hpp"
#include "rtmp/control.hpp"
#include "rtmp/rejection.hpp"
#include "rtmp/wire_image.hpp"

namespace millrace::rtmp {

client_session::impl::impl(client_config config, base::instant now, random_seed seed)
    : framing_(chunk_framing::client_role{config.digest_handshake}, config.limits, now, seed),
      config_(std::move(config)),
      now_(now),
      deadline_(now + config_.limits.connect_deadline) {}

void client_session::impl::receive(base::instant now, base::bytes_view bytes) {
  if (phase_ == phase::closed) return;
  now_ = now;
  framing_.begin_receive(now, bytes.size());
  while (phase_ != phase::closed) {
    auto m = framing_.next(now, bytes);
    if (!m) return fail(std::move(m).error());
    if (phase_ == phase::handshaking && framing_.ready()) {
      phase_ = phase::connecting;
      write_connect();
    }
    if (!*m) break;
    on_message(**m);
    if (phase_ != phase::closed && framing_.reply_bytes() > config_.limits.reply_queue_bytes) {
      return fail({base::error_kind::limit,
                   "replies that the server does not read exceed " + std::to_string(config_.limits.reply_queue_bytes) + " bytes"});
    }
  }
  if (phase_ != phase::closed) framing_.acknowledge();
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

void client_session::impl::begin_running(const status& info) {
  phase_ = phase::running;
  events_.push_back(started{msid_, info});
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
  if (frame.kind != media::frame_kind::data) return framing_.write_media(encode_wire(frame, msid_));
  auto marked = frame;
  marked.payload = with_set_data_frame(frame.payload);
  framing_.write_media(encode_wire(marked, msid_));
}

void client_session::impl::end() {
  if (phase_ == phase::closed) return;
  if (msid_ != 0) {
    if (config_.role == rtmp::client_role::publish) {
      framing_.write(make_command(0, "FCUnpublish", 0, amf0::null{}, {config_.stream_name}));
    }
    framing_.write(make_command(0, "deleteStream", 0, amf0::null{}, {msid_}));
  }
  fail({base::error_kind::closed, "ended"});
}

void client_session::impl::on_timer(base::instant now) {
  const auto at = poll_timeout();
  if (!at || now < *at) return;
  switch (phase_) {
    case phase::handshaking: return fail({base::error_kind::timeout, "no RTMP handshake from the server"});
    case phase::connecting: return fail({base::error_kind::timeout, "no answer to connect"});
    default: return fail({base::error_kind::timeout, start_sent_ == 0 ? "no answer to createStream" : "no answer to publish or play"});
  }
}

std::optional<base::instant> client_session::impl::poll_timeout() const {
  if (phase_ == phase::running || phase_ == phase::closed) return std::nullopt;
  return deadline_;
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
std::uint64_t client_session::bytes_acknowledged() const { return impl_->framing_.bytes_acknowledged(); }
const peer_capabilities& client_session::server() const { return impl_->server_; }

void client_session::receive(base::instant now, base::bytes_view bytes) { impl_->receive(now, bytes); }
void client_session::on_timer(base::instant now) { impl_->on_timer(now); }
void client_session::on_transport_closed(base::error why) { impl_->fail(std::move(why)); }

void client_session::send(const media::frame& frame) { impl_->send(frame); }
void client_session::end() { impl_->end(); }
void client_session::close(base::error why) { impl_->fail(std::move(why)); }

std::optional<client_event> client_session::poll_event() {
  if (impl_->events_.empty()) return std::nullopt;
  auto event = std::move(impl_->events_.front());
  impl_->events_.pop_front();
  return event;
}
base::send_chain client_session::poll_output() { return impl_->framing_.poll_output(); }
std::optional<base::instant> client_session::poll_timeout() const { return impl_->poll_timeout(); }

}  // namespace millrace::rtmp
