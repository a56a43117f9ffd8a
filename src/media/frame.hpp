// The value that crosses the seam between protocols and the hub: one RTMP media or data message.
#pragma once
#include <cstdint>

#include "base/slice.hpp"
#include "base/time.hpp"

namespace millrace::media {

// The numbers are the RTMP message types and the FLV tag types (RTMP 1.0 section 7.1, FLV 10.1 annex E.4.1).
enum class frame_kind : std::uint8_t { audio = 8, video = 9, data = 18 };

struct frame {
  frame_kind kind = frame_kind::data;
  // Decoding can start here: a video key frame. Never set on configuration, audio or data.
  bool key = false;
  // A codec configuration record (sequence start, multichannel configuration, HDR metadata): kept for late viewers.
  bool config = false;
  // Nothing refers to it: may be dropped alone.
  bool disposable = false;
  // Decoding time in milliseconds, widened from RTMP's 32 bits; monotonic per stream but for B-frame-free
  // senders' own jitter. The wire carries it modulo 2^32.
  std::int64_t dts_ms = 0;
  // The message body exactly as the publisher sent it (FLV tag body); "@setDataFrame" already stripped.
  base::slice payload;
  // When not empty: stands in the place of the first head.size() bytes of `payload`, which is how a message is sent with another
  // composition time and no copy of the rest. Only frames that the hub hands out have one; it is not longer than the payload.
  base::slice head;
  // When the last byte of it reached this process: what queue ages are measured from.
  base::instant arrival{};
};

}  // namespace millrace::media
