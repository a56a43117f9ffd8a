// One RTMP chunk with every field under the hand of a script, so that it can also be wrong (RTMP 1.0 section 5.3.1).
#pragma once
#include <cstdint>
#include <optional>
#include <vector>

#include "base/slice.hpp"
#include "rtmp/message.hpp"

namespace millrace::conform {

using bytes = std::vector<std::uint8_t>;

struct chunk {
  unsigned format = 0;         // 0 to 3
  std::uint32_t csid = 3;      // 2 to 65599
  int basic_header_bytes = 0;  // 1, 2 or 3; 0: the shortest form that holds csid
  // Format 0: absolute; 1 and 2: delta. Above 0xFFFFFE the extended field follows.
  std::uint32_t time = 0;
  std::uint32_t length = 0;  // of the message
  rtmp::message_type type = rtmp::message_type::command_amf0;
  std::uint32_t msid = 0;
  // Format 3: written behind the basic header. The other formats write `time` there by themselves when it needs it.
  std::optional<std::uint32_t> extended_time;
  bytes payload;
};

bytes encode(const chunk& c);

// The first chunk of `m` by the given format, with what fits into `chunk_size`, and format 3 chunks for the rest.
bytes encode_as(const rtmp::message& m, unsigned format, std::uint32_t time, std::uint32_t chunk_size = 128);

inline void append(bytes& to, base::bytes_view more) { to.insert(to.end(), more.begin(), more.end()); }

}  // namespace millrace::conform
