// What tests of muxer and packager share: the smallest frames that are real, and a look into MP4.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "base/written_bytes.hpp"
#include "media/tag_header.hpp"

namespace millrace::mux::testing {

inline media::frame make(media::frame_kind kind, std::int64_t dts_ms, std::string_view written) {
  media::frame f;
  f.kind = kind;
  f.dts_ms = dts_ms;
  f.arrival = base::instant(std::chrono::milliseconds(dts_ms));
  f.payload = base::slice(base::bytes_of(written));
  media::classify(f);
  return f;
}

// H.264 of 32x32 and of 64x32 pixels, as x264 writes black at 25 pictures a second.
inline constexpr std::string_view sps_small = "17 00 000000 0142c00affe100166742c00ada25b011000003000100000300320f1226a001000468ce0fc8";
inline constexpr std::string_view sps_wide = "17 00 000000 0142c00affe100156742c00ada116c0440000003004000000c83c489a801000468ce0fc8";
inline media::frame video_config(std::int64_t ms, bool wide = false) { return make(media::frame_kind::video, ms, wide ? sps_wide : sps_small); }
inline media::frame key(std::int64_t ms, std::string_view composition = "000000") {
  return make(media::frame_kind::video, ms, "17 01 " + std::string(composition) + "0000000c6588843a2628000902c9d75e");
}
inline media::frame inter(std::int64_t ms, std::string_view composition = "000000") {
  return make(media::frame_kind::video, ms, "27 01 " + std::string(composition) + "00000005419a20268b");
}
// AAC-LC, stereo; each frame has 1024 samples.
inline media::frame audio_config(std::int64_t ms, unsigned rate = 48'000) {
  return make(media::frame_kind::audio, ms, rate == 48'000 ? "af 00 1190" : "af 00 1210");
}
inline media::frame audio(std::int64_t ms) { return make(media::frame_kind::audio, ms, "af 01 211004600000"); }

// ---- a look into MP4 ----

struct box {
  std::string type;
  base::bytes_view body;
};
inline std::vector<box> boxes(base::bytes_view bytes) {
  std::vector<box> out;
  base::byte_reader in(bytes);
  while (const auto size = in.u32()) {
    const auto type = in.take(4);
    const auto body = *size >= 8 ? in.take(*size - 8) : std::nullopt;
    if (!type || !body) return {};
    out.push_back({std::string(base::as_text(*type)), *body});
  }
  return out;
}
// All bodies of a way of types: "moof/traf/tfdt".
inline std::vector<base::bytes_view> find(base::bytes_view bytes, std::string_view way) {
  std::vector<base::bytes_view> out;
  const auto slash = way.find('/');
  for (const auto& b : boxes(bytes)) {
    if (b.type != way.substr(0, slash)) continue;
    if (slash == std::string_view::npos) {
      out.push_back(b.body);
    } else {
      for (const auto inner : find(b.body, way.substr(slash + 1))) out.push_back(inner);
    }
  }
  return out;
}

struct run {
  std::uint32_t track = 0;  // from 1
  std::uint64_t begin = 0;  // tfdt
  std::vector<std::uint32_t> durations;
  std::vector<std::int32_t> compositions;
  [[nodiscard]] std::uint64_t end() const {
    auto at = begin;
    for (const auto d : durations) at += d;
    return at;
  }
};
// What each traf of a fragment says (ISO/IEC 14496-12, 8.8.7 and 8.8.8), defaults applied.
inline std::vector<run> runs(base::bytes_view fragment) {
  std::vector<run> out;
  for (const auto traf : find(fragment, "moof/traf")) {
    run r;
    base::byte_reader head(find(traf, "tfhd").at(0));
    const auto head_flags = head.u32().value();
    r.track = head.u32().value();
    if ((head_flags & 1) != 0) head.skip(8);
    if ((head_flags & 2) != 0) head.skip(4);
    const auto usual = (head_flags & 8) != 0 ? head.u32().value() : 0;
    base::byte_reader time(find(traf, "tfdt").at(0));
    time.skip(4);
    r.begin = time.u64().value();
    base::byte_reader in(find(traf, "trun").at(0));
    const auto flags = in.u32().value();
    const auto count = in.u32().value();
    if ((flags & 1) != 0) in.skip(4);
    if ((flags & 4) != 0) in.skip(4);
    for (std::uint32_t i = 0; i < count; ++i) {
      r.durations.push_back((flags & 0x100) != 0 ? in.u32().value() : usual);
      if ((flags & 0x200) != 0) in.skip(4);
      if ((flags & 0x400) != 0) in.skip(4);
      r.compositions.push_back((flags & 0x800) != 0 ? static_cast<std::int32_t>(in.u32().value()) : 0);
    }
    out.push_back(std::move(r));
  }
  return out;
}

}  // namespace millrace::mux::testing
