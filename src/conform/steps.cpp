#include "conform/steps.hpp"

#include <algorithm>
#include <utility>

namespace millrace::conform {

namespace asio = boost::asio;
using rtmp::message_type;

void send_beginning(const on_stream& from, std::uint32_t start_ms) {
  from.at->send_media(message_type::audio, from.msid, start_ms, aac_config());
  from.at->send_media(message_type::video, from.msid, start_ms, avc_config());
  from.at->send_media(message_type::video, from.msid, start_ms, avc_frame(true));
}

asio::awaitable<relay> relayed(context& c, std::uint32_t start_ms) {
  relay r;
  r.from = co_await c.publishing(c.name());
  send_beginning(r.from, start_ms);
  r.to = co_await c.playing(c.name());
  co_return r;
}

rtmp::message message_of(message_type type, std::uint32_t msid, std::uint32_t csid, std::uint32_t time, base::bytes_view payload) {
  rtmp::message m;
  m.type = type;
  m.msid = msid;
  m.csid = csid;
  m.timestamp = time;
  m.payload = base::slice::copy_of(payload);
  return m;
}

chunk whole_chunk(const rtmp::message& m, unsigned format) {
  chunk c;
  c.format = format;
  c.csid = m.csid;
  c.time = m.timestamp;
  c.length = static_cast<std::uint32_t>(m.payload.size());
  c.type = m.type;
  c.msid = m.msid;
  c.payload.assign(m.payload.view().begin(), m.payload.view().end());
  return c;
}

std::vector<bytes> split_chunks(const rtmp::message& m, unsigned format, std::uint32_t time, std::uint32_t chunk_size) {
  std::vector<bytes> out;
  auto c = whole_chunk(m, format);
  c.time = time;
  const auto whole = std::exchange(c.payload, {});
  for (std::size_t at = 0; at == 0 || at < whole.size(); at += chunk_size) {
    const auto from = whole.begin() + static_cast<std::ptrdiff_t>(at);
    c.payload.assign(from, from + static_cast<std::ptrdiff_t>(std::min<std::size_t>(chunk_size, whole.size() - at)));
    out.push_back(encode(c));
    c.format = 3;
    if (time >= 0xFFFFFF) c.extended_time = time;
  }
  return out;
}

asio::awaitable<std::vector<arrived>> arrivals(peer_ptr at, std::vector<bytes> payloads) {
  std::vector<arrived> out(payloads.size());
  std::vector<bool> there(payloads.size(), false);
  for (std::size_t place = 0; place < payloads.size(); ++place) {
    std::size_t which = 0;
    peer::wanted is = [&](const rtmp::message& m) {
      if (m.type != message_type::audio && m.type != message_type::video && m.type != message_type::data_amf0) return false;
      for (which = 0; which < payloads.size(); ++which) {
        const auto view = m.payload.view();
        if (!there[which] && std::equal(view.begin(), view.end(), payloads[which].begin(), payloads[which].end())) return true;
      }
      return false;
    };
    const auto missing = static_cast<std::size_t>(std::find(there.begin(), there.end(), false) - there.begin());
    auto m = co_await at->wait(std::move(is), "message " + std::to_string(missing + 1) + " of " + std::to_string(payloads.size()) + ", " +
                                                  std::to_string(payloads[missing].size()) + " bytes unchanged (" + std::to_string(place) +
                                                  " came)");
    there[which] = true;
    out[which] = {std::move(m), place};
  }
  co_return out;
}

void check_distances(const std::vector<arrived>& got, const std::vector<std::uint32_t>& sent) {
  for (std::size_t i = 0; i < got.size(); ++i) {
    const auto distance = static_cast<std::int32_t>(got[i].message.timestamp - got[0].message.timestamp);
    const auto expected = static_cast<std::int32_t>(sent[i] - sent[0]);
    check(distance == expected, "message " + std::to_string(i + 1) + " of " + std::to_string(got.size()) + " came with a time " +
                                    std::to_string(distance) + " ms from the first, sent were " + std::to_string(expected));
  }
}

std::optional<rtmp::command> command_in(const rtmp::message& m) {
  if (m.type != message_type::command_amf0 && m.type != message_type::command_amf3) return std::nullopt;
  auto c = rtmp::parse_command(m, {});
  return c ? std::optional(std::move(*c)) : std::nullopt;
}

std::optional<rtmp::user_control> event_in(const rtmp::message& m) {
  if (m.type != message_type::user_control) return std::nullopt;
  const auto c = rtmp::parse_user_control(m);
  return c ? std::optional(*c) : std::nullopt;
}

std::optional<std::uint32_t> control_in(const rtmp::message& m, message_type type) {
  if (m.type != type) return std::nullopt;
  const auto value = rtmp::parse_control(m);
  return value ? std::optional(*value) : std::nullopt;
}

std::optional<std::vector<rtmp::amf0::value>> data_in(const rtmp::message& m) {
  if (m.type != message_type::data_amf0 && m.type != message_type::data_amf3) return std::nullopt;
  const auto body = rtmp::amf0_body(m);
  if (!body) return std::nullopt;
  auto values = rtmp::amf0::decode_all(*body, {}, true);
  return values ? std::optional(std::move(*values)) : std::nullopt;
}

asio::awaitable<void> ping(peer_ptr at, std::uint32_t value) {
  at->send(rtmp::make_user_control(rtmp::user_event::ping_request, value));
  peer::wanted is = [value](const rtmp::message& m) {
    const auto c = event_in(m);
    return c && c->event == rtmp::user_event::ping_response && c->value == value;
  };
  co_await at->wait(std::move(is), "PingResponse " + std::to_string(value));
}

asio::awaitable<bool> lives(peer_ptr at) {
  try {
    co_await ping(at, 0x50494E47);
  } catch (const failure&) {
    if (!at->closed()) throw;
    co_return false;
  }
  co_return true;
}

}  // namespace millrace::conform
