#include "record/flv_head.hpp"

#include <algorithm>
#include <array>

#include "base/bytes.hpp"
#include "media/amf_skip.hpp"
#include "media/flv.hpp"

namespace millrace::record {
namespace {

namespace amf = media::amf;
using base::byte_reader;
using base::byte_writer;

constexpr std::string_view name = "onMetaData";
constexpr std::size_t file_header_bytes = 13, tag_header_bytes = 11, trailer_bytes = 4;
constexpr std::size_t number_bytes = 9;
// "keyframes" as an object of two arrays, and the fillers of an array of that many.
constexpr std::size_t index_room = 96 + flv_index_max * 2 * number_bytes;
// A publisher that says more than this of itself is cut short; the index is worth more to a player.
constexpr std::size_t publisher_bytes_max = 32u << 10;
// What this file says itself.
constexpr std::array<std::string_view, 14> own{"duration",  "filesize", "keyframes", "filler",      "hasKeyframes",          "hasVideo",      "hasAudio",
                                               "hasMetadata", "canSeekToEnd", "lasttimestamp", "lastkeyframetimestamp", "metadatacreator", "millrace_stream", "millrace_start"};

struct member {
  std::string_view name;
  base::bytes_view value;  // with its marker
};

// The members of the object or array that an onMetaData message carries, as far as they can be read.
std::vector<member> members_of(base::bytes_view body) {
  std::vector<member> out;
  byte_reader in(body);
  if (in.u8() != std::uint8_t{amf::amf_string}) return out;
  const auto said = amf::take_short_text(in);
  if (!said || base::as_text(*said) != name) return out;
  const auto kind = in.u8();
  if (kind == std::uint8_t{amf::amf_ecma_array}) in.skip(4);
  else if (kind != std::uint8_t{amf::amf_object}) return out;
  while (const auto key = amf::take_short_text(in)) {
    const auto from = in.position();
    if (key->empty() || !amf::skip_value(in, 1)) break;
    out.push_back({base::as_text(*key), body.subspan(from, in.position() - from)});
  }
  return out;
}

void put_name(byte_writer& out, std::string_view text) { out.u16(static_cast<std::uint16_t>(text.size())).text(text); }
void put_number(byte_writer& out, std::string_view text, double value) {
  put_name(out, text);
  out.u8(amf::amf_number).f64(value);
}
void put_bool(byte_writer& out, std::string_view text, bool value) {
  put_name(out, text);
  out.u8(amf::amf_boolean).u8(value ? 1 : 0);
}
void put_text(byte_writer& out, std::string_view text, std::string_view value) {
  put_name(out, text);
  out.u8(amf::amf_string);
  put_name(out, value);
}
template <class Value>
void put_array(byte_writer& out, std::string_view text, const std::vector<flv_facts::key>& keys, Value value) {
  put_name(out, text);
  out.u8(amf::amf_strict_array).u32(static_cast<std::uint32_t>(keys.size()));
  for (const auto& k : keys) out.u8(amf::amf_number).f64(value(k));
}

// So many bytes that say nothing. Readers have small buffers for a text (FFmpeg's takes 1023 bytes) and show the texts that have a name, so it is an
// array of several.
constexpr std::size_t filler_bytes_min = 2 + 6 + 1 + 4;
void put_filler(byte_writer& out, std::size_t bytes) {
  constexpr std::size_t around = 1 + 2, text_max = 1000;
  std::vector<std::size_t> texts;
  for (auto left = bytes - filler_bytes_min; left >= around;) {
    auto some = std::min(left, around + text_max);
    if (left != some && left - some < around) some -= around;  // the last one has room for what is around it
    texts.push_back(some - around);
    left -= some;
  }
  put_name(out, "filler");
  out.u8(amf::amf_strict_array).u32(static_cast<std::uint32_t>(texts.size()));
  for (const auto size : texts) {
    out.u8(amf::amf_string);
    put_name(out, std::string(size, ' '));
  }
}

// The body, filled up to `size` if that is not 0. Fillers stand in front of the index's place, so that everything behind stays where it is.
std::vector<std::uint8_t> body_of(const std::vector<member>& publisher, std::string_view stream, std::string_view start, const flv_facts& facts, std::size_t size) {
  byte_writer out;
  out.u8(amf::amf_string);
  put_name(out, name);
  // The count is a hint, and right.
  const bool index = !facts.keys.empty();
  const auto count = publisher.size() + 9 + (index ? 1 : 0) + 1;
  out.u8(amf::amf_ecma_array).u32(static_cast<std::uint32_t>(count));
  put_number(out, "duration", static_cast<double>(facts.duration_ms) / 1000);
  put_number(out, "filesize", static_cast<double>(facts.file_bytes));
  for (const auto& m : publisher) {
    put_name(out, m.name);
    out.bytes(m.value);
  }
  put_bool(out, "hasVideo", facts.has_video);
  put_bool(out, "hasAudio", facts.has_audio);
  put_bool(out, "hasMetadata", true);
  put_bool(out, "hasKeyframes", index);
  put_text(out, "metadatacreator", "millrace");
  put_text(out, "millrace_stream", stream);
  put_text(out, "millrace_start", start);
  if (index) {
    put_name(out, "keyframes");
    out.u8(amf::amf_object);
    put_array(out, "times", facts.keys, [](const auto& k) { return static_cast<double>(k.ms) / 1000; });
    put_array(out, "filepositions", facts.keys, [](const auto& k) { return static_cast<double>(k.at); });
    out.u16(0).u8(amf::amf_object_end);
  }
  constexpr std::size_t end_bytes = 3;
  const auto used = out.size() + end_bytes;
  const auto wanted = size == 0 ? used + filler_bytes_min + index_room : size;
  if (wanted < used + filler_bytes_min) return {};
  put_filler(out, wanted - used);
  out.u16(0).u8(amf::amf_object_end);
  return std::move(out).take();
}

base::slice whole(const std::vector<std::uint8_t>& body, bool has_audio, bool has_video) {
  byte_writer out;
  out.bytes(media::flv::encode_header(has_audio, has_video));
  const auto size = static_cast<std::uint32_t>(body.size());
  out.u8(static_cast<std::uint8_t>(media::frame_kind::data)).u24(size).u24(0).u8(0).u24(0);
  out.bytes(body).u32(size + static_cast<std::uint32_t>(tag_header_bytes));
  return std::move(out).take_slice();
}

bool is_own(std::string_view member_name) { return std::ranges::find(own, member_name) != own.end(); }

std::vector<member> publishers(base::bytes_view message) {
  std::vector<member> kept;
  std::size_t bytes = 0;
  for (const auto& m : members_of(message)) {
    bytes += m.name.size() + m.value.size() + 2;
    if (bytes > publisher_bytes_max) break;
    if (!is_own(m.name)) kept.push_back(m);
  }
  return kept;
}

// The body of the first tag, if that is metadata and all of it is there.
base::bytes_view first_body(base::bytes_view file) {
  byte_reader in(file);
  const auto signature = in.take(3);
  if (!signature || base::as_text(*signature) != "FLV" || !in.skip(10) || in.u8() != static_cast<std::uint8_t>(media::frame_kind::data)) return {};
  const auto size = in.u24();
  if (!size || !in.skip(7)) return {};
  return in.take(*size).value_or(base::bytes_view{});
}

std::optional<std::string> text_of(const std::vector<member>& of, std::string_view wanted) {
  for (const auto& m : of) {
    if (m.name == wanted && m.value.size() >= 3 && m.value.front() == amf::amf_string) return std::string(base::as_text(m.value.subspan(3)));
  }
  return std::nullopt;
}

}  // namespace

base::slice make_flv_head(base::bytes_view publisher, std::string_view stream, std::string_view start) {
  return whole(body_of(publishers(publisher), stream, start, {}, 0), true, true);
}

std::optional<base::slice> with_facts(base::bytes_view head, const flv_facts& facts) {
  const auto body = first_body(head);
  const auto members = members_of(body);
  const auto stream = text_of(members, "millrace_stream"), start = text_of(members, "millrace_start");
  if (!stream || !start) return std::nullopt;
  auto fitting = facts;
  while (fitting.keys.size() > flv_index_max) {
    std::size_t to = 0;
    for (std::size_t from = 0; from < fitting.keys.size(); from += 2) fitting.keys[to++] = fitting.keys[from];
    fitting.keys.resize(to);
  }
  const auto made = body_of(publishers(body), *stream, *start, fitting, body.size());
  if (made.size() != body.size()) return std::nullopt;
  return whole(made, facts.has_audio, facts.has_video);
}

std::optional<flv_head_mark> read_flv_head(base::bytes_view file) {
  const auto body = first_body(file);
  const auto members = members_of(body);
  auto stream = text_of(members, "millrace_stream"), start = text_of(members, "millrace_start");
  if (!stream || !start) return std::nullopt;
  flv_head_mark mark{std::move(*stream), std::move(*start), file_header_bytes + tag_header_bytes + body.size() + trailer_bytes, 0};
  for (const auto& m : members) {
    if (m.name != "duration" || m.value.empty() || m.value.front() != amf::amf_number) continue;
    byte_reader number(m.value.subspan(1));
    const auto seconds = number.f64().value_or(0);
    if (seconds > 0 && seconds < 1e9) mark.duration_ms = static_cast<std::int64_t>(seconds * 1000 + 0.5);
  }
  return mark;
}

}  // namespace millrace::record
