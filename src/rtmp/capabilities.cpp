#include "rtmp/capabilities.hpp"

#include <algorithm>

#include "rtmp/amf0.hpp"

namespace millrace::rtmp {
namespace {

constexpr std::string_view wildcard = "*";
constexpr std::size_t fourcc_bytes = 4;

std::uint32_t lower(std::uint32_t fourcc) {
  for (int shift = 0; shift < 32; shift += 8) {
    if (const auto c = fourcc >> shift & 0xFF; c >= 'A' && c <= 'Z') fourcc |= 0x20U << shift;
  }
  return fourcc;
}

std::string name_of(std::uint32_t fourcc) {
  if (fourcc == codec_table::any) return std::string(wildcard);
  std::string out;
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(fourcc >> shift);
  return out;
}

// Flags of a number as a peer sends it. What is no whole number of 32 bits says nothing.
std::uint32_t flags_from(const amf0::value* v) {
  const auto* number = v ? v->number() : nullptr;
  if (!number || !(*number >= 0 && *number <= 4294967295.0)) return 0;
  return static_cast<std::uint32_t>(*number);
}

void read_list(const amf0::value& object, codec_table& into) {
  const auto* list = object.find("fourCcList");
  if (!list) return;
  into.announced = true;
  // A strict array of strings; an ECMA array of them comes from encoders without strict ones.
  if (const auto* strict = std::get_if<amf0::strict_array>(&list->get())) {
    for (const auto& item : strict->items) {
      if (const auto* name = item.text()) into.add(*name, can_decode_flag | can_forward_flag);
    }
  } else if (const auto* members = list->members()) {
    for (const auto& m : *members) {
      if (const auto* name = m.val.text()) into.add(*name, can_decode_flag | can_forward_flag);
    }
  }
}

void read_map(const amf0::value& object, std::string_view property, codec_table& into) {
  const auto* map = object.find(property);
  if (!map) return;
  into.announced = true;
  const auto* members = map->members();
  if (!members) return;
  for (const auto& m : *members) into.add(m.name, flags_from(&m.val));
}

void append_map(std::vector<amf0::member>& to, const char* property, const codec_table& table) {
  if (!table.announced) return;
  amf0::object map;
  for (const auto& e : table.entries) map.members.push_back({name_of(e.fourcc), static_cast<double>(e.flags)});
  to.push_back({property, std::move(map)});
}

}  // namespace

void codec_table::add(std::string_view name, std::uint32_t flags) {
  announced = true;
  std::uint32_t fourcc = any;
  if (name.size() == fourcc_bytes) {
    for (const char c : name) fourcc = fourcc << 8 | static_cast<std::uint8_t>(c);
    if (fourcc == any) return;  // four NULs
  } else if (name != wildcard) {
    return;
  }
  entries.push_back({fourcc, flags});
}

std::uint32_t codec_table::flags_of(std::uint32_t fourcc) const {
  std::uint32_t flags = 0;
  for (const auto& e : entries) {
    if (e.fourcc == any) return e.flags;
    if (lower(e.fourcc) == lower(fourcc)) flags = e.flags;  // as with all AMF objects, the last of a name counts
  }
  return flags;
}

std::uint32_t peer_capabilities::flags_of(media::frame_kind kind, std::uint32_t fourcc) const {
  const auto& map = kind == media::frame_kind::video ? video : audio;
  return list.flags_of(fourcc) | map.flags_of(fourcc);
}

bool peer_capabilities::can_decode(media::frame_kind kind, std::uint32_t fourcc) const {
  return (flags_of(kind, fourcc) & can_decode_flag) != 0;
}

bool peer_capabilities::takes(media::frame_kind kind, std::uint32_t fourcc) const {
  if (kind == media::frame_kind::data) return true;
  const auto& map = kind == media::frame_kind::video ? video : audio;
  if (!list.announced && !map.announced) return true;
  return (flags_of(kind, fourcc) & (can_decode_flag | can_forward_flag)) != 0;
}

peer_capabilities own_capabilities() {
  peer_capabilities own;
  // The single names are for servers that compare strings and know no "*".
  for (const char* name : {"avc1", "hvc1", "vvc1", "av01", "vp08", "vp09", "mp4a", "Opus", "fLaC", "ac-3", "ec-3", ".mp3", "*"}) {
    own.list.add(name, can_forward_flag);
  }
  own.video.add(wildcard, can_forward_flag);
  own.audio.add(wildcard, can_forward_flag);
  own.caps_ex = caps_reconnect | caps_multitrack | caps_mod_ex | caps_timestamp_nano_offset;
  own.video_function = video_function_seek | video_function_hdr | video_function_metadata;
  return own;
}

void read_capabilities(const amf0::value& object, peer_capabilities& into) {
  read_list(object, into.list);
  read_map(object, "videoFourCcInfoMap", into.video);
  read_map(object, "audioFourCcInfoMap", into.audio);
  into.caps_ex |= flags_from(object.find("capsEx"));
  into.video_function |= flags_from(object.find("videoFunction"));
}

void append_capabilities(std::vector<amf0::member>& to, const peer_capabilities& what, bool with_video_function) {
  if (with_video_function && what.video_function != 0) to.push_back({"videoFunction", static_cast<double>(what.video_function)});
  if (what.list.announced) {
    amf0::strict_array list;
    for (const auto& e : what.list.entries) list.items.emplace_back(name_of(e.fourcc));
    to.push_back({"fourCcList", std::move(list)});
  }
  append_map(to, "videoFourCcInfoMap", what.video);
  append_map(to, "audioFourCcInfoMap", what.audio);
  if (what.caps_ex != 0) to.push_back({"capsEx", static_cast<double>(what.caps_ex)});
}

std::string fourcc_text(std::uint32_t fourcc) {
  std::string out;
  for (int shift = 24; shift >= 0; shift -= 8) {
    const auto c = static_cast<char>(fourcc >> shift & 0xFF);
    out += c > 0x20 && c < 0x7F ? c : '?';
  }
  return out;
}

}  // namespace millrace::rtmp
