// Small media for tests: FLV bytes whose content says which frame it is.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "media/flv.hpp"
#include "media/frame.hpp"
#include "media/tag_header.hpp"

namespace millrace::client::test {

inline media::frame frame_of(media::frame_kind kind, std::int64_t dts_ms, std::vector<std::uint8_t> body) {
  media::frame f;
  f.kind = kind;
  f.dts_ms = dts_ms;
  f.payload = base::slice(std::move(body));
  if (kind != media::frame_kind::data) media::classify(f);
  return f;
}

inline std::vector<std::uint8_t> with_tail(std::vector<std::uint8_t> head, std::uint8_t mark, std::size_t size) {
  head.resize(size, mark);
  return head;
}

inline media::frame metadata() {
  base::byte_writer w;
  w.u8(2).u16(10).text("onMetaData");
  w.u8(8).u32(1).u16(5).text("width").u8(0).f64(640).u24(9);
  return frame_of(media::frame_kind::data, 0, std::move(w).take());
}
inline media::frame video_config() {
  return frame_of(media::frame_kind::video, 0,
                  {0x17, 0, 0, 0, 0, 1, 0x42, 0xc0, 0x1e, 0xff, 0xe1, 0, 4, 0x67, 0x42, 0xc0, 0x1e, 1, 0, 4, 0x68, 0xce, 0x38, 0x80});
}
inline media::frame audio_config() { return frame_of(media::frame_kind::audio, 0, {0xaf, 0, 0x12, 0x10}); }
inline media::frame video(std::int64_t dts_ms, bool key, std::size_t size = 400) {
  const std::uint8_t first = key ? 0x17 : 0x27;
  return frame_of(media::frame_kind::video, dts_ms, with_tail({first, 1, 0, 0, 0}, static_cast<std::uint8_t>(dts_ms / 40), size));
}
inline media::frame audio(std::int64_t dts_ms) { return frame_of(media::frame_kind::audio, dts_ms, with_tail({0xaf, 1}, 7, 80)); }

// `count` pictures at 25/s with a key frame every `gop`, an audio frame with each.
inline std::vector<media::frame> clip(int count, int gop = 5, std::int64_t start_ms = 0) {
  std::vector<media::frame> out{metadata(), video_config(), audio_config()};
  for (int i = 0; i < count; ++i) {
    out.push_back(video(start_ms + i * 40, i % gop == 0));
    out.push_back(audio(start_ms + i * 40 + 5));
  }
  return out;
}

inline std::string flv_of(const std::vector<media::frame>& frames) {
  std::string out(base::as_text(media::flv::encode_header(true, true).view()));
  for (const auto& f : frames) {
    const auto bytes = media::flv::encode_tag(f).flatten();
    out.append(base::as_text(bytes));
  }
  return out;
}

}  // namespace millrace::client::test
