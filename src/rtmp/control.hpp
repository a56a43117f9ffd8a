// Protocol control and user control messages (RTMP 1.0 sections 5.4 and 7.1.7).
#pragma once
#include <cstdint>

#include "base/result.hpp"
#include "rtmp/message.hpp"

namespace millrace::rtmp {

enum class user_event : std::uint16_t {
  stream_begin = 0,
  stream_eof = 1,
  stream_dry = 2,
  set_buffer_length = 3,
  stream_is_recorded = 4,
  ping_request = 6,
  ping_response = 7,
};

struct user_control {
  user_event event = user_event::stream_begin;
  std::uint32_t value = 0;   // message stream id, or the time of a ping
  std::uint32_t second = 0;  // milliseconds of set_buffer_length
  bool known = false;        // one of the events above; the others (SWF verification, buffer empty, …) are to be ignored
};

// The sender decides how much is in flight (section 5.4.5).
enum class bandwidth_limit : std::uint8_t { hard = 0, soft = 1, dynamic = 2 };

message make_control(message_type type, std::uint32_t value);
message make_set_peer_bandwidth(std::uint32_t bytes, bandwidth_limit limit);
message make_user_control(user_event event, std::uint32_t value);
message make_set_buffer_length(std::uint32_t msid, std::uint32_t ms);

// The 4-byte body of Acknowledgement, Window Acknowledgement Size and the front of Set Peer Bandwidth.
base::result<std::uint32_t> parse_control(const message& m);
// Error when the body is shorter than its event needs.
base::result<user_control> parse_user_control(const message& m);

}  // namespace millrace::rtmp
