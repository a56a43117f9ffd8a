// MP4 as frames of a stream: what the muxer does, the other way round.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>

#include "base/result.hpp"
#include "media/frame.hpp"

namespace millrace::mux {

// Fills the bytes from their begin and says how many there are; 0: the end.
using read_callback = std::function<std::size_t(std::span<std::uint8_t>)>;

// The first track of each kind that RTMP can carry, as messages that a publisher would send: H.264, AAC and MP3 with the headers of FLV 10.1
// (annex E.4.2 and E.4.3), HEVC, AV1, Opus, FLAC and AC-3 with those of E-RTMP v2. Blocks for the callback; not thread-safe.
class demuxer {
 public:
  // Reads up to the first media. Errors: input for what is no MP4, unsupported if no track can go on.
  static base::result<std::unique_ptr<demuxer>> open(read_callback read);
  ~demuxer();
  demuxer(const demuxer&) = delete;
  demuxer& operator=(const demuxer&) = delete;

  // The next frame: first the configurations, with the time of the first frame, then all in the order of decoding times, which are the
  // container's in milliseconds. Nothing: the end, also where a file breaks off. An error is final.
  base::result<std::optional<media::frame>> next();

 private:
  struct state;
  explicit demuxer(std::unique_ptr<state> s);
  std::unique_ptr<state> state_;
};

}  // namespace millrace::mux
