// The flows of a message stream in the live profile: 4m+1 audio, 4m+2 video, 4m+3 timed data. Flow 0 is the session's own.
#pragma once
#include <cstdint>

#include "media/frame.hpp"

namespace millrace::rtmp {

constexpr std::uint64_t flow_of(std::uint32_t msid, media::frame_kind kind) {
  const std::uint64_t part = kind == media::frame_kind::audio ? 1 : kind == media::frame_kind::video ? 2 : 3;
  return 4 * std::uint64_t{msid} + part;
}

}  // namespace millrace::rtmp
