#include "rtmp/roqr_framing.hpp"

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <utility>

#include "rtmp/control.hpp"

namespace millrace::rtmp {
namespace {

constexpr std::int64_t control_stream = 0;

constexpr std::chrono::milliseconds hold_min{600}, hold_margin{200};
// Where nothing is ever skipped, what is not complete after so long never will be.
constexpr std::chrono::seconds reliable_wait_max{60};

bool is_unidirectional(std::int64_t stream) { return (stream & 2) != 0; }  // RFC 9000 section 2.1

bool is_command(message_type type) { return type == message_type::command_amf0 || type == message_type::command_amf3; }

// Of no concern: what tells a chunk reader, or a byte counter, how to go on.
bool concerns_session(const message& m) {
  switch (m.type) {
    case message_type::set_chunk_size:
    case message_type::abort:
    case message_type::acknowledgement:
    case message_type::window_acknowledgement_size:
    case message_type::set_peer_bandwidth: return false;
    default: return true;
  }
}

}  // namespace

roqr_framing::roqr_framing(const base::shared_limits& limits, std::size_t partial_limit, base::instant now)
    : limits_(limits), partial_limit_(partial_limit), control_(limits), last_now_(now), liveness_(now) {}

void roqr_framing::begin_receive(base::instant now, std::size_t count) {
  if (count == 0) return;
  bytes_received_ += count;
  last_now_ = now;
  liveness_.on_received(now);
}

// Groups hold no more either, before their peer may publish.
void roqr_framing::set_partial_limit(std::size_t bytes) {
  partial_limit_ = bytes;
  if (!receiving_) return;
  receiving_->bytes_max = std::min(group_receiver_config{}.bytes_max, bytes);
  if (receiver_) receiver_->set_bytes_max(receiving_->bytes_max);
}

std::size_t roqr_framing::partial_bytes() const {
  std::size_t sum = control_.partial_bytes();
  for (const auto& [id, reader] : streams_) sum += reader.partial_bytes();
  return sum;
}

bool roqr_framing::grouped(std::int64_t stream) const { return receiving_ && is_unidirectional(stream); }

// Most viewers never send anything that needs one.
group_receiver& roqr_framing::receiver() {
  if (!receiver_) receiver_ = std::make_unique<group_receiver>(*receiving_);
  return *receiver_;
}

base::result<void> roqr_framing::receive_stream(base::instant now, std::int64_t stream, base::bytes_view bytes, bool fin) {
  if (!decided_) return receive_undecided(stream, bytes, fin);
  if (grouped(stream)) return receiver().receive(now, stream, bytes, fin);
  return receive_plain(stream, bytes, fin);
}

// Media may overtake the dialogue that it belongs to; how to read it is known when that has come.
base::result<void> roqr_framing::receive_undecided(std::int64_t stream, base::bytes_view bytes, bool fin) {
  if (refused_.contains(stream)) {
    if (fin) refused_.erase(stream);
    return {};
  }
  if (undecided_bytes_ + bytes.size() > limits_->early_bytes || undecided_.size() >= limits_->early_messages) {
    if (const auto found = undecided_.find(stream); found != undecided_.end()) {
      undecided_bytes_ -= found->second.bytes.size();
      undecided_.erase(found);
    }
    if (!fin) refused_.insert(stream);
    stops_.push_back({stream, roqr_error::unknown_flow_id});
    return {};
  }
  auto& to = undecided_[stream];
  undecided_bytes_ += bytes.size();
  to.bytes.insert(to.bytes.end(), bytes.begin(), bytes.end());
  to.fin = to.fin || fin;
  return {};
}

void roqr_framing::decide_groups(const std::optional<group_choice>& how) {
  if (std::exchange(decided_, true)) return;
  if (how) {
    group_limits sending;
    sending.expires = !how->reliable;
    sender_.emplace(sending);
    auto& receiving = receiving_.emplace();
    receiving.limits = limits_;
    receiving.hold = hold_min;  // until a round trip is known
    if (how->reliable) {
      receiving.hold.reset();
      receiving.age_max = reliable_wait_max;
    }
    receiving.first_stream = how->first_stream;
    set_partial_limit(partial_limit_);
  }
  for (auto& [stream, early] : std::exchange(undecided_, {})) {
    auto ok = receive_stream(last_now_, stream, early.bytes, early.fin);
    if (!ok && !failed_) failed_ = std::move(ok).error();
  }
  undecided_bytes_ = 0;
}

base::result<void> roqr_framing::receive_plain(std::int64_t stream, base::bytes_view bytes, bool fin) {
  if (refused_.contains(stream)) {
    if (fin) refused_.erase(stream);
    return {};
  }
  auto& reader = streams_.try_emplace(stream, limits_).first->second;
  const auto where = [stream] { return "QUIC stream " + std::to_string(stream); };
  while (!bytes.empty()) {
    auto frame = reader.next(bytes);
    if (!frame) return std::move(frame).error().within(where());
    if (!*frame) break;
    // A command wants an answer, and there is no way back on such a stream.
    if (is_unidirectional(stream) && is_command((*frame)->message.type)) {
      return base::error{base::error_kind::protocol, where() + ": a command on a unidirectional stream"};
    }
    whole_.push_back({stream, std::move((*frame)->message)});
  }
  if (fin) {
    const bool clean = reader.between_frames();
    streams_.erase(stream);
    if (!clean) return base::error{base::error_kind::protocol, where() + ": ends inside a frame"};
  }
  if (partial_bytes() > partial_limit_) {
    return base::error{base::error_kind::limit, where() + ": half-received messages of this connection exceed " + std::to_string(partial_limit_) +
                                                    " bytes"};
  }
  return {};
}

void roqr_framing::on_stream_reset(base::instant now, std::int64_t stream) {
  if (const auto found = undecided_.find(stream); found != undecided_.end()) {
    undecided_bytes_ -= found->second.bytes.size();
    undecided_.erase(found);
  }
  if (grouped(stream)) {
    auto ok = receiver().on_reset(now, stream);
    if (!ok && !failed_) failed_ = std::move(ok).error();
    return;
  }
  streams_.erase(stream);
  refused_.erase(stream);
}

base::result<std::optional<message>> roqr_framing::next(base::instant, base::bytes_view& bytes) {
  while (true) {
    if (failed_) return *failed_;
    std::optional<message> got = receiver_ ? receiver_->poll_message() : std::nullopt;
    overtaking_ = got.has_value() || !whole_.empty();
    if (got) {
      last_stream_ = control_stream;  // a group's own stream is the receiver's business
    } else if (!whole_.empty()) {
      last_stream_ = whole_.front().stream;
      got = std::move(whole_.front().m);
      whole_.pop_front();
    } else {
      auto frame = control_.next(bytes);
      if (!frame) return std::move(frame).error();
      if (!*frame) {
        if (partial_bytes() > partial_limit_) {
          return base::error{base::error_kind::limit, "half-received messages of this connection exceed " + std::to_string(partial_limit_) + " bytes"};
        }
        return std::optional<message>{};
      }
      last_stream_ = control_stream;
      got = std::move((*frame)->message);
    }
    if (!concerns_session(*got)) continue;
    if (got->type == message_type::user_control) {
      const auto event = parse_user_control(*got);
      if (!event) return event.error();
      if (event->known && event->event == user_event::ping_request) write(make_user_control(user_event::ping_response, event->value));
    }
    return got;
  }
}

void roqr_framing::refuse_flow() {
  if (last_stream_ == control_stream || refused_.contains(last_stream_)) return;
  if (streams_.erase(last_stream_) != 0) refused_.insert(last_stream_);  // else it has ended already
  whole_.erase_if([this](const whole& each) { return each.stream == last_stream_; });
  stops_.push_back({last_stream_, roqr_error::unknown_flow_id});
}

bool roqr_framing::on_timer(base::instant now) {
  last_now_ = now;
  if (sender_) {
    sender_->on_timer(now);
    on_groups_flushed();  // perhaps the last of them was given up just now
  }
  if (receiver_) {
    auto ok = receiver_->on_timer(now);
    if (!ok && !failed_) failed_ = std::move(ok).error();
  }
  if (const auto ping = liveness_.ping_due(now)) write(make_user_control(user_event::ping_request, *ping));
  return !liveness_.dead(now);
}

std::optional<base::instant> roqr_framing::poll_timeout() const {
  auto first = liveness_.poll_timeout();
  for (const auto& other : {sender_ ? sender_->poll_timeout() : std::nullopt, receiver_ ? receiver_->poll_timeout() : std::nullopt}) {
    if (other && (!first || *other < *first)) first = other;
  }
  return first;
}

void roqr_framing::write(const message& m) {
  if (!concerns_session(m)) return;
  auto encoded = encode_roqr(session_flow, m);
  reply_bytes_ += encoded.size();
  out_.append(std::move(encoded));
}

void roqr_framing::write_media(base::instant now, std::uint32_t msid, const media::frame& frame, base::instant made,
                               const base::shared_chain& wire) {
  const bool fits = wire && msid == wire_msid;
  if (sender_) {
    sender_->push(now, msid, frame, made, fits ? wire : std::make_shared<const base::send_chain>(encode_wire(frame, msid, wire_format::roqr_group)));
  } else if (fits) {
    out_.append(*wire);
  } else {
    out_.append(encode_wire(frame, msid, wire_format::roqr));
  }
}

// The groups that are open end here, so that there is an end to wait for; the configurations stay in effect.
void roqr_framing::write_behind_media(std::uint32_t msid, const message& m) {
  if (!sender_) return write(m);
  sender_->close_groups(msid);
  if (behind_.empty() && sender_->idle()) return write(m);
  behind_.push_back(m);
}

void roqr_framing::begin_publication(std::uint32_t msid) {
  if (receiver_) receiver_->forget(msid);
}

// Live profile, "Receiver".
void roqr_framing::set_round_trip(std::chrono::microseconds smoothed) {
  const auto hold = std::max(hold_min, std::chrono::duration_cast<std::chrono::milliseconds>(2 * smoothed) + hold_margin);
  if (receiving_ && receiving_->hold) receiving_->hold = hold;
  if (receiver_) receiver_->set_hold(hold);
}

void roqr_framing::on_groups_flushed() {
  if (sender_ && sender_->idle()) release_behind_media();
}

void roqr_framing::release_behind_media() {
  for (const auto& m : std::exchange(behind_, {})) write(m);
}

void roqr_framing::take_output(base::send_chain& into) {
  reply_bytes_ = 0;
  into.append(std::move(out_));
}

std::optional<stream_stop> roqr_framing::poll_stop() {
  if (receiver_) {
    if (const auto stop = receiver_->poll_stop()) return stream_stop{stop->stream, stop->code};
  }
  if (stops_.empty()) return std::nullopt;
  const auto stop = stops_.front();
  stops_.pop_front();
  return stop;
}

}  // namespace millrace::rtmp
