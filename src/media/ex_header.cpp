#include "media/ex_header.hpp"

#include <algorithm>

#include "media/codec_record.hpp"
#include "media/ex_body.hpp"

namespace millrace::media {
namespace {

// The wrappers among the packet types, and the one extension that has a meaning.
constexpr std::uint8_t video_multitrack = 6, audio_multitrack = 5, packet_mod_ex = 7;
constexpr std::uint8_t mod_ex_nano_offset = 0;
constexpr std::uint32_t nano_offset_max = 999'999;

constexpr std::uint8_t multitrack_of(frame_kind kind) { return kind == frame_kind::video ? video_multitrack : audio_multitrack; }

std::optional<ex_packet> packet_of(frame_kind kind, std::uint8_t number) {
  const bool video = kind == frame_kind::video;
  switch (number) {
    case 0: return ex_packet::sequence_start;
    case 1: return ex_packet::coded_frames;
    case 2: return ex_packet::sequence_end;
    case 3: return video ? std::optional(ex_packet::coded_frames_x) : std::nullopt;
    case 4: return video ? ex_packet::metadata : ex_packet::multichannel_config;
    case 5: return video ? std::optional(ex_packet::mpeg2ts_sequence_start) : std::nullopt;
    default: return std::nullopt;
  }
}

std::optional<std::uint8_t> number_of(frame_kind kind, ex_packet packet) {
  for (std::uint8_t number = 0; number < 6; ++number) {
    if (packet_of(kind, number) == packet) return number;
  }
  return std::nullopt;
}

// 0 for none, else how much of the message is lost to it.
int grade_of(header_fault f) {
  if (f == header_fault::none) return 0;
  if (is_unreadable(f)) return 3;
  return f == header_fault::empty_body || f == header_fault::broken_body ? 2 : 1;
}

std::int32_t signed24(base::bytes_view at) {
  const auto raw = static_cast<std::int32_t>(std::uint32_t{at[0]} << 16 | std::uint32_t{at[1]} << 8 | at[2]);
  return (raw & 0x800000) != 0 ? raw - 0x1000000 : raw;
}

// Of exactly its size: what is kept is charged by that.
base::slice joined(base::bytes_view head, base::bytes_view content) {
  std::vector<std::uint8_t> out;
  out.reserve(head.size() + content.size());
  out.insert(out.end(), head.begin(), head.end());
  out.insert(out.end(), content.begin(), content.end());
  return base::slice(std::move(out));
}

}  // namespace

std::string_view text_of(header_fault f) {
  switch (f) {
    case header_fault::none: return "no fault";
    case header_fault::cut_short: return "the message ends inside a field";
    case header_fault::reserved_frame_type: return "reserved frame type";
    case header_fault::reserved_packet_type: return "reserved packet type";
    case header_fault::reserved_multitrack_type: return "reserved multitrack type";
    case header_fault::nested_multitrack: return "multitrack inside multitrack";
    case header_fault::track_too_long: return "a track announces more bytes than follow";
    case header_fault::too_many_tracks: return "more than 256 tracks";
    case header_fault::too_many_extensions: return "more than 256 extensions";
    case header_fault::empty_body: return "a picture or configuration without bytes";
    case header_fault::broken_body: return "a body that breaks its own format";
    case header_fault::odd_record: return "a configuration record that its codec does not allow";
    case header_fault::repeated_track: return "one track twice";
    case header_fault::trailing_bytes: return "bytes behind the end";
    case header_fault::bad_nano_offset: return "a nanosecond offset of less than 3 bytes or over 999999";
  }
  return "unknown fault";
}

ex_walk::ex_walk(frame_kind kind, base::bytes_view payload) : payload_(payload), in_(payload) {
  head_.kind = kind;
  if (is_enhanced(kind, payload)) ended_ = !read_head();
}

// Keeps the worst. False if the message is unreadable.
bool ex_walk::note(header_fault f, std::size_t at) {
  if (grade_of(f) > grade_of(fault_)) {
    fault_ = f;
    fault_at_ = at;
  }
  return !is_unreadable(f);
}

const ex_track* ex_walk::stop(header_fault f, std::size_t at) {
  note(f, at);
  ended_ = true;
  return nullptr;
}

// Steps over the ModEx chain, if there is one.
bool ex_walk::read_mod_ex() {
  for (std::size_t count = 0; (payload_[head_.packet_at] & 15) == packet_mod_ex; ++count) {
    const auto start = in_.position();
    if (count == extensions_max) return note(header_fault::too_many_extensions, start);
    const auto small = in_.u8();
    if (!small) return note(header_fault::cut_short, start);
    std::size_t size = std::size_t{*small} + 1;
    if (size == 256) {
      const auto large = in_.u16();
      if (!large) return note(header_fault::cut_short, start + 1);
      size = std::size_t{*large} + 1;
    }
    const auto data_at = in_.position();
    const auto data = in_.take(size);
    head_.packet_at = in_.position();
    const auto next = in_.u8();
    if (!data || !next) return note(header_fault::cut_short, data_at);
    if (*next >> 4 != mod_ex_nano_offset) continue;  // kinds that come later: their length is known, and that is enough
    const auto nanos = base::byte_reader(*data).u24();
    if (nanos && *nanos <= nano_offset_max) {
      head_.nano_offset = *nanos;
    } else {
      note(header_fault::bad_nano_offset, data_at);  // worth less than a millisecond: no reason to lose the picture
    }
  }
  return true;
}

bool ex_walk::take_packet(std::uint8_t number, std::size_t at) {
  const auto packet = packet_of(head_.kind, number);
  if (!packet) return note(header_fault::reserved_packet_type, at);
  head_.packet = *packet;
  const bool coded = *packet == ex_packet::coded_frames || *packet == ex_packet::coded_frames_x;
  // Senders are known to leave the frame type 0 where it decides nothing.
  if (head_.kind == frame_kind::video && coded && (head_.frame_type < frame_type_key || head_.frame_type > frame_type_generated_key)) {
    return note(header_fault::reserved_frame_type, 0);
  }
  return true;
}

// False if there are no tracks to walk.
bool ex_walk::read_head() {
  const std::uint8_t first = *in_.u8();
  const bool video = head_.kind == frame_kind::video;
  if (video) head_.frame_type = (first >> 4) & 7;
  if (!read_mod_ex()) return false;
  const std::uint8_t number = payload_[head_.packet_at] & 15;

  if (video && head_.frame_type == frame_type_command && packet_of(head_.kind, number) != ex_packet::metadata) {
    head_.packet = ex_packet::command;
    const auto command = in_.u8();
    if (!command) return note(header_fault::cut_short, payload_.size());
    head_.command = *command;
    if (!in_.at_end()) note(header_fault::trailing_bytes, in_.position());
    return false;
  }

  if (number == multitrack_of(head_.kind)) {
    head_.form = ex_form::one_track;  // whatever it turns out to be: not a message for peers without multitrack
    const auto at = in_.position();
    const auto types = in_.u8();
    if (!types) return note(header_fault::cut_short, at);
    if (*types >> 4 > 2) return note(header_fault::reserved_multitrack_type, at);
    head_.form = static_cast<ex_form>((*types >> 4) + 1);
    if ((*types & 15) == number) return note(header_fault::nested_multitrack, at);
    if (!take_packet(*types & 15, at)) return false;
  } else if (!take_packet(number, head_.packet_at)) {
    return false;
  }
  if (head_.form == ex_form::many_tracks_many_codecs) return true;
  const auto at = in_.position();
  const auto codec = in_.u32();
  if (!codec) return note(header_fault::cut_short, at);
  codec_ = *codec;
  return true;
}

const ex_track* ex_walk::next() {
  if (ended_) return nullptr;
  if (tracks_++ == tracks_max) return stop(header_fault::too_many_tracks, in_.position());
  auto& track = track_ = {};
  track.codec = codec_;
  std::size_t size = 0;
  if (head_.form == ex_form::many_tracks_many_codecs) {
    const auto codec = in_.u32();
    if (!codec) return stop(header_fault::cut_short, in_.position());
    track.codec = *codec;
  }
  if (head_.form != ex_form::single) {
    const auto at = in_.position();
    const auto id = in_.u8();
    if (!id) return stop(header_fault::cut_short, at);
    track.id = *id;
    if (seen_[*id]) note(header_fault::repeated_track, at);
    seen_.set(*id);
  }
  const bool sized = head_.form == ex_form::many_tracks || head_.form == ex_form::many_tracks_many_codecs;
  if (sized) {
    const auto at = in_.position();
    const auto announced = in_.u24();
    if (!announced) return stop(header_fault::cut_short, at);
    if (*announced > in_.remaining()) return stop(header_fault::track_too_long, at);
    size = *announced;
  } else {
    size = in_.remaining();
  }
  track.content_at = in_.position();
  track.content = track.body = *in_.take(size);
  ended_ = in_.at_end();
  judge();
  return is_unreadable(fault_) ? nullptr : &track_;
}

// Whether there is in the content what the packet promises.
void ex_walk::judge() {
  auto& track = track_;
  const auto content = track.content;
  switch (head_.packet) {
    case ex_packet::coded_frames:
      if (head_.kind == frame_kind::audio) break;  // without a body: silence
      if (has_composition_time(track.codec)) {
        if (content.size() < 3) {
          // Alone in the message it is cut short; among tracks with sizes it is just this one that has nothing.
          if (head_.form == ex_form::single || head_.form == ex_form::one_track) {
            stop(header_fault::cut_short, track.content_at);
          } else {
            note(header_fault::empty_body, track.content_at);
          }
          return;
        }
        track.composition_ms = signed24(content);
        track.body = content.subspan(3);
      }
      [[fallthrough]];
    case ex_packet::coded_frames_x:
    case ex_packet::mpeg2ts_sequence_start:
      if (!track.body.empty()) break;
      note(header_fault::empty_body, track.content_at);
      return;
    case ex_packet::sequence_start:
      // A start without a record configures nothing; kept, it would push out one that does.
      if (content.empty() && !may_start_empty(track.codec)) {
        note(header_fault::empty_body, track.content_at);
        return;
      }
      if (!is_plausible_record(track.codec, content)) note(header_fault::odd_record, track.content_at);
      break;
    case ex_packet::sequence_end:
      if (!content.empty()) note(header_fault::trailing_bytes, track.content_at);
      break;
    case ex_packet::metadata:
      if (content.empty() || color_info_of(content) == color_info::broken) {
        note(content.empty() ? header_fault::empty_body : header_fault::broken_body, track.content_at);
        return;
      }
      break;
    case ex_packet::multichannel_config: {
      const auto layout = decode_channel_layout(content);
      if (!layout) {
        note(content.empty() ? header_fault::empty_body : header_fault::broken_body, track.content_at);
        return;
      }
      if (layout->bytes < content.size()) note(header_fault::trailing_bytes, track.content_at + layout->bytes);
      break;
    }
    case ex_packet::command: return;
  }
  track.usable = true;
}

// What stands ahead of a track alone, up to the byte with the packet type.
void ex_walk::put_head(base::byte_writer& out, std::uint8_t packet) const {
  auto upper = static_cast<std::uint8_t>(payload_[head_.packet_at] & 0xF0);
  if (head_.packet_at <= chain_copied_max) {
    out.bytes(payload_.first(head_.packet_at));
  } else {
    upper = static_cast<std::uint8_t>(payload_[0] & 0xF0);
    if (head_.nano_offset) {
      out.u8(static_cast<std::uint8_t>(upper | packet_mod_ex)).u8(2).u24(*head_.nano_offset);
      upper = mod_ex_nano_offset << 4;
    }
  }
  out.u8(static_cast<std::uint8_t>(upper | packet));
}

base::slice ex_walk::as_single(const ex_track& track) const {
  base::byte_writer out;
  put_head(out, number_of(head_.kind, head_.packet).value_or(0));
  return joined(out.u32(track.codec).view(), track.content);
}

base::slice ex_walk::as_one_track(const ex_track& track) const {
  base::byte_writer out;
  put_head(out, multitrack_of(head_.kind));
  out.u8(number_of(head_.kind, head_.packet).value_or(0));  // its upper half is OneTrack, which is 0
  return joined(out.u32(track.codec).u8(track.id).view(), track.content);
}

base::slice encode(const ex_message& m) {
  const bool video = m.kind == frame_kind::video;
  const bool is_command = m.packet == ex_packet::command;
  const bool many_codecs = m.form == ex_form::many_tracks_many_codecs;
  const bool sized = m.form == ex_form::many_tracks || many_codecs;
  const auto packet = is_command ? std::optional<std::uint8_t>(0) : number_of(m.kind, m.packet);
  if (m.kind == frame_kind::data || !packet || (is_command && !video)) return {};
  if (!is_command && (m.tracks.empty() || (!sized && m.tracks.size() != 1))) return {};
  if (video && !is_command && m.form != ex_form::single && m.frame_type == frame_type_command) return {};
  if (!is_command && !many_codecs) {
    const auto codec = m.tracks.front().codec;
    if (std::any_of(m.tracks.begin(), m.tracks.end(), [codec](const auto& t) { return t.codec != codec; })) return {};
  }

  base::byte_writer out;
  const auto frame_type = is_command ? std::uint8_t{frame_type_command} : m.frame_type;
  // The upper half of the byte that the next packet type goes into: of the first byte, then of each ModEx.
  auto upper = static_cast<std::uint8_t>(video ? 0x80 | (frame_type & 7) << 4 : 0x90);
  const auto put_mod_ex = [&](std::uint8_t type, base::bytes_view data) {
    if (data.empty() || data.size() > 0x10000) return false;
    out.u8(static_cast<std::uint8_t>(upper | packet_mod_ex));
    if (data.size() < 256) {
      out.u8(static_cast<std::uint8_t>(data.size() - 1));
    } else {
      out.u8(255).u16(static_cast<std::uint16_t>(data.size() - 1));
    }
    out.bytes(data);
    upper = static_cast<std::uint8_t>(type << 4);
    return true;
  };
  if (m.nano_offset) {
    base::byte_writer nanos;
    if (!put_mod_ex(mod_ex_nano_offset, nanos.u24(*m.nano_offset).view())) return {};
  }
  for (const auto& extension : m.extensions) {
    if (!put_mod_ex(extension.type, extension.data)) return {};
  }

  const bool wrapped = m.form != ex_form::single && !is_command;
  out.u8(static_cast<std::uint8_t>(upper | (wrapped ? multitrack_of(m.kind) : *packet)));
  if (is_command) return std::move(out.u8(m.command)).take_slice();
  if (wrapped) out.u8(static_cast<std::uint8_t>((static_cast<std::uint8_t>(m.form) - 1) << 4 | *packet));
  if (!many_codecs) out.u32(m.tracks.front().codec);
  for (const auto& track : m.tracks) {
    const bool timed = video && m.packet == ex_packet::coded_frames && has_composition_time(track.codec);
    const std::size_t size = track.body.size() + (timed ? 3 : 0);
    if (size > 0xFFFFFF) return {};
    if (many_codecs) out.u32(track.codec);
    if (wrapped) out.u8(track.id);
    if (sized) out.u24(static_cast<std::uint32_t>(size));
    if (timed) out.u24(static_cast<std::uint32_t>(track.composition_ms) & 0xFFFFFF);
    out.bytes(track.body);
  }
  return std::move(out).take_slice();
}

}  // namespace millrace::media
