#include "media/tag_header.hpp"

#include "base/bytes.hpp"
#include "media/codec_record.hpp"
#include "media/ex_body.hpp"

namespace millrace::media {
namespace {

using base::byte_reader;

// FLV 10.1 annex E.4.2.1 and E.4.3.1, and the forks named in the header.
constexpr std::uint8_t codec_avc = 7, codec_hevc_fork = 12, codec_av1_fork = 13;
constexpr std::uint8_t sound_aac = 10, sound_opus_fork = 13;
// AVCPacketType and AACPacketType.
constexpr std::uint8_t packet_config = 0, packet_frame = 1, packet_end = 2;

void set_fault(tag_info& info, header_fault f, std::size_t at) {
  info.fault = f;
  info.fault_at = at;
}

void take_frame_type(tag_info& info, std::uint8_t type) {
  info.key = type == frame_type_key || type == frame_type_generated_key;
  info.disposable = type == frame_type_disposable;
}

void take_packet(tag_info& info, const ex_head& head, bool colors) {
  switch (head.packet) {
    case ex_packet::sequence_start:
    case ex_packet::mpeg2ts_sequence_start: info.config = true; return;
    case ex_packet::coded_frames:
    case ex_packet::coded_frames_x:
      if (head.kind == frame_kind::video) take_frame_type(info, head.frame_type);
      return;
    case ex_packet::sequence_end: info.end_of_sequence = true; return;
    // The frame type of a Metadata packet is to be ignored (E-RTMP v2 "ExVideoTagHeader").
    case ex_packet::metadata:
      info.metadata = true;
      info.config = colors;
      return;
    case ex_packet::multichannel_config: info.config = info.multichannel = true; return;
    case ex_packet::command: return;
  }
}

tag_info inspect_enhanced(frame_kind kind, base::bytes_view payload) {
  tag_info info;
  info.enhanced = true;
  ex_walk walk(kind, payload);
  const auto& head = walk.head();
  info.multitrack = head.form != ex_form::single;
  bool any = head.packet == ex_packet::command;
  bool colors = false;
  // All tracks are walked, so that a message which announces more than it holds is found out whole and not at its first track only.
  while (const auto* track = walk.next()) {
    if (!track->usable) {
      if (!any) info.fourcc = track->codec;  // to be named, at least
      continue;
    }
    if (head.packet == ex_packet::metadata) colors = colors || color_info_of(track->body) != color_info::none;
    if (any && track->id >= info.track_id) continue;
    any = true;
    info.track_id = track->id;
    info.fourcc = track->codec;
    info.composition_ms = track->composition_ms;
  }
  set_fault(info, walk.fault(), walk.fault_at());
  if (is_unreadable(info.fault) || !any) return info;
  info.valid = true;
  take_packet(info, head, colors);
  return info;
}

void judge_record(tag_info& info, frame_kind kind, const byte_reader& in) {
  if (!is_plausible_record(codec_of_legacy(kind, info.legacy_codec), in.rest())) set_fault(info, header_fault::odd_record, in.position());
}

// The layout of AVC (FLV 10.1 annex E.4.3.2), behind the first byte.
void inspect_avc(tag_info& info, byte_reader& in, std::uint8_t frame_type) {
  const auto packet = in.u8();
  if (!packet) return set_fault(info, header_fault::cut_short, in.position());
  if (*packet > packet_end) return set_fault(info, header_fault::reserved_packet_type, in.position() - 1);
  if (*packet == packet_end) {  // some senders leave the composition time away here
    info.valid = info.end_of_sequence = true;
    return;
  }
  const auto raw = in.u24();
  if (!raw) return set_fault(info, header_fault::cut_short, in.position());
  // An empty record configures nothing; kept, it would push out one that does.
  if (in.at_end()) return set_fault(info, header_fault::empty_body, in.position());
  info.valid = true;
  if (*packet == packet_config) {
    info.config = true;
    judge_record(info, frame_kind::video, in);
    return;
  }
  take_frame_type(info, frame_type);
  const auto composition = static_cast<std::int32_t>(*raw);
  info.composition_ms = (composition & 0x800000) != 0 ? composition - 0x1000000 : composition;
}

void inspect_aac(tag_info& info, byte_reader& in) {
  const auto packet = in.u8();
  if (!packet) return set_fault(info, header_fault::cut_short, in.position());
  if (*packet > packet_frame) return set_fault(info, header_fault::reserved_packet_type, in.position() - 1);
  if (*packet == packet_config && in.at_end()) return set_fault(info, header_fault::empty_body, in.position());
  info.valid = true;
  info.config = *packet == packet_config;
  if (info.config) judge_record(info, frame_kind::audio, in);
}

// Some forks put AAC's packet type in front of Opus, others nothing, so a first byte of 0 proves no header; the text of the
// identification header (RFC 7845 section 5.1) does.
bool is_opus_header(base::bytes_view body) {
  static constexpr std::string_view magic("\0OpusHead", 9);
  return body.size() > magic.size() && base::as_text(body.first(magic.size())) == magic;
}

}  // namespace

tag_info inspect_video(base::bytes_view payload) {
  if (is_enhanced(frame_kind::video, payload)) return inspect_enhanced(frame_kind::video, payload);
  tag_info info;
  byte_reader in(payload);
  const auto first = in.u8();
  if (!first) {
    set_fault(info, header_fault::cut_short, 0);
    return info;
  }
  const auto frame_type = static_cast<std::uint8_t>(*first >> 4);
  info.legacy_codec = *first & 15;
  if (frame_type != frame_type_command &&
      (info.legacy_codec == codec_avc || info.legacy_codec == codec_hevc_fork || info.legacy_codec == codec_av1_fork)) {
    inspect_avc(info, in, frame_type);
    return info;
  }
  if (in.at_end()) {
    set_fault(info, header_fault::cut_short, in.position());
    return info;
  }
  if (frame_type != frame_type_command) take_frame_type(info, frame_type);
  info.valid = true;
  return info;
}

tag_info inspect_audio(base::bytes_view payload) {
  if (is_enhanced(frame_kind::audio, payload)) return inspect_enhanced(frame_kind::audio, payload);
  tag_info info;
  byte_reader in(payload);
  const auto first = in.u8();
  if (!first) return info;
  info.legacy_codec = *first >> 4;
  if (info.legacy_codec == sound_aac) {
    inspect_aac(info, in);
    return info;
  }
  info.valid = true;
  info.config = info.legacy_codec == sound_opus_fork && is_opus_header(in.rest());
  return info;
}

tag_info inspect(frame_kind kind, base::bytes_view payload) {
  switch (kind) {
    case frame_kind::video: return inspect_video(payload);
    case frame_kind::audio: return inspect_audio(payload);
    case frame_kind::data: break;
  }
  return {};
}

void classify(frame& f) {
  const auto info = inspect(f.kind, f.payload);
  f.key = info.key;
  f.config = info.config;
  f.disposable = info.disposable;
}

std::uint32_t codec_of(frame_kind kind, const tag_info& info) {
  return info.enhanced ? info.fourcc : codec_of_legacy(kind, info.legacy_codec);
}

std::string codec_name(frame_kind kind, const tag_info& info) { return codec_name(kind, codec_of(kind, info)); }

std::string fault_text(const tag_info& info) {
  if (info.fault == header_fault::none) return {};
  return std::string(text_of(info.fault)) + ", at byte " + std::to_string(info.fault_at);
}

}  // namespace millrace::media
