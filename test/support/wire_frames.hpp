// Small frames to send through a server.
#pragma once
#include <cstdint>
#include <utility>
#include <vector>

#include "media/frame.hpp"

namespace millrace::test {

inline media::frame make_frame(media::frame_kind kind, std::int64_t dts_ms, std::vector<std::uint8_t> payload) {
  media::frame f;
  f.kind = kind;
  f.dts_ms = dts_ms;
  f.payload = base::slice(std::move(payload));
  return f;
}
inline media::frame video_config() { return make_frame(media::frame_kind::video, 0, {0x17, 0, 0, 0, 0, 1, 0x64, 0, 0x1f, 0xff, 0xe0, 0}); }
inline media::frame audio_config() { return make_frame(media::frame_kind::audio, 0, {0xaf, 0, 0x12, 0x10}); }
inline media::frame video(bool key, std::int64_t dts_ms, std::size_t size) {
  std::vector<std::uint8_t> payload(size, static_cast<std::uint8_t>(dts_ms));
  payload[0] = key ? 0x17 : 0x27;
  payload[1] = 1;
  payload[2] = payload[3] = payload[4] = 0;
  return make_frame(media::frame_kind::video, dts_ms, std::move(payload));
}

}  // namespace millrace::test
