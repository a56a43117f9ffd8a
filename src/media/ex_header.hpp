// The enhanced header of audio and video messages, read and written: ModEx chain, multitrack forms, FourCC, and where the body of each
// track lies (E-RTMP v2 "ExVideoTagHeader", "ExAudioTagHeader"). What a message means for a stream: media/tag_header.hpp.
#pragma once
#include <bitset>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "base/slice.hpp"
#include "media/codec.hpp"
#include "media/frame.hpp"

namespace millrace::media {

// FLV 10.1 annex E.4.3.1, the same numbers in both headers. Generated key frames are made by servers; a decoder starts on them as well.
enum frame_type : std::uint8_t {
  frame_type_key = 1,
  frame_type_inter = 2,
  frame_type_disposable = 3,
  frame_type_generated_key = 4,
  frame_type_command = 5,
};

// VideoPacketType and AudioPacketType, which number alike what they share. Multitrack and ModEx are no packets but wrappers: see
// ex_form and ex_head.
enum class ex_packet : std::uint8_t {
  sequence_start,
  coded_frames,
  sequence_end,
  coded_frames_x,          // video: the composition time is zero and not sent
  metadata,                // video: AMF pairs, such as colorInfo; the frame type means nothing
  mpeg2ts_sequence_start,  // video
  multichannel_config,     // audio
  command,                 // video: a seek starts or ends; not a packet type, but frame type 5 without Metadata
};

enum class ex_form : std::uint8_t {
  single,                   // no multitrack wrapper: the message is of track 0
  one_track,                // AvMultitrackType.OneTrack: the track runs to the end
  many_tracks,              // each track with its size
  many_tracks_many_codecs,  // and with its FourCC
};

// What a message may hold: as many tracks as there are ids, and extensions (ModEx) in a row. A header is read several times on its way
// through a server, and a message of 16 MiB would have room for millions of either.
constexpr std::size_t tracks_max = 256;
constexpr std::size_t extensions_max = 256;

// What is wrong with a message. Three grades, because a relay that stops at every oddity shows nothing, and one that trusts a broken
// header shows rubbish to everybody who comes later.
enum class header_fault : std::uint8_t {
  none,
  // The message cannot be read. It may be passed on, but nothing is concluded from it.
  cut_short,                 // it ends inside a field
  reserved_frame_type,       // of coded frames; elsewhere it means nothing
  reserved_packet_type,
  reserved_multitrack_type,
  nested_multitrack,
  track_too_long,            // a track announces more bytes than follow
  too_many_tracks,           // more than tracks_max
  too_many_extensions,       // more than extensions_max
  // A track of it holds nothing to use: a picture or configuration without bytes, or one that breaks the format that E-RTMP gives it.
  empty_body,
  broken_body,
  // Odd, and without consequence.
  odd_record,                // a codec's configuration record that its decoder will refuse; which is the decoder's to decide
  repeated_track,
  trailing_bytes,
  bad_nano_offset,           // less than 3 bytes, or over 999,999 ns
};
constexpr bool is_unreadable(header_fault f) { return f >= header_fault::cut_short && f <= header_fault::too_many_extensions; }
std::string_view text_of(header_fault f);  // "a track announces more bytes than follow"

// Whether a message has the enhanced header. An empty one has not: in audio it marks silence.
constexpr bool is_enhanced(frame_kind kind, base::bytes_view payload) {
  if (payload.empty() || kind == frame_kind::data) return false;
  return kind == frame_kind::video ? (payload.front() & 0x80) != 0 : payload.front() >> 4 == 9;
}

// What stands ahead of the tracks and holds for all of them.
struct ex_head {
  frame_kind kind = frame_kind::video;
  std::uint8_t frame_type = 0;  // of video; 0 in audio
  ex_packet packet = ex_packet::coded_frames;
  ex_form form = ex_form::single;
  std::uint8_t command = 0;     // of ex_packet::command: 0 start of a seek, 1 its end
  // TimestampOffsetNano, 0 to 999,999: adds to the presentation time of this message only, never to the time on the wire.
  std::optional<std::uint32_t> nano_offset;
  // The byte whose low half is the packet type, or the multitrack mark: the first one, or the last of the ModEx chain.
  std::size_t packet_at = 0;
};

struct ex_track {
  std::uint8_t id = 0;
  std::uint32_t codec = 0;           // FourCC, known or not
  bool usable = false;               // false: nothing but its id and codec holds (header_fault::empty_body, broken_body)
  std::int32_t composition_ms = 0;   // where the codec and the packet have one
  std::size_t content_at = 0;        // offset of `content` in the message
  base::bytes_view content;          // all of the track: composition time and body
  base::bytes_view body;
};

// Walks one message: a step for each track and extension, no allocation, never past its end. Everything handed out is a view of the
// payload, which must stay.
//
//   ex_walk walk(f.kind, f.payload);
//   while (const auto* track = walk.next()) …
//   if (is_unreadable(walk.fault())) …
class ex_walk {
 public:
  // For messages that is_enhanced() says yes to; with others there is nothing to walk.
  ex_walk(frame_kind kind, base::bytes_view payload);

  [[nodiscard]] const ex_head& head() const noexcept { return head_; }
  // The next track in order of the message, usable or not, until next() is called again; null at the end, or where the message becomes
  // unreadable. A command has none.
  const ex_track* next();
  // The worst that was seen so far (the first of a grade) and the offset of the field in question. Final once next() gave null.
  [[nodiscard]] header_fault fault() const noexcept { return fault_; }
  [[nodiscard]] std::size_t fault_at() const noexcept { return fault_at_; }

  // Of a ModEx chain with more bytes a track alone keeps the nanosecond offset only: each track gets a copy.
  static constexpr std::size_t chain_copied_max = 256;
  // A track of this walk as a message of its own: without the wrapper, as for a peer that knows no multitrack, …
  [[nodiscard]] base::slice as_single(const ex_track& track) const;
  // … or in the OneTrack form. Not for Metadata with the frame type of a command: inside a wrapper that would be a command.
  [[nodiscard]] base::slice as_one_track(const ex_track& track) const;

 private:
  bool read_head();
  bool read_mod_ex();
  bool take_packet(std::uint8_t number, std::size_t at);
  void put_head(base::byte_writer& out, std::uint8_t packet) const;
  void judge();
  bool note(header_fault f, std::size_t at);
  const ex_track* stop(header_fault f, std::size_t at);

  base::bytes_view payload_;
  base::byte_reader in_;
  ex_head head_;
  std::uint32_t codec_ = 0;  // of all tracks, unless each has its own
  ex_track track_;
  bool ended_ = true;
  std::bitset<256> seen_;  // ids
  std::size_t tracks_ = 0;
  header_fault fault_ = header_fault::none;
  std::size_t fault_at_ = 0;
};

// A message to be written: the other direction of ex_walk.
struct ex_message {
  struct mod_ex {
    std::uint8_t type = 0;           // 0 is TimestampOffsetNano, which `nano_offset` writes as well
    std::vector<std::uint8_t> data;  // 1 to 65536 bytes
  };
  struct track {
    std::uint8_t id = 0;
    std::uint32_t codec = 0;
    std::vector<std::uint8_t> body;
    std::int32_t composition_ms = 0;
  };

  frame_kind kind = frame_kind::video;
  ex_packet packet = ex_packet::coded_frames;
  std::uint8_t frame_type = frame_type_key;
  ex_form form = ex_form::single;
  std::vector<track> tracks;
  std::optional<std::uint32_t> nano_offset;
  std::vector<mod_ex> extensions;
  std::uint8_t command = 0;
};

// Empty if no message can say it: a packet of the other kind, ModEx data or a track too long, not one track where the form holds one,
// several codecs where it holds one, the frame type of a command in multitrack.
base::slice encode(const ex_message& m);

}  // namespace millrace::media
