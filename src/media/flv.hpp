// FLV files and pipes: header and tags (FLV 10.1 annex E). Also the body of HTTP-FLV.
#pragma once
#include <array>
#include <deque>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/send_chain.hpp"
#include "media/frame.hpp"

namespace millrace::media::flv {

// The 9-byte file header and PreviousTagSize0.
base::slice encode_header(bool has_audio, bool has_video);
// One tag with its trailing PreviousTagSize; the payload is shared, not copied. The time is dts_ms modulo 2^32.
// Empty for a payload past the 24-bit length field, which no RTMP message can carry either.
base::send_chain encode_tag(const frame& f);

// Pull-parser for a byte stream of any splitting. Memory follows bytes received: a tag's buffer grows as its
// bytes come, whatever length it announces. Unknown tag types are skipped; encrypted tags (filter bit) are an error.
// Each byte is copied once, into the buffer that becomes the frame's payload: linear in the bytes received.
class reader {
 public:
  // Of each body so many bytes are kept, the rest is read over: for who looks at beginnings only.
  explicit reader(std::size_t kept = std::numeric_limits<std::size_t>::max()) : kept_(kept) {}
  // An error is final: the stream is no FLV or broke off its own rules. Frames before it can still be polled.
  base::result<void> receive(base::instant now, base::bytes_view bytes);
  // Frames in file order, classified (key, config), dts widened across 2^32. A frame is there as soon as its last
  // byte is: it does not wait for the PreviousTagSize behind it.
  std::optional<frame> poll_frame();
  [[nodiscard]] bool header_seen() const noexcept { return step_ != step::file_header; }

 private:
  enum class step : unsigned char { file_header, file_header_rest, tag_header, body, skipped_body, tag_trailer };
  static constexpr std::size_t file_header_bytes = 9, tag_header_bytes = 11, trailer_bytes = 4;

  // Moves up to `wanted - fixed_used_` bytes from `bytes` to `fixed_`; true once `wanted` are there.
  bool gather(base::bytes_view& bytes, std::size_t wanted);
  base::result<void> on_file_header();
  base::result<void> on_tag_header();
  base::result<void> on_trailer();
  void on_body(base::instant now);
  base::result<void> fail(std::string text);

  const std::size_t kept_;
  step step_ = step::file_header;
  std::array<std::uint8_t, tag_header_bytes> fixed_{};  // the fixed-size part being gathered
  std::size_t fixed_used_ = 0;
  std::size_t left_ = 0;                // bytes of the body, or to be skipped, that are still to come
  std::size_t tag_bytes_ = 0;           // announced length of the current tag's body
  bool any_tag_ = false;
  frame_kind kind_ = frame_kind::data;
  std::uint32_t timestamp_ = 0;
  std::vector<std::uint8_t> body_;
  std::uint64_t offset_ = 0;            // bytes consumed, for error texts
  std::optional<base::error> failed_;
  std::int64_t last_dts_ms_ = 0;
  bool have_dts_ = false;
  std::deque<frame> frames_;
};

}  // namespace millrace::media::flv
