#include "load/media_source.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/bytes.hpp"
#include "media/tag_header.hpp"

namespace millrace::load {
namespace {

using media::frame_kind;

constexpr std::array<std::uint8_t, 4> magic{'m', 'L', 'd', '1'};
constexpr std::size_t mark_bytes = magic.size() + 4 + 8;
constexpr std::size_t frame_bytes_min = 40;
constexpr double samples_per_frame = 1024, samples_per_second = 48'000;  // of AAC

media::frame frame_of(frame_kind kind, std::int64_t dts_ms, std::vector<std::uint8_t> body) {
  media::frame f;
  f.kind = kind;
  f.dts_ms = dts_ms;
  f.payload = base::slice(std::move(body));
  if (kind != frame_kind::data) media::classify(f);
  return f;
}

void put_mark(base::byte_writer& to, std::uint32_t number, base::instant due) {
  for (const auto byte : magic) to.u8(byte);
  const auto ns = static_cast<std::uint64_t>(due.time_since_epoch().count());
  to.u32(number).u32(static_cast<std::uint32_t>(ns >> 32)).u32(static_cast<std::uint32_t>(ns));
}

// Noise, since some path might compress.
std::vector<std::uint8_t> filled(base::byte_writer head, std::size_t size, std::uint32_t seed) {
  auto bytes = std::move(head).take();
  auto at = bytes.size();
  bytes.resize(std::max(size, at));
  for (std::uint64_t x = seed * 2'654'435'761u + 1; at + 8 <= bytes.size(); at += 8) {
    x ^= x << 13, x ^= x >> 7, x ^= x << 17;
    std::memcpy(bytes.data() + at, &x, 8);
  }
  return bytes;
}

unsigned pictures_per_key(const media_settings& s) {
  return std::max(1u, static_cast<unsigned>(s.key_every.count() * s.pictures_per_second / 1000));
}

}  // namespace

std::optional<mark> mark_of(const media::frame& f) {
  const auto bytes = f.payload.view().first(std::min(f.payload.size(), marked_bytes));
  const auto found = std::search(bytes.begin(), bytes.end(), magic.begin(), magic.end());
  if (bytes.end() - found < static_cast<std::ptrdiff_t>(mark_bytes)) return std::nullopt;
  const auto number_at = [](const std::uint8_t* p) {
    return std::uint32_t{p[0]} << 24 | std::uint32_t{p[1]} << 16 | std::uint32_t{p[2]} << 8 | p[3];
  };
  const auto* const p = bytes.data() + (found - bytes.begin()) + magic.size();
  const auto ns = std::uint64_t{number_at(p + 4)} << 32 | number_at(p + 8);
  return mark{number_at(p), base::instant(base::duration(static_cast<std::int64_t>(ns)))};
}

media_source::media_source(const media_settings& settings, base::instant begin)
    : settings_(settings), begin_(begin), pictures_per_key_(pictures_per_key(settings)) {
  const double per_key = pictures_per_key_ + settings.key_factor - 1.0;  // in pictures that are no key frames
  const double keys_per_second = static_cast<double>(settings.pictures_per_second) / pictures_per_key_;
  const auto at_least = [](double bytes) { return std::max(frame_bytes_min, static_cast<std::size_t>(bytes)); };
  picture_bytes_ = at_least(static_cast<double>(settings.video_bits_per_second) / 8 / keys_per_second / per_key);
  sound_bytes_ = at_least(static_cast<double>(settings.audio_bits_per_second) / 8 * samples_per_frame / samples_per_second);
}

double media_source::bytes_per_second(const media_settings& settings) {
  const media_source one(settings, {});
  const double pictures = settings.pictures_per_second;
  const double keys = pictures / one.pictures_per_key_;
  return static_cast<double>(one.picture_bytes_) * (pictures + keys * (settings.key_factor - 1.0)) +
         static_cast<double>(one.sound_bytes_) * samples_per_second / samples_per_frame;
}

double media_source::key_frame_bytes(const media_settings& settings) {
  return static_cast<double>(media_source(settings, {}).picture_bytes_ * settings.key_factor);
}

std::vector<media::frame> media_source::heads() const {
  base::byte_writer metadata;
  metadata.u8(2).u16(10).text("onMetaData");
  metadata.u8(8).u32(2);
  metadata.u16(5).text("width").u8(0).f64(1280);
  metadata.u16(6).text("height").u8(0).f64(720).u24(9);
  std::vector<media::frame> out;
  out.push_back(frame_of(frame_kind::data, 0, std::move(metadata).take()));
  out.push_back(frame_of(frame_kind::video, 0, {0x17, 0,    0,    0,    0,    1,    0x42, 0xc0, 0x0d, 0xff, 0xe1, 0,    10,   0x67, 0x42, 0xc0,
                                                0x0d, 0xda, 0x05, 0x07, 0xe8, 0x40, 0x00, 1,    0,    4,    0x68, 0xce, 0x3c, 0x80}));
  out.push_back(frame_of(frame_kind::audio, 0, {0xaf, 0, 0x11, 0x90}));
  return out;
}

base::duration media_source::video_at() const {
  return base::duration(static_cast<std::int64_t>(1e9 * pictures_ / settings_.pictures_per_second));
}
base::duration media_source::audio_at() const {
  return base::duration(static_cast<std::int64_t>(1e9 * sounds_ * samples_per_frame / samples_per_second));
}

base::instant media_source::next_due() const { return begin_ + std::min(video_at(), audio_at()); }

media::frame media_source::next() {
  const auto due = next_due();
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(due - begin_).count();
  base::byte_writer head;
  if (video_at() <= audio_at()) {
    const bool key = pictures_ % pictures_per_key_ == 0;
    const auto size = picture_bytes_ * (key ? settings_.key_factor : 1);
    head.u8(key ? 0x17 : 0x27).u8(1).u24(0).u32(static_cast<std::uint32_t>(size - 9)).u8(key ? 0x65 : 0x41);
    put_mark(head, pictures_, due);
    return frame_of(frame_kind::video, ms, filled(std::move(head), size, pictures_++));
  }
  head.u8(0xaf).u8(1);
  put_mark(head, sounds_, due);
  return frame_of(frame_kind::audio, ms, filled(std::move(head), sound_bytes_, sounds_++));
}

}  // namespace millrace::load
