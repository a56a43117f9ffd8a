#include "rtmp/chunk_framing.hpp"

#include <algorithm>
#include <utility>

#include "rtmp/control.hpp"

namespace millrace::rtmp {

chunk_framing::chunk_framing(server_role, const base::shared_limits& limits, base::instant now, std::uint64_t seed)
    : handshake_(server_handshake(seed)),
      reader_(limits, limits->partial_bytes_unauthorised),
      liveness_(now) {}

// A client chose its server, so it grants the full partial limit at once. C0 and C1 are ready to go.
chunk_framing::chunk_framing(client_role role, const base::shared_limits& limits, base::instant now, std::uint64_t seed)
    : handshake_(client_handshake(seed, role.digest)),
      reader_(limits, limits->partial_bytes),
      liveness_(now) {
  out_.push_back(base::slice(std::get<client_handshake>(handshake_).poll_output()));
}

// Both roles speak after the whole handshake only (section 5.2.1). S2 depends on nothing that the client sends after C1, so
// waiting for it costs a client nothing.
bool chunk_framing::ready() const {
  return std::visit([](const auto& h) { return h.done(); }, handshake_);
}

bool chunk_framing::digest_handshake() const {
  const auto* server = std::get_if<server_handshake>(&handshake_);
  return server && server->digest();
}

void chunk_framing::begin_receive(base::instant now, std::size_t count) {
  if (count == 0) return;
  bytes_received_ += count;
  liveness_.on_received(now);
}

base::result<std::optional<message>> chunk_framing::next(base::instant now, base::bytes_view& bytes) {
  if (!ready()) {
    auto used = std::visit([&](auto& h) { return h.receive(now, bytes); }, handshake_);
    out_.push_back(base::slice(std::visit([](auto& h) { return h.poll_output(); }, handshake_)));
    if (!used) return std::move(used).error().within("handshake");
    bytes = bytes.subspan(*used);
    if (!ready()) return std::optional<message>{};
  }
  while (true) {
    auto m = reader_.next(bytes);
    if (!m || !*m) return m;
    switch ((*m)->type) {
      case message_type::acknowledgement:
      case message_type::window_acknowledgement_size: {
        if (auto ok = on_control(**m); !ok) return ok.error();
        continue;
      }
      case message_type::set_peer_bandwidth: {
        if (auto ok = on_control(**m); !ok) return ok.error();
        return m;  // it wants an answer, so it is charged as a command is
      }
      case message_type::user_control: {
        const auto event = parse_user_control(**m);
        if (!event) return event.error();
        if (event->known && event->event == user_event::ping_request) {
          answer_bandwidth();  // answers go in the order of their questions
          write(make_user_control(user_event::ping_response, event->value));
        }
        return m;
      }
      default: return m;
    }
  }
}

base::result<void> chunk_framing::on_control(const message& m) {
  const auto value = parse_control(m);
  if (!value) return value.error();
  switch (m.type) {
    case message_type::acknowledgement:
      // 32 bits of a count that goes on past 4 GiB; an older value changes nothing.
      if (const auto step = static_cast<std::int32_t>(*value - static_cast<std::uint32_t>(bytes_acknowledged_)); step > 0) {
        bytes_acknowledged_ += static_cast<std::uint32_t>(step);
      }
      break;
    case message_type::window_acknowledgement_size:
      if (*value != 0) peer_window_ = *value;
      break;
    case message_type::set_peer_bandwidth: {
      // Section 5.4.5. A missing limit type is read as hard.
      const auto type = m.payload.size() > 4 ? m.payload.view()[4] : std::uint8_t{0};
      auto window = *value;
      if (window == 0 || type > static_cast<std::uint8_t>(bandwidth_limit::dynamic)) break;
      if (type == static_cast<std::uint8_t>(bandwidth_limit::dynamic) && !peer_hard_limit_) break;
      if (type == static_cast<std::uint8_t>(bandwidth_limit::soft)) {
        const auto current = wished_window_.value_or(our_window_);
        window = std::min(window, current != 0 ? current : window);
      } else {
        peer_hard_limit_ = window;
      }
      wished_window_ = window;
      break;
    }
    default: break;
  }
  return {};
}

void chunk_framing::answer_bandwidth() {
  if (!ready()) return;
  if (const auto wished = std::exchange(wished_window_, std::nullopt); wished && *wished != our_window_) set_window(*wished);
}

// Once for each batch of bytes: a peer that asks for tiny windows, or for another bandwidth again and again, gets one answer a batch and
// not more.
void chunk_framing::acknowledge() {
  if (!ready()) return;
  answer_bandwidth();
  if (bytes_received_ - acknowledged_to_peer_ < peer_window_) return;
  acknowledge_now();
}

void chunk_framing::skip_received(base::instant now, std::size_t count) {
  begin_receive(now, count);
  if (ready()) acknowledge_now();
}

void chunk_framing::acknowledge_now() {
  acknowledged_to_peer_ = bytes_received_;
  write(make_control(message_type::acknowledgement, static_cast<std::uint32_t>(bytes_received_)));
}

void chunk_framing::enable_pings(base::instant now, std::chrono::milliseconds after) { liveness_.enable(now, after); }

bool chunk_framing::on_timer(base::instant now) {
  if (const auto ping = liveness_.ping_due(now)) write(make_user_control(user_event::ping_request, *ping));
  return !liveness_.dead(now);
}

std::optional<base::instant> chunk_framing::poll_timeout() const { return liveness_.poll_timeout(); }

void chunk_framing::write(const message& m) {
  auto encoded = writer_.encode(m);
  reply_bytes_ += encoded.size();
  out_.append(std::move(encoded));
}

void chunk_framing::write_media(base::instant, std::uint32_t msid, const media::frame& frame, base::instant, const base::shared_chain& wire) {
  if (wire && msid == wire_msid) {
    out_.append(*wire);
  } else {
    out_.append(encode_wire(frame, msid));
  }
}

void chunk_framing::set_window(std::uint32_t bytes) {
  our_window_ = bytes;
  write(make_control(message_type::window_acknowledgement_size, bytes));
}

void chunk_framing::announce_chunk_size(std::uint32_t size) { out_.append(writer_.announce_chunk_size(size)); }

void chunk_framing::take_output(base::send_chain& into) {
  reply_bytes_ = 0;
  into.append(std::move(out_));
}

}  // namespace millrace::rtmp
