#include "media/tag_header.hpp"

#include <optional>

#include "base/bytes.hpp"
#include "base/escape.hpp"

namespace millrace::media {
namespace {

using base::byte_reader;

constexpr std::uint32_t fourcc_of(const char (&text)[5]) {
  std::uint32_t value = 0;
  for (int i = 0; i < 4; ++i) value = (value << 8) | static_cast<std::uint8_t>(text[i]);
  return value;
}

// FLV 10.1 annex E.4.3.1. Generated key frames (4) are made by servers; a decoder starts on them as well.
constexpr std::uint8_t frame_type_key = 1, frame_type_disposable = 3, frame_type_generated_key = 4, frame_type_command = 5;
constexpr std::uint8_t codec_avc = 7, codec_hevc_fork = 12, codec_av1_fork = 13;
constexpr std::uint8_t sound_ex = 9, sound_aac = 10;

// E-RTMP v2 VideoPacketType, AudioPacketType and AvMultitrackType.
enum video_packet : std::uint8_t {
  video_sequence_start = 0,
  video_coded_frames = 1,
  video_sequence_end = 2,
  video_coded_frames_x = 3,
  video_metadata = 4,
  video_mpeg2ts_sequence_start = 5,
  video_multitrack = 6,
  video_mod_ex = 7,
};
enum audio_packet : std::uint8_t {
  audio_sequence_start = 0,
  audio_coded_frames = 1,
  audio_sequence_end = 2,
  audio_multichannel_config = 4,
  audio_multitrack = 5,
  audio_mod_ex = 7,
};
enum multitrack_type : std::uint8_t { one_track = 0, many_tracks = 1, many_tracks_many_codecs = 2 };

void take_frame_type(tag_info& info, std::uint8_t type) {
  info.key = type == frame_type_key || type == frame_type_generated_key;
  info.disposable = type == frame_type_disposable;
}

std::optional<std::int32_t> take_composition(byte_reader& in) {
  const auto raw = in.u24();
  if (!raw) return std::nullopt;
  const auto value = static_cast<std::int32_t>(*raw);
  return (value & 0x800000) != 0 ? value - 0x1000000 : value;
}

bool has_composition(std::uint32_t fourcc) {
  return fourcc == fourcc_of("avc1") || fourcc == fourcc_of("hvc1") || fourcc == fourcc_of("vvc1");
}

// Skips the ModEx chain (E-RTMP v2 "ExVideoTagHeader", "ExAudioTagHeader": the same layout) and returns the packet
// type behind it. Each turn consumes at least two bytes, so the chain ends with the message.
std::optional<std::uint8_t> skip_mod_ex(byte_reader& in, std::uint8_t packet, std::uint8_t mod_ex) {
  while (packet == mod_ex) {
    const auto small = in.u8();
    if (!small) return std::nullopt;
    std::size_t size = std::size_t{*small} + 1;
    if (size == 256) {
      const auto large = in.u16();
      if (!large) return std::nullopt;
      size = std::size_t{*large} + 1;
    }
    if (!in.skip(size)) return std::nullopt;
    const auto next = in.u8();
    if (!next) return std::nullopt;
    packet = *next & 15;  // the high nibble is the kind of the extension: nothing that the hub acts upon
  }
  return packet;
}

// What stands between the packet type and the body of the first track.
struct ex_head {
  std::uint8_t packet = 0;
  std::uint32_t first_fourcc = 0;  // of the first track, also with many codecs
  base::bytes_view body;           // of the first track
};

// FourCC, or the multitrack fields down to the first body. All track sizes are walked, so that a message which
// announces more than it holds is found out whole and not at its first track only.
std::optional<ex_head> take_head(byte_reader& in, tag_info& info, std::uint8_t packet, std::uint8_t multitrack) {
  ex_head head;
  head.packet = packet;
  if (packet != multitrack) {
    const auto fourcc = in.u32();
    if (!fourcc) return std::nullopt;
    info.fourcc = head.first_fourcc = *fourcc;
    head.body = in.rest();
    return head;
  }
  info.multitrack = true;
  const auto types = in.u8();
  if (!types) return std::nullopt;
  const auto kind = static_cast<std::uint8_t>(*types >> 4);
  head.packet = *types & 15;
  if (kind > many_tracks_many_codecs || head.packet == multitrack) return std::nullopt;
  if (kind != many_tracks_many_codecs) {
    const auto fourcc = in.u32();
    if (!fourcc) return std::nullopt;
    info.fourcc = head.first_fourcc = *fourcc;
  }
  bool first = true;
  do {
    std::uint32_t fourcc = head.first_fourcc;
    if (kind == many_tracks_many_codecs) {
      const auto own = in.u32();
      if (!own) return std::nullopt;
      fourcc = *own;
    }
    const auto track = in.u8();
    if (!track) return std::nullopt;
    std::size_t size = in.remaining();
    if (kind != one_track) {
      const auto announced = in.u24();
      if (!announced) return std::nullopt;
      size = *announced;
    }
    const auto body = in.take(size);
    if (!body) return std::nullopt;
    if (first) {
      info.track_id = *track;
      head.first_fourcc = fourcc;
      head.body = *body;
      first = false;
    }
  } while (!in.at_end());
  return head;
}

void inspect_ex_video(tag_info& info, byte_reader& in, std::uint8_t first_byte) {
  info.enhanced = true;
  const auto frame_type = static_cast<std::uint8_t>((first_byte >> 4) & 7);
  const auto packet = skip_mod_ex(in, first_byte & 15, video_mod_ex);
  if (!packet) return;
  if (frame_type == frame_type_command && *packet != video_metadata) {
    info.valid = in.u8().has_value();  // the command byte; such a message has no FourCC and no body
    return;
  }
  const auto head = take_head(in, info, *packet, video_multitrack);
  if (!head) return;
  byte_reader body(head->body);
  switch (head->packet) {
    case video_sequence_start:
    case video_mpeg2ts_sequence_start:
      // A start without a record configures nothing; kept, it would push out one that does.
      info.valid = info.config = !body.at_end();
      return;
    case video_coded_frames:
      if (has_composition(head->first_fourcc)) {
        const auto composition = take_composition(body);
        if (!composition) return;
        info.composition_ms = *composition;
      }
      [[fallthrough]];
    case video_coded_frames_x:
      if (body.at_end()) return;
      take_frame_type(info, frame_type);
      info.valid = true;
      return;
    case video_sequence_end:
      info.valid = info.end_of_sequence = true;
      return;
    case video_metadata:
      // The frame type of a Metadata packet is to be ignored (E-RTMP v2 "ExVideoTagHeader").
      info.valid = info.config = info.metadata = !body.at_end();
      return;
    default: return;
  }
}

void inspect_ex_audio(tag_info& info, byte_reader& in, std::uint8_t first_byte) {
  info.enhanced = true;
  const auto packet = skip_mod_ex(in, first_byte & 15, audio_mod_ex);
  if (!packet) return;
  const auto head = take_head(in, info, *packet, audio_multitrack);
  if (!head) return;
  switch (head->packet) {
    case audio_sequence_start:
      // Opus alone may start empty: then the multichannel configuration or stereo holds (E-RTMP v2 "ExAudioTagBody").
      info.valid = info.config = !head->body.empty() || head->first_fourcc == fourcc_of("Opus");
      return;
    case audio_coded_frames: info.valid = true; return;  // also without a body: silence
    case audio_sequence_end: info.valid = info.end_of_sequence = true; return;
    case audio_multichannel_config: info.valid = info.config = info.multichannel = !head->body.empty(); return;
    default: return;
  }
}

std::string ex_codec_name(std::uint32_t fourcc) {
  switch (fourcc) {
    case 0: return "several codecs";
    case fourcc_of("avc1"): return "H.264";
    case fourcc_of("hvc1"): return "HEVC";
    case fourcc_of("vvc1"): return "VVC";
    case fourcc_of("av01"): return "AV1";
    case fourcc_of("vp08"): return "VP8";
    case fourcc_of("vp09"): return "VP9";
    case fourcc_of("mp4a"): return "AAC";
    case fourcc_of("Opus"): return "Opus";
    case fourcc_of("fLaC"): return "FLAC";
    case fourcc_of("ac-3"): return "AC-3";
    case fourcc_of("ec-3"): return "E-AC-3";
    case fourcc_of(".mp3"): return "MP3";
    default: break;
  }
  std::string raw;
  for (int shift = 24; shift >= 0; shift -= 8) raw += static_cast<char>(static_cast<std::uint8_t>(fourcc >> shift));
  return "fourcc '" + base::escaped(raw) + "'";
}

}  // namespace

tag_info inspect_video(base::bytes_view payload) {
  tag_info info;
  byte_reader in(payload);
  const auto first = in.u8();
  if (!first) return info;
  if ((*first & 0x80) != 0) {
    inspect_ex_video(info, in, *first);
    return info;
  }
  const auto frame_type = static_cast<std::uint8_t>(*first >> 4);
  info.legacy_codec = *first & 15;
  if (frame_type == frame_type_command) {
    info.valid = in.u8().has_value();
    return info;
  }
  // HEVC as 12 and AV1 as 13 come from forks that predate E-RTMP; both kept AVC's layout.
  if (info.legacy_codec != codec_avc && info.legacy_codec != codec_hevc_fork && info.legacy_codec != codec_av1_fork) {
    if (in.at_end()) return info;
    take_frame_type(info, frame_type);
    info.valid = true;
    return info;
  }
  const auto packet = in.u8();
  if (!packet) return info;
  if (*packet == 2) {  // end of sequence; some senders leave the composition time away here
    info.valid = info.end_of_sequence = true;
    return info;
  }
  const auto composition = take_composition(in);
  if (!composition || in.at_end()) return info;
  if (*packet == 0) {
    info.valid = info.config = true;
  } else if (*packet == 1) {
    take_frame_type(info, frame_type);
    info.composition_ms = *composition;
    info.valid = true;
  }
  return info;
}

tag_info inspect_audio(base::bytes_view payload) {
  tag_info info;
  byte_reader in(payload);
  const auto first = in.u8();
  if (!first) return info;
  const auto format = static_cast<std::uint8_t>(*first >> 4);
  if (format == sound_ex) {
    inspect_ex_audio(info, in, *first);
    return info;
  }
  info.legacy_codec = format;
  if (format != sound_aac) {
    info.valid = true;
    return info;
  }
  const auto packet = in.u8();
  if (!packet || *packet > 1) return info;
  if (*packet == 0) {
    info.valid = info.config = !in.at_end();
  } else {
    info.valid = true;
  }
  return info;
}

void classify(frame& f) {
  tag_info info;
  if (f.kind == frame_kind::video) {
    info = inspect_video(f.payload);
  } else if (f.kind == frame_kind::audio) {
    info = inspect_audio(f.payload);
  }
  f.key = f.kind == frame_kind::video && info.key;
  f.config = info.config;
  f.disposable = info.disposable;
}

std::string codec_name(frame_kind kind, const tag_info& info) {
  if (info.enhanced) return ex_codec_name(info.fourcc);
  if (kind == frame_kind::video) {
    switch (info.legacy_codec) {
      case 2: return "Sorenson H.263";
      case 3: return "Screen Video";
      case 4: return "VP6";
      case 5: return "VP6 alpha";
      case 6: return "Screen Video 2";
      case 7: return "H.264";
      case 12: return "HEVC";
      case 13: return "AV1";
      default: break;
    }
  } else if (kind == frame_kind::audio) {
    switch (info.legacy_codec) {
      case 0: case 3: return "PCM";
      case 1: return "ADPCM";
      case 2: case 14: return "MP3";
      case 4: case 5: case 6: return "Nellymoser";
      case 7: return "G.711 A-law";
      case 8: return "G.711 mu-law";
      case 10: return "AAC";
      case 11: return "Speex";
      case 13: return "Opus";
      default: break;
    }
  }
  return "codec " + std::to_string(info.legacy_codec);
}

}  // namespace millrace::media
