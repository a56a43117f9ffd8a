// What a peer says in connect, or in the answer to it, that it can do beyond RTMP 1.0 (E-RTMP v2 "Enhancing NetConnection connect
// Command"). What it did not say stays empty, which is not the same as "cannot": OBS sends E-RTMP payload and announces nothing.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "media/frame.hpp"

namespace millrace::rtmp {

namespace amf0 {
class value;
struct member;
}  // namespace amf0

// FourCcInfoMask.
inline constexpr std::uint32_t can_decode_flag = 1, can_encode_flag = 2, can_forward_flag = 4;
// CapsExMask; bits of later versions are ignored.
inline constexpr std::uint32_t caps_reconnect = 1, caps_multitrack = 2, caps_mod_ex = 4, caps_timestamp_nano_offset = 8;
// videoFunction.
inline constexpr std::uint32_t video_function_seek = 1, video_function_hdr = 2, video_function_metadata = 4,
                               video_function_large_scale_tile = 8;

// One list of codecs with their flags: fourCcList, videoFourCcInfoMap or audioFourCcInfoMap.
struct codec_table {
  static constexpr std::uint32_t any = 0;  // "*"
  struct entry {
    std::uint32_t fourcc = any;  // as spelled by the peer
    std::uint32_t flags = 0;
  };
  bool announced = false;  // the property was there, however empty
  std::vector<entry> entries;

  // A name that is neither four characters nor "*" is left out.
  void add(std::string_view name, std::uint32_t flags);
  // 0 where the codec is not listed. "*" overrides the flags of single codecs. Upper and lower case are the same, because the
  // specification itself writes both.
  [[nodiscard]] std::uint32_t flags_of(std::uint32_t fourcc) const;
};

struct peer_capabilities {
  codec_table list;  // fourCcList: codecs that the peer can take, audio and video alike
  codec_table video, audio;
  std::uint32_t caps_ex = 0;
  std::uint32_t video_function = 0;

  [[nodiscard]] bool reconnect() const { return (caps_ex & caps_reconnect) != 0; }
  [[nodiscard]] bool multitrack() const { return (caps_ex & caps_multitrack) != 0; }
  [[nodiscard]] bool mod_ex() const { return (caps_ex & caps_mod_ex) != 0; }
  [[nodiscard]] bool timestamp_nano_offset() const { return (caps_ex & caps_timestamp_nano_offset) != 0; }
  // Metadata packets (HDR) are understood.
  [[nodiscard]] bool video_metadata() const { return (video_function & (video_function_hdr | video_function_metadata)) != 0; }
  // Anything of E-RTMP was said.
  [[nodiscard]] bool enhanced() const { return list.announced || video.announced || audio.announced || caps_ex != 0; }

  // The flags that all lists together give a codec; of `kind`, because "*" in the map of one kind says nothing about the other.
  [[nodiscard]] std::uint32_t flags_of(media::frame_kind kind, std::uint32_t fourcc) const;
  [[nodiscard]] bool can_decode(media::frame_kind kind, std::uint32_t fourcc) const;
  // Whether media of this FourCC may be sent to this peer: it decodes or forwards it, or said nothing about codecs of that kind.
  [[nodiscard]] bool takes(media::frame_kind kind, std::uint32_t fourcc) const;
};

// What millrace says of itself in both roles: payload of any codec goes through unchanged, and every bit of CapsExMask holds.
peer_capabilities own_capabilities();

// Adds what `object` (command object, properties or information object) says to `into`.
void read_capabilities(const amf0::value& object, peer_capabilities& into);
// The reverse. Maps, list and capsEx are written where they were announced, videoFunction only if `with_video_function`: in connect it
// is a player's property.
void append_capabilities(std::vector<amf0::member>& to, const peer_capabilities& what, bool with_video_function);

// "hvc1" of 0x68766331; a byte that is not printable shows as '?'.
std::string fourcc_text(std::uint32_t fourcc);

}  // namespace millrace::rtmp
