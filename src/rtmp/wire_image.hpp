// The encoded form of a frame that every player shares.
#pragma once
#include "base/send_chain.hpp"
#include "media/frame.hpp"

namespace millrace::rtmp {

// Chunk size that our server and client announce for what they send. Almost every frame fits in one chunk: one
// header slice and one payload slice. Within what old players accept (SRS and librtmp use 60000 as well).
inline constexpr std::uint32_t wire_chunk_size = 60'000;
// First message stream id that our server hands out, which nearly every player therefore uses.
inline constexpr std::uint32_t wire_msid = 1;

enum class wire_format : unsigned char {
  chunks,      // RTMP 1.0 section 5.3: format 0 (absolute timestamp), then format 3, extended timestamp repeated in each
  roqr,        // a RoQR frame on the session's own flow
  roqr_group,  // a RoQR frame on the flow of its message stream and kind (live profile)
};

// `f` for message stream `msid`. Because no state of the connection enters, one image serves all viewers with the same format and msid, and
// images may be sent in any order and dropped whole. The chunk stream id follows from the kind alone.
// The payload is shared, not copied. An empty payload has no image but in chunks.
base::send_chain encode_wire(const media::frame& f, std::uint32_t msid = wire_msid, wire_format format = wire_format::chunks);

}  // namespace millrace::rtmp
