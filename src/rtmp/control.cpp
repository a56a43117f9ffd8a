#include "rtmp/control.hpp"

#include <string>

#include "base/bytes.hpp"
#include "rtmp/chunk_writer.hpp"

namespace millrace::rtmp {
namespace {

message control_message(message_type type, base::byte_writer body) {
  message m;
  m.type = type;
  m.csid = chunk_streams::control;
  m.payload = std::move(body).take_slice();
  return m;
}

}  // namespace

message make_control(message_type type, std::uint32_t value) {
  base::byte_writer body;
  body.u32(value);
  return control_message(type, std::move(body));
}

message make_set_peer_bandwidth(std::uint32_t bytes, bandwidth_limit limit) {
  base::byte_writer body;
  body.u32(bytes).u8(static_cast<std::uint8_t>(limit));
  return control_message(message_type::set_peer_bandwidth, std::move(body));
}

message make_user_control(user_event event, std::uint32_t value) {
  base::byte_writer body;
  body.u16(static_cast<std::uint16_t>(event)).u32(value);
  return control_message(message_type::user_control, std::move(body));
}

message make_set_buffer_length(std::uint32_t msid, std::uint32_t ms) {
  base::byte_writer body;
  body.u16(static_cast<std::uint16_t>(user_event::set_buffer_length)).u32(msid).u32(ms);
  return control_message(message_type::user_control, std::move(body));
}

base::result<std::uint32_t> parse_control(const message& m) {
  base::byte_reader from(m.payload);
  if (auto value = from.u32()) return *value;
  return base::error{base::error_kind::protocol, "control message of type " + std::to_string(static_cast<unsigned>(m.type)) + " with " +
                                                     std::to_string(m.payload.size()) + " bytes"};
}

base::result<user_control> parse_user_control(const message& m) {
  base::byte_reader from(m.payload);
  const auto event = from.u16();
  if (!event) return base::error{base::error_kind::protocol, "user control message with " + std::to_string(m.payload.size()) + " bytes"};
  user_control c;
  c.event = static_cast<user_event>(*event);
  switch (c.event) {
    case user_event::stream_begin:
    case user_event::stream_eof:
    case user_event::stream_dry:
    case user_event::set_buffer_length:
    case user_event::stream_is_recorded:
    case user_event::ping_request:
    case user_event::ping_response: break;
    default: return c;
  }
  c.known = true;
  const auto value = from.u32();
  const auto second = c.event == user_event::set_buffer_length ? from.u32() : std::optional<std::uint32_t>(0);
  if (!value || !second) {
    return base::error{base::error_kind::protocol,
                       "user control event " + std::to_string(*event) + " with " + std::to_string(m.payload.size()) + " bytes"};
  }
  c.value = *value;
  c.second = *second;
  return c;
}

}  // namespace millrace::rtmp
