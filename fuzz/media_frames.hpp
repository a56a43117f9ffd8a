// Frames that carry a number, for targets that follow each of them on its way.
#pragma once
#include <array>
#include <vector>

#include "media/frame.hpp"
#include "operations.hpp"

namespace millrace::fuzz {

inline constexpr std::array frame_kinds{media::frame_kind::audio, media::frame_kind::video, media::frame_kind::data};

// An AVC or AAC message, or a data message; the number stands behind its header.
inline media::frame numbered_frame(media::frame_kind kind, bool key, bool config, std::uint32_t number, std::size_t more) {
  media::frame f;
  f.kind = kind;
  f.key = key;
  f.config = config;
  std::vector<std::uint8_t> payload;
  if (kind == media::frame_kind::video) payload = {std::uint8_t(key || config ? 0x17 : 0x27), std::uint8_t(config ? 0 : 1), 0, 0, 0};
  if (kind == media::frame_kind::audio) payload = {0xaf, std::uint8_t(config ? 0 : 1)};
  if (kind == media::frame_kind::data) payload = {2, 0, 10, 'o', 'n', 'M', 'e', 't', 'a', 'D', 'a', 't', 'a'};
  for (int shift = 24; shift >= 0; shift -= 8) payload.push_back(static_cast<std::uint8_t>(number >> shift));
  payload.resize(payload.size() + more);
  f.payload = base::slice(std::move(payload));
  return f;
}
inline std::uint32_t number_of(const media::frame& f) {
  const std::size_t at = f.kind == media::frame_kind::video ? 5 : f.kind == media::frame_kind::audio ? 2 : 13;
  std::uint32_t number = 0;
  for (std::size_t i = 0; i < 4; ++i) number = number << 8 | f.payload.view()[at + i];
  return number;
}

}  // namespace millrace::fuzz
