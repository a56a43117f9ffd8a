// What the hub's tests share: frames made of few bytes, manual time, and a viewer that notes what it is told.
#pragma once
#include <chrono>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "hub/stream.hpp"
#include "media/tag_header.hpp"

namespace millrace::hub::testing {

inline base::instant at_ms(std::int64_t ms) { return base::instant(std::chrono::milliseconds(ms)); }

inline media::frame make(media::frame_kind kind, std::int64_t dts_ms, std::int64_t arrival_ms, std::vector<std::uint8_t> payload) {
  media::frame f;
  f.kind = kind;
  f.dts_ms = dts_ms;
  f.arrival = at_ms(arrival_ms);
  f.payload = base::slice(std::move(payload));
  media::classify(f);
  return f;
}

// Legacy AVC and AAC messages; `mark` tells them apart.
inline media::frame video_config(std::int64_t ms, std::uint8_t mark = 1) {
  return make(media::frame_kind::video, ms, ms, {0x17, 0, 0, 0, 0, mark});
}
inline media::frame audio_config(std::int64_t ms, std::uint8_t mark = 1) { return make(media::frame_kind::audio, ms, ms, {0xaf, 0, mark}); }
inline media::frame key(std::int64_t ms) { return make(media::frame_kind::video, ms, ms, {0x17, 1, 0, 0, 0, 1}); }
inline media::frame inter(std::int64_t ms) { return make(media::frame_kind::video, ms, ms, {0x27, 1, 0, 0, 0, 1}); }
inline media::frame audio(std::int64_t ms) { return make(media::frame_kind::audio, ms, ms, {0xaf, 1, 1}); }
inline media::frame data(std::int64_t ms, std::string_view name, std::uint8_t mark = 0) {
  base::byte_writer out;
  out.u8(2).u16(static_cast<std::uint16_t>(name.size())).text(name).u8(mark);
  return make(media::frame_kind::data, ms, ms, std::move(out).take());
}

// "K" key, "v" inter, "a" audio, "V1"/"A1" configuration with its mark, "name" data, each with "@dts"; a prelude entry has a "*" ahead.
inline std::string describe(const delivery& d) {
  const auto& f = *d.item->frame();
  std::string out = d.prelude ? "*" : "";
  const auto bytes = f.payload.view();
  if (f.kind == media::frame_kind::data) {
    out += std::string(base::as_text(bytes.subspan(3, bytes[2])));
  } else if (f.config) {
    out += (f.kind == media::frame_kind::video ? "V" : "A") + std::to_string(bytes.back());
  } else {
    out += f.kind == media::frame_kind::audio ? "a" : f.key ? "K" : "v";
  }
  return out + "@" + std::to_string(f.dts_ms);
}

struct noting_viewer : viewer {
  int frames = 0, gone = 0, back = 0;
  void on_frames() override { ++frames; }
  void on_publisher_gone() override { ++gone; }
  void on_publisher_back() override { ++back; }
};

// A viewer with its cursor, reading everything there is.
struct watcher : noting_viewer {
  explicit watcher(const std::shared_ptr<stream>& s, std::chrono::milliseconds age_max = std::chrono::milliseconds(2000))
      : place(s, *this, policy_of(age_max)) {}
  watcher(const std::shared_ptr<stream>& s, const cursor_policy& policy) : place(s, *this, policy) {}
  static cursor_policy policy_of(std::chrono::milliseconds age_max) {
    cursor_policy policy;
    policy.age_max = age_max;
    return policy;
  }
  std::string read(std::int64_t now_ms, std::size_t most = 1000) {
    std::string out;
    while (most-- > 0) {
      const auto got = place.next(at_ms(now_ms));
      if (!got) break;
      if (!out.empty()) out += ' ';
      out += describe(*got);
    }
    return out;
  }
  cursor place;
};

inline void append(publication& to, std::vector<media::frame> frames) {
  for (auto& f : frames) to.append(std::move(f));
  to.flush();
}

}  // namespace millrace::hub::testing
