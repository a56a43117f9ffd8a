// FLV files and pipes: header and tags (FLV 10.1 annex E). Also the body of HTTP-FLV.
#pragma once
#include <deque>
#include <optional>
#include <vector>

#include "base/result.hpp"
#include "base/send_chain.hpp"
#include "media/frame.hpp"

namespace millrace::media::flv {

// The 9-byte file header and PreviousTagSize0.
base::slice encode_header(bool has_audio, bool has_video);
// One tag with its trailing PreviousTagSize; the payload is shared, not copied. The time is dts_ms modulo 2^32.
base::send_chain encode_tag(const frame& f);

// Pull-parser for a byte stream of any splitting. Memory follows bytes received: a tag's buffer grows as its
// bytes come, whatever length it announces. Unknown tag types are skipped; encrypted tags (filter bit) are an error.
class reader {
 public:
  // An error is final: the stream is no FLV or broke off its own rules.
  base::result<void> receive(base::instant now, base::bytes_view bytes);
  // Frames in file order, classified (key, config), dts widened across 2^32.
  std::optional<frame> poll_frame();
  [[nodiscard]] bool header_seen() const noexcept { return header_done_; }

 private:
  std::vector<std::uint8_t> pending_;
  std::size_t consumed_ = 0;
  bool header_done_ = false;
  std::int64_t last_dts_ms_ = 0;
  bool have_dts_ = false;
  std::deque<frame> frames_;
};

}  // namespace millrace::media::flv
