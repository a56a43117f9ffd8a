// One RTMP message and the numbers of RTMP 1.0 sections 5.4, 6 and 7.
#pragma once
#include <cstdint>

#include "base/slice.hpp"

namespace millrace::rtmp {

enum class message_type : std::uint8_t {
  set_chunk_size = 1,
  abort = 2,
  acknowledgement = 3,
  user_control = 4,
  window_acknowledgement_size = 5,
  set_peer_bandwidth = 6,
  audio = 8,
  video = 9,
  data_amf3 = 15,
  shared_object_amf3 = 16,
  command_amf3 = 17,
  data_amf0 = 18,
  shared_object_amf0 = 19,
  command_amf0 = 20,
  aggregate = 22,
};

struct message {
  message_type type = message_type::command_amf0;
  std::uint32_t msid = 0;       // message stream id
  std::uint32_t csid = 3;       // chunk stream id
  std::uint32_t timestamp = 0;  // milliseconds, modulo 2^32
  base::slice payload;
};

}  // namespace millrace::rtmp
