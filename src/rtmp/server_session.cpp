#include <algorithm>

#include "rtmp/server_impl.hpp"

namespace millrace::rtmp {
namespace {

// Messages that may wait for the driver's answer to a request, beside the bytes of partial_bytes_unauthorised.
constexpr std::size_t held_messages_max = 512;

bool is_command(message_type type) { return type == message_type::command_amf0 || type == message_type::command_amf3; }

bool is_media(message_type type) {
  return type == message_type::audio || type == message_type::video || type == message_type::aggregate || type == message_type::data_amf0 ||
         type == message_type::data_amf3;
}

base::error unread_replies(const base::rtmp_limits& limits) {
  return {base::error_kind::limit, "replies that the peer does not read exceed " + std::to_string(limits.reply_queue_bytes) + " bytes"};
}

std::string milliseconds(std::chrono::milliseconds value) { return std::to_string(value.count()) + " ms"; }

}  // namespace

server_session::impl::impl(const server_config& config, base::instant now, random_seed seed)
    : framing_(make_framing(config, now, seed)),
      config_(config),
      started_(now),
      now_(now),
      tokens_(config.limits->command_burst),
      tokens_at_(now),
      unused_since_(now) {}

void server_session::impl::receive(base::instant now, base::bytes_view bytes) {
  if (phase_ == phase::closed) return;
  now_ = now;
  framing_->begin_receive(now, bytes.size());
  take_messages(bytes);
}

void server_session::impl::receive_stream(base::instant now, std::int64_t stream, base::bytes_view bytes, bool fin) {
  if (phase_ == phase::closed) return;
  now_ = now;
  framing_->begin_receive(now, bytes.size());
  if (auto ok = framing_->receive_stream(now, stream, bytes, fin); !ok) return fail(std::move(ok).error());
  take_messages({});
}

void server_session::impl::on_stream_reset(base::instant now, std::int64_t stream) {
  if (phase_ == phase::closed) return;
  now_ = now;
  framing_->on_stream_reset(now, stream);
  take_messages({});
}

void server_session::impl::take_messages(base::bytes_view bytes) {
  while (phase_ != phase::closed) {
    auto m = framing_->next(now_, bytes);
    if (!m) return fail(std::move(m).error());
    if (!*m) break;
    on_message(std::move(**m));
    if (phase_ != phase::closed && framing_->reply_bytes() > config_.limits->reply_queue_bytes) {
      return fail(unread_replies(*config_.limits));
    }
  }
  if (phase_ != phase::closed) framing_->acknowledge();
}

void server_session::impl::on_message(message&& m) {
  if (m.type == message_type::user_control || m.type == message_type::set_peer_bandwidth) {
    charge();  // pings and bandwidths are answered by the framing; nothing else here concerns a server
    return;
  }
  const bool media = is_media(m.type);
  if (m.type == message_type::shared_object_amf0 || m.type == message_type::shared_object_amf3) {
    return notice("shared object", "shared object messages are ignored");
  }
  if (!media && !is_command(m.type)) return;  // unknown types are no concern of a live server
  if (!media && !charge()) return;
  const auto* s = media ? find(m.msid) : nullptr;
  if (request_pending_ && !(s && s->used == use::publishing)) return hold(std::move(m), media);
  if (media) return on_media(std::move(m));
  on_command(m);
}

// One command's worth of the rate limit; closes the session when nothing is left.
bool server_session::impl::charge() {
  const auto passed = std::chrono::duration<double>(now_ - tokens_at_).count();
  tokens_ = std::min(config_.limits->command_burst, tokens_ + passed * config_.limits->commands_per_second);
  tokens_at_ = now_;
  if (tokens_ >= 1) {
    tokens_ -= 1;
    return true;
  }
  fail({base::error_kind::limit, "too many commands"});
  return false;
}

void server_session::impl::hold(message&& m, bool media) {
  if (held_bytes_ + m.payload.size() > config_.limits->partial_bytes_unauthorised || held_.size() >= held_messages_max) {
    if (!media) return fail({base::error_kind::limit, "too many commands while an earlier one is being decided"});
    ++media_dropped_;
    return;
  }
  held_bytes_ += m.payload.size();
  held_.push_back(std::move(m));
}

// The request was answered: what waited behind it goes on, up to the next request.
void server_session::impl::drain_held() {
  if (draining_) return;  // an answer may come while we are here
  draining_ = true;
  while (!request_pending_ && phase_ != phase::closed && !held_.empty()) {
    auto m = std::move(held_.front());
    held_.pop_front();
    held_bytes_ -= m.payload.size();
    if (is_media(m.type)) {
      on_media(std::move(m));
    } else {
      on_command(m);
    }
  }
  draining_ = false;
}

// Says something odd once, however often it happens.
void server_session::impl::notice(std::string_view kind, std::string text) {
  if (std::find(noticed_.begin(), noticed_.end(), kind) != noticed_.end()) return;
  noticed_.emplace_back(kind);
  events_.push_back(noticed{std::move(text)});
}

bool server_session::impl::in_use() const {
  return std::any_of(streams_.begin(), streams_.end(), [](const auto& s) { return s.second.used != use::idle; });
}

// From now on the idle rule counts, unless something is still in use.
void server_session::impl::mark_unused() {
  unused_since_ = now_;
  refused_at_.reset();
}

std::optional<base::instant> server_session::impl::idle_deadline() const {
  if (phase_ != phase::connected || in_use() || framing_->waiting_behind_media() > 0) return std::nullopt;
  const auto unused = unused_since_ + config_.limits->idle_connection;
  return refused_at_ ? std::min(unused, *refused_at_ + config_.limits->failed_grace) : unused;
}

void server_session::impl::on_groups_flushed(base::instant now) {
  const auto waited = framing_->waiting_behind_media();
  framing_->on_groups_flushed();
  end_has_left(waited, now);
}

// `waited` messages stood behind media. The end of a play or publication is over when it is on its way, however much went ahead of it.
void server_session::impl::end_has_left(std::size_t waited, base::instant now) {
  if (waited == 0 || framing_->waiting_behind_media() > 0) return;
  unused_since_ = now;
  if (refused_at_) refused_at_ = now;
}

void server_session::impl::excuse_silence(base::instant now) {
  if (phase_ == phase::closed) return;
  framing_->excuse_silence(now);
  for (auto& [msid, s] : streams_) s.last_media = now;
}

void server_session::impl::on_timer(base::instant now) {
  if (phase_ == phase::closed) return;
  now_ = now;
  const auto& limits = *config_.limits;
  if (phase_ != phase::connected) {
    if (now >= started_ + limits.connect_deadline) {
      fail({base::error_kind::timeout, std::string(phase_ == phase::handshaking && !framing_->ready() ? "no handshake" : "no connect") +
                                           " within " + milliseconds(limits.connect_deadline)});
    }
    return;
  }
  const auto waited = framing_->waiting_behind_media();
  if (!framing_->on_timer(now)) return fail({base::error_kind::timeout, "ping timeout"}, false);
  end_has_left(waited, now);
  take_messages({});  // a receiver of groups waits no longer for what is missing
  if (phase_ == phase::closed) return;
  bool silent = false;
  for (auto& [msid, s] : streams_) {
    if (s.used != use::publishing || now < s.last_media + limits.publisher_silence) continue;
    silent = true;
    const auto text = "nothing was published for " + milliseconds(limits.publisher_silence);
    write_status(msid, "status", "NetStream.Publish.Idle", text);
    end_use(msid, s);
  }
  // An encoder that hangs does not know that its name is gone, so it loses the connection too, unless others depend on it.
  if (silent && !in_use()) return fail({base::error_kind::timeout, "publisher silent for " + milliseconds(limits.publisher_silence)});
  if (const auto deadline = idle_deadline(); deadline && now >= *deadline) {
    const bool long_enough = now >= unused_since_ + limits.idle_connection;
    fail({base::error_kind::timeout, long_enough ? "neither publishing nor playing for " + milliseconds(limits.idle_connection)
                                                 : "nothing was tried after a refusal"});
  }
}

std::optional<base::instant> server_session::impl::poll_timeout() const {
  if (phase_ == phase::closed) return std::nullopt;
  if (phase_ != phase::connected) return started_ + config_.limits->connect_deadline;
  std::optional<base::instant> first = framing_->poll_timeout();
  const auto earlier = [&first](std::optional<base::instant> at) {
    if (at && (!first || *at < *first)) first = at;
  };
  earlier(idle_deadline());
  for (const auto& [msid, s] : streams_) {
    if (s.used == use::publishing) earlier(s.last_media + config_.limits->publisher_silence);
  }
  return first;
}

void server_session::impl::fail(base::error why, bool tell) {
  if (phase_ == phase::closed) return;
  for (auto& [msid, s] : streams_) {
    if (s.used == use::publish_pending || s.used == use::publishing) events_.push_back(publish_ended{msid});
    if (s.used == use::play_pending || s.used == use::playing) events_.push_back(play_ended{msid});
    s.used = use::idle;
  }
  if (tell && phase_ == phase::connected) {
    write_status(0, why.kind == base::error_kind::closed ? "status" : "error", "NetConnection.Connect.Closed", why.text);
  }
  phase_ = phase::closed;
  held_.clear();
  held_bytes_ = 0;
  early_.clear();
  early_bytes_ = 0;
  events_.push_back(closed{std::move(why)});
}

void server_session::impl::write_status(std::uint32_t msid, std::string_view level, std::string_view code, std::string_view description) {
  framing_->write(make_on_status(msid, {std::string(level), std::string(code), std::string(description)}));
}

void server_session::impl::take_output(base::send_chain& into) {
  const auto replies = framing_->reply_bytes();
  const auto before = into.size();
  framing_->take_output(into);
  unsent_.handed_over(into.size() - before, replies);
}

void server_session::impl::on_unsent(std::size_t bytes) {
  if (unsent_.waiting(bytes) <= config_.limits->reply_queue_bytes) return;
  fail(unread_replies(*config_.limits), false);  // it would not read that either
}

// ---- the public face --------------------------------------------------------------------------------------------

server_session::server_session(const server_config& config, base::instant now, random_seed seed)
    : impl_(std::make_unique<impl>(config, now, seed)) {}
server_session::~server_session() = default;
server_session::server_session(server_session&&) noexcept = default;
server_session& server_session::operator=(server_session&&) noexcept = default;

bool server_session::is_closed() const { return impl_->phase_ == impl::phase::closed; }
bool server_session::connected() const { return impl_->phase_ == impl::phase::connected; }
const peer_capabilities& server_session::peer() const { return impl_->peer_; }
const extension& server_session::peer_extension() const { return impl_->extension_; }
std::uint64_t server_session::bytes_received() const { return impl_->framing_->bytes_received(); }
wire_format server_session::media_format() const { return impl_->framing_->media_format(); }
std::uint64_t server_session::media_dropped() const { return impl_->media_dropped_; }

void server_session::receive(base::instant now, base::bytes_view bytes) { impl_->receive(now, bytes); }
void server_session::receive_stream(base::instant now, std::int64_t stream, base::bytes_view bytes, bool fin) {
  impl_->receive_stream(now, stream, bytes, fin);
}
void server_session::on_stream_reset(base::instant now, std::int64_t stream) { impl_->on_stream_reset(now, stream); }
void server_session::set_round_trip(std::chrono::microseconds smoothed) { impl_->framing_->set_round_trip(smoothed); }
void server_session::on_groups_flushed(base::instant now) { impl_->on_groups_flushed(now); }
std::size_t server_session::waiting_behind_media() const { return impl_->framing_->waiting_behind_media(); }
void server_session::release_behind_media() { impl_->framing_->release_behind_media(); }
void server_session::excuse_silence(base::instant now) { impl_->excuse_silence(now); }
void server_session::on_timer(base::instant now) { impl_->on_timer(now); }
void server_session::on_unsent(std::size_t bytes) { impl_->on_unsent(bytes); }
void server_session::on_transport_closed(base::error why) { impl_->fail(std::move(why), false); }

void server_session::accept_connect() { impl_->accept_connect(); }
void server_session::reject_connect(status why, const std::string& redirect) { impl_->reject_connect(why, redirect); }
void server_session::accept_publish(std::uint32_t msid, const std::string& resume) { impl_->accept_publish(msid, resume); }
void server_session::reject_publish(std::uint32_t msid, status why) { impl_->reject(msid, impl::use::publish_pending, why); }
void server_session::accept_play(std::uint32_t msid) { impl_->accept_play(msid, false); }
void server_session::accept_play_recorded(std::uint32_t msid) { impl_->accept_play(msid, true); }
void server_session::finish_seek(std::uint32_t msid, base::result<std::int64_t> at_ms) { impl_->finish_seek(msid, at_ms); }
void server_session::complete_play(std::uint32_t msid) { impl_->complete_play(msid); }
void server_session::tell_length(double transaction, double seconds) { impl_->tell_length(transaction, seconds); }
void server_session::reject_play(std::uint32_t msid, status why) { impl_->reject(msid, impl::use::play_pending, why); }
void server_session::notify_unpublish(std::uint32_t msid) { impl_->notify(msid, false); }
void server_session::notify_publish(std::uint32_t msid) { impl_->notify(msid, true); }
void server_session::notify_play(std::uint32_t msid, status what) { impl_->notify_play(msid, what); }
void server_session::end_play(std::uint32_t msid, status why) { impl_->end_by_server(msid, impl::use::playing, why); }
void server_session::end_publish(std::uint32_t msid, status why) { impl_->end_by_server(msid, impl::use::publishing, why); }
bool server_session::request_reconnect(const std::string& tc_url, const std::string& description) {
  return impl_->request_reconnect(tc_url, description);
}
void server_session::send(base::instant now, std::uint32_t msid, const media::frame& frame, const base::shared_chain& wire) {
  impl_->send(now, msid, frame, wire);
}
void server_session::close(base::error why) { impl_->fail(std::move(why)); }

std::optional<server_event> server_session::poll_event() {
  if (auto frame = poll_frame()) return std::move(*frame);
  if (impl_->events_.empty()) return std::nullopt;
  auto event = std::move(impl_->events_.front());
  impl_->events_.pop_front();
  // Media keeps its room. What else happens does so now and then, and a player keeps nothing for it.
  if (impl_->events_.empty() && !std::holds_alternative<frame_received>(event)) impl_->events_.clear();
  return event;
}
std::optional<frame_received> server_session::poll_frame() {
  if (impl_->frames_.empty()) return std::nullopt;
  std::optional<frame_received> frame(std::move(impl_->frames_.front()));
  impl_->frames_.pop_front();
  return frame;
}
base::send_chain server_session::poll_output() {
  base::send_chain out;
  impl_->take_output(out);
  return out;
}
void server_session::take_output(base::send_chain& into) { impl_->take_output(into); }
group_sender* server_session::groups() const { return impl_->framing_->groups(); }

bool server_session::wants_pull() const { return impl_->framing_->wants_pull(); }
const group_receiver* server_session::group_reception() const { return impl_->framing_->group_reception(); }
std::optional<stream_stop> server_session::poll_stop() { return impl_->framing_->poll_stop(); }
std::optional<base::instant> server_session::poll_timeout() const { return impl_->poll_timeout(); }

}  // namespace millrace::rtmp
