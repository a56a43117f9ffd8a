// Frames of "RTMP over QUIC" (RoQR, draft-gregoire-rtmp-over-quic, "RoQR Frame Format"): one whole RTMP message each.
#pragma once
#include <array>
#include <cstdint>
#include <optional>

#include "base/limits.hpp"
#include "base/result.hpp"
#include "base/send_chain.hpp"
#include "base/slice_buffer.hpp"
#include "rtmp/message.hpp"

namespace millrace::rtmp {

// Codes of CONNECTION_CLOSE, RESET_STREAM and STOP_SENDING (the draft's "RoQR Error Codes Registry").
enum class roqr_error : std::uint64_t {
  no_error = 0x00,
  general_error = 0x01,
  internal_error = 0x02,
  frame_encoding_error = 0x03,
  stream_creation_error = 0x04,
  frame_cancelled = 0x05,
  unknown_flow_id = 0x06,
  expectation_unmet = 0x07,
};

// What the transport is to ask of a peer's stream: STOP_SENDING with this code.
struct stream_stop {
  std::int64_t stream = 0;
  roqr_error code = roqr_error::frame_cancelled;
};

// The session's own flow ("Protocol Operation").
inline constexpr std::uint64_t session_flow = 0;

struct roqr_frame {
  std::uint64_t flow = session_flow;
  rtmp::message message;
};

// The frame of `m`: a header and the payload, which is shared, not copied. `head`, not longer than the payload, is sent in the place of its
// first bytes (media::frame::head). Empty for a message without payload: this framing cannot carry it.
base::send_chain encode_roqr(std::uint64_t flow, const message& m, const base::slice& head = {});

// The bytes of one QUIC stream to frames. A message type that nobody knows is passed on like any other ("RTMP Message Type Handling").
// Memory follows the bytes received, whatever length a header announces.
class roqr_reader {
 public:
  explicit roqr_reader(const base::shared_limits& limits) : limits_(limits) {}

  // No frame is half read: a stream that ends here ends in order.
  [[nodiscard]] bool between_frames() const noexcept { return header_have_ == 0; }
  // Bytes of the frame that is being read.
  [[nodiscard]] std::size_t partial_bytes() const noexcept { return header_have_ + payload_.size(); }
  // The flow of the frame that is being read, once its header is there.
  [[nodiscard]] std::optional<std::uint64_t> flow() const noexcept;

  // Reads from the front of `bytes`, which is advanced, up to the end of the first frame that becomes whole. Nothing means that all
  // bytes are used up and more are needed. An error is final: the stream has lost its synchronisation.
  base::result<std::optional<roqr_frame>> next(base::bytes_view& bytes);

 private:
  base::result<bool> read_header(base::bytes_view& bytes);
  [[nodiscard]] std::size_t message_limit() const;

  base::shared_limits limits_;
  std::optional<base::error> failed_;
  // Five integers of at most 8 bytes, and the type.
  std::array<std::uint8_t, 41> header_{};
  std::size_t header_have_ = 0;
  bool header_whole_ = false;
  roqr_frame frame_;
  std::size_t length_ = 0;
  base::slice_buffer payload_;
};

}  // namespace millrace::rtmp
