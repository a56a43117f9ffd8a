// What keeps a viewer from getting a codec that it said it cannot take (conformance E5).
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "media/frame.hpp"
#include "rtmp/capabilities.hpp"

namespace millrace::server {

// One per viewer. Only payload with a FourCC is judged: the codecs of RTMP 1.0 are nothing that a peer announces. A viewer that announced
// nothing gets everything.
class codec_gate {
 public:
  // The codec that this frame has and `peer` does not take, as "HEVC (hvc1)"; nothing when the frame may go out.
  std::optional<std::string> refuses(const rtmp::peer_capabilities& peer, const media::frame& f);

 private:
  std::array<std::uint32_t, 2> passed_{};  // the FourCC of audio and video that was found good last
};

}  // namespace millrace::server
