// Media for simulations: every message is unlike every other, and a picture knows which configuration it was made for.
#pragma once
#include <algorithm>
#include <cstdint>
#include <random>
#include <vector>

#include "base/bytes.hpp"
#include "media/frame.hpp"
#include "media/tag_header.hpp"
#include "sim/world.hpp"

namespace millrace::sim {

struct media_options {
  int seconds = 8;
  bool video = true, audio = true;
  int cues_per_second = 0;   // timed data
  int fps = 25, gop_ms = 2'000;
  std::size_t key_bytes = 12'000, picture_bytes = 3'000, audio_bytes = 250;
  bool new_configs = false;  // other codec configurations in the middle
};

// One message and when its encoder has it ready.
struct planned_frame {
  std::int64_t at_ms = 0;
  media::frame frame;
  unsigned config = 0;  // the number of the configuration that it needs, or that it is
};

class media_plan {
 public:
  media_plan(const media_options& options, std::uint64_t seed) : options_(options), random_(seed) {
    add(0, media::frame_kind::data, 0, metadata(), 0);
    if (options_.video) add(0, media::frame_kind::video, 0, video_config(1), 1);
    if (options_.audio) add(0, media::frame_kind::audio, 0, audio_config(1), 1);
    const int ms_end = options_.seconds * 1000;
    if (options_.video) {
      unsigned config = 1;
      int key_at = 0;
      for (int n = 0; n * 1000 / options_.fps < ms_end; ++n) {
        const int ms = n * 1000 / options_.fps;
        const bool key = ms >= key_at;
        if (key) key_at = ms + options_.gop_ms;
        if (key && options_.new_configs && config == 1 && ms > ms_end / 2) {
          config = 2;
          add(ms, media::frame_kind::video, ms, video_config(config), config);
        }
        add(ms, media::frame_kind::video, ms, picture(key), config);
      }
    }
    for (int n = 0; options_.audio && n * 23 < ms_end; ++n) {
      const unsigned config = options_.new_configs && n * 23 > ms_end / 3 ? 2 : 1;
      if (config == 2 && !std::exchange(other_audio_, true)) add(n * 23, media::frame_kind::audio, n * 23, audio_config(2), 2);
      add(n * 23, media::frame_kind::audio, n * 23, sound(), config);
    }
    for (int n = 1; n <= options_.cues_per_second * options_.seconds; ++n) {
      const int ms = n * 1000 / options_.cues_per_second;
      if (ms < ms_end) add(ms, media::frame_kind::data, ms, cue(), 0);
    }
    std::stable_sort(frames_.begin(), frames_.end(), [](const auto& a, const auto& b) { return a.at_ms < b.at_ms; });
  }
  [[nodiscard]] const std::vector<planned_frame>& frames() const noexcept { return frames_; }

 private:
  void add(std::int64_t at_ms, media::frame_kind kind, std::int64_t dts_ms, std::vector<std::uint8_t> body, unsigned config) {
    media::frame f;
    f.kind = kind;
    f.dts_ms = dts_ms;
    f.payload = base::slice(std::move(body));
    media::classify(f);
    frames_.push_back({at_ms, std::move(f), config});
  }
  std::vector<std::uint8_t> body(std::initializer_list<std::uint8_t> head, std::size_t mean) {
    std::vector<std::uint8_t> out(head);
    const std::size_t size = out.size() + 4 + mean / 2 + random_() % (mean + 1);
    base::byte_writer number;
    number.u32(++numbered_);
    const auto bytes = std::move(number).take();
    out.insert(out.end(), bytes.begin(), bytes.end());
    std::uint64_t state = random_();
    while (out.size() < size) {
      state = state * 6364136223846793005ULL + 1442695040888963407ULL;
      out.push_back(static_cast<std::uint8_t>(state >> 56));
    }
    return out;
  }
  std::vector<std::uint8_t> picture(bool key) {
    return body({static_cast<std::uint8_t>(key ? 0x17 : 0x27), 1, 0, 0, 0}, key ? options_.key_bytes : options_.picture_bytes);
  }
  std::vector<std::uint8_t> sound() { return body({0xaf, 1}, options_.audio_bytes); }
  static std::vector<std::uint8_t> video_config(unsigned number) {
    return {0x17, 0, 0, 0,    0,    1,    0x42, 0xc0, 0x1e, 0xff, 0xe1, 0,
            4,    0x67, 0x42, 0xc0, 0x1e, 1, 0, 4, 0x68, 0xce, 0x38, static_cast<std::uint8_t>(number)};
  }
  static std::vector<std::uint8_t> audio_config(unsigned number) { return {0xaf, 0, 0x12, static_cast<std::uint8_t>(8 * number)}; }
  static std::vector<std::uint8_t> metadata() {
    base::byte_writer w;
    w.u8(2).u16(10).text("onMetaData");
    w.u8(8).u32(1).u16(5).text("width").u8(0).f64(640).u24(9);
    return std::move(w).take();
  }
  std::vector<std::uint8_t> cue() {
    base::byte_writer w;
    w.u8(2).u16(5).text("onCue").u8(0).f64(++numbered_);
    return std::move(w).take();
  }

  media_options options_;
  std::mt19937_64 random_;
  std::uint32_t numbered_ = 0;
  bool other_audio_ = false;
  std::vector<planned_frame> frames_;
};

}  // namespace millrace::sim
