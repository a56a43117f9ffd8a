#include "mux/track_config.hpp"

#include <algorithm>
#include <array>

#include "base/bytes.hpp"
#include "media/codec.hpp"
#include "media/codec_record.hpp"
#include "media/ex_header.hpp"
#include "media/tag_header.hpp"

namespace millrace::mux {
namespace {

using media::frame_kind;
namespace codecs = media::codecs;

class bit_reader {
 public:
  explicit bit_reader(base::bytes_view bytes) : bytes_(bytes) {}
  // 0 past the end: every caller checks what it got for sense.
  std::uint32_t take(unsigned count) {
    std::uint32_t value = 0;
    while (count-- > 0) {
      const auto byte = at_ / 8 < bytes_.size() ? bytes_[at_ / 8] : 0u;
      value = (value << 1) | ((byte >> (7 - at_ % 8)) & 1u);
      ++at_;
    }
    return value;
  }

 private:
  base::bytes_view bytes_;
  std::size_t at_ = 0;
};

constexpr std::array<unsigned, 13> sampling_rates{96'000, 88'200, 64'000, 48'000, 44'100, 32'000, 24'000,
                                                  22'050, 16'000, 12'000, 11'025, 8'000,  7'350};

// AudioSpecificConfig (ISO/IEC 14496-3, 1.6.2.1). The rate is the core's: with spectral band replication a frame still has 1024 of its samples.
bool read_aac(track_config& out, base::bytes_view record) {
  bit_reader in(record);
  const auto type_of = [&] {
    const auto type = in.take(5);
    return type == 31 ? 32 + in.take(6) : type;
  };
  const auto rate_of = [&]() -> unsigned {
    const auto index = in.take(4);
    if (index == 15) return in.take(24);
    return index < sampling_rates.size() ? sampling_rates[index] : 0;
  };
  auto type = type_of();
  out.sample_rate = rate_of();
  const auto layout = in.take(4);
  if (type == 5 || type == 29) {
    rate_of();
    type = type_of();
  }
  // GASpecificConfig (4.4.1) begins with frameLengthFlag.
  out.samples_per_frame = in.take(1) != 0 ? 960 : 1024;
  static constexpr std::array<unsigned, 16> channels{2, 1, 2, 3, 4, 5, 6, 8, 0, 0, 0, 7, 8, 24, 8, 0};
  out.channels = std::max(1u, channels[layout]);
  out.time_scale = out.sample_rate;
  return out.sample_rate >= 1'000 && out.sample_rate <= 192'000;
}

// RFC 7845 section 5.1. What is sent without one is stereo with the usual pre-skip.
void read_opus(track_config& out, const base::slice& record) {
  out.record = record;
  if (record.size() < 19) {
    static constexpr std::array<std::uint8_t, 19> stereo{'O', 'p', 'u', 's', 'H', 'e', 'a', 'd', 1, 2, 0x38, 1, 0x80, 0xbb, 0, 0, 0, 0, 0};
    out.record = base::slice::copy_of(stereo);
  }
  out.channels = std::max<unsigned>(1, out.record.view()[9]);
  out.sample_rate = out.time_scale = 48'000;
  out.samples_per_frame = 960;  // what most send; each packet says how many it has
}

struct mp3_facts {
  unsigned rate = 0, channels = 0, samples = 0;
};
// ISO/IEC 11172-3, 2.4.2.3; ISO/IEC 13818-3 halves, and MPEG 2.5 quarters, the rates.
mp3_facts mp3_of(base::bytes_view frame) {
  if (frame.size() < 4 || frame[0] != 0xff || (frame[1] & 0xe0) != 0xe0) return {};
  const unsigned version = (frame[1] >> 3) & 3, layer = (frame[1] >> 1) & 3, rate = (frame[2] >> 2) & 3;
  if (version == 1 || layer != 1 || rate == 3) return {};
  static constexpr std::array<unsigned, 3> rates{44'100, 48'000, 32'000};
  mp3_facts out;
  out.rate = rates[rate] >> (version == 3 ? 0 : version == 2 ? 1 : 2);
  out.channels = frame[3] >> 6 == 3 ? 1 : 2;
  out.samples = version == 3 ? 1152 : 576;
  return out;
}

// RFC 6716 section 3.1: the first byte says how long a frame is, and how many there are.
unsigned opus_samples(base::bytes_view packet) {
  if (packet.empty()) return 0;
  const unsigned config = packet[0] >> 3;
  unsigned samples = 0;  // at 48 kHz
  if (config < 12) {
    static constexpr std::array<unsigned, 4> silk{480, 960, 1920, 2880};
    samples = silk[config & 3];
  } else if (config < 16) {
    samples = (config & 1) != 0 ? 960 : 480;
  } else {
    samples = 120u << (config & 3);
  }
  const unsigned code = packet[0] & 3;
  if (code == 0) return samples;
  if (code != 3) return 2 * samples;
  return packet.size() < 2 ? 0 : samples * (packet[1] & 63);
}

std::optional<track_body> legacy_body(const media::frame& f) {
  const auto info = media::inspect(f.kind, f.payload);
  if (!info.valid) return std::nullopt;
  track_body out;
  out.codec = media::codec_of(f.kind, info);
  out.config = info.config;
  out.key = info.key;
  out.composition_ms = info.composition_ms;
  // Behind codec and packet type: AVC's layout with its composition time, AAC's without. Opus of old forks has a packet type where it has a header.
  const bool avc_like = f.kind == frame_kind::video && out.codec >= 16;
  const std::size_t at = avc_like                                                                                                  ? 5
                         : f.kind == frame_kind::audio && (out.codec == codecs::aac || (out.codec == codecs::opus && info.config)) ? 2
                                                                                                                                   : 1;
  const bool command = f.kind == frame_kind::video && f.payload.view()[0] >> 4 == media::frame_type_command;
  out.bytes = f.payload.sub(at);
  out.frame = !info.config && !info.end_of_sequence && !command && !out.bytes.empty();
  return out;
}

}  // namespace

bool track_config::same_stream(const track_config& o) const {
  return codec == o.codec && sample_rate == o.sample_rate && channels == o.channels && std::ranges::equal(record.view(), o.record.view());
}

std::optional<track_body> body_of(const media::frame& f, std::uint8_t track) {
  if (f.kind == frame_kind::data || f.payload.empty()) return std::nullopt;
  if (!media::is_enhanced(f.kind, f.payload)) return track == 0 ? legacy_body(f) : std::nullopt;
  media::ex_walk walk(f.kind, f.payload);
  const auto& head = walk.head();
  while (const auto* t = walk.next()) {
    if (t->id != track || !t->usable) continue;
    track_body out;
    out.codec = t->codec;
    out.config = head.packet == media::ex_packet::sequence_start;
    out.frame = (head.packet == media::ex_packet::coded_frames || head.packet == media::ex_packet::coded_frames_x) && !t->body.empty();
    out.key = f.kind == frame_kind::video && (head.frame_type == media::frame_type_key || head.frame_type == media::frame_type_generated_key);
    out.composition_ms = t->composition_ms;
    out.bytes = f.payload.sub(static_cast<std::size_t>(t->body.data() - f.payload.data()), t->body.size());
    // Who keeps a little of a large message, beside other tracks or a long ModEx chain, is not to keep all of it: nobody counts that.
    constexpr std::size_t head_bytes = 256;
    if (f.payload.size() > 2 * out.bytes.size() + head_bytes) out.bytes = base::slice::copy_of(out.bytes);
    return out;
  }
  return std::nullopt;
}

std::optional<track_config> config_of(frame_kind kind, const track_body& body) {
  track_config out;
  out.kind = kind;
  out.codec = body.codec;
  out.record = body.bytes;
  if (!media::is_plausible_record(body.codec, body.bytes)) return std::nullopt;
  switch (body.codec) {
    case codecs::aac: return read_aac(out, body.bytes) ? std::optional(out) : std::nullopt;
    case codecs::opus: read_opus(out, body.bytes); return out;
    case codecs::mp3: return std::nullopt;  // says nothing that its frames do not say
    default: return out;
  }
}

std::optional<track_config> config_of_frame(frame_kind kind, const track_body& body) {
  track_config out;
  out.kind = kind;
  out.codec = body.codec;
  if (body.codec == codecs::opus) {
    read_opus(out, {});
    return out;
  }
  if (body.codec != codecs::mp3) return std::nullopt;
  const auto mp3 = mp3_of(body.bytes);
  if (mp3.rate == 0) return std::nullopt;
  out.sample_rate = out.time_scale = mp3.rate;
  out.channels = mp3.channels;
  out.samples_per_frame = mp3.samples;
  return out;
}

unsigned samples_of(const track_config& config, base::bytes_view frame) {
  switch (config.codec) {
    case codecs::aac: return config.samples_per_frame;
    case codecs::opus: return opus_samples(frame);
    case codecs::mp3: return mp3_of(frame).samples;
    default: return 0;
  }
}

}  // namespace millrace::mux
