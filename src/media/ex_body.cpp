#include "media/ex_body.hpp"

#include "base/bytes.hpp"

namespace millrace::media {
namespace {

using base::byte_reader;

// AMF0 markers (AMF0 section 2.1). A decoder of our own, that only steps over values: rtmp/amf0 lies above this folder.
enum marker : std::uint8_t {
  amf_number = 0x00,
  amf_boolean = 0x01,
  amf_string = 0x02,
  amf_object = 0x03,
  amf_null = 0x05,
  amf_undefined = 0x06,
  amf_reference = 0x07,
  amf_ecma_array = 0x08,
  amf_object_end = 0x09,
  amf_strict_array = 0x0A,
  amf_date = 0x0B,
  amf_long_string = 0x0C,
  amf_unsupported = 0x0D,
  amf_xml = 0x0F,
  amf_typed_object = 0x10,
};
// An AMF3 string: how the first name begins when the connection speaks AMF3.
constexpr std::uint8_t amf3_string = 0x06;
constexpr int depth_max = 16;

std::optional<base::bytes_view> take_short_text(byte_reader& in) {
  const auto size = in.u16();
  return size ? in.take(*size) : std::nullopt;
}

bool skip_long_text(byte_reader& in) {
  const auto size = in.u32();
  return size && in.skip(*size);
}

bool skip_value(byte_reader& in, int depth);

// Counts the members before the object end; nothing if it does not come.
std::optional<std::size_t> skip_members(byte_reader& in, int depth) {
  if (depth >= depth_max) return std::nullopt;
  for (std::size_t count = 0;; ++count) {
    const auto key = take_short_text(in);
    if (!key) return std::nullopt;
    if (key->empty() && !in.at_end() && in.rest().front() == amf_object_end) {
      (void)in.skip(1);
      return count;
    }
    if (!skip_value(in, depth + 1)) return std::nullopt;
  }
}

bool skip_value(byte_reader& in, int depth) {
  const auto kind = in.u8();
  if (!kind) return false;
  switch (*kind) {
    case amf_number: return in.skip(8);
    case amf_boolean: return in.skip(1);
    case amf_string: return take_short_text(in).has_value();
    case amf_object: return skip_members(in, depth).has_value();
    case amf_null:
    case amf_undefined:
    case amf_unsupported: return true;
    case amf_reference: return in.skip(2);
    case amf_ecma_array: return in.skip(4) && skip_members(in, depth).has_value();
    case amf_strict_array: {
      const auto count = in.u32();
      if (!count || depth >= depth_max) return false;
      // Every value takes a byte at least, so a count beyond the body ends with the body.
      for (std::uint32_t i = 0; i < *count; ++i) {
        if (!skip_value(in, depth + 1)) return false;
      }
      return true;
    }
    case amf_date: return in.skip(10);
    case amf_long_string:
    case amf_xml: return skip_long_text(in);
    case amf_typed_object: return take_short_text(in).has_value() && skip_members(in, depth).has_value();
    default: return false;
  }
}

// The value of a "colorInfo".
color_info take_color(byte_reader& in) {
  if (in.at_end()) return color_info::broken;
  const std::uint8_t kind = in.rest().front();
  if (kind == amf_undefined || kind == amf_null) {
    (void)in.skip(1);
    return color_info::reset;
  }
  if (kind == amf_object || kind == amf_ecma_array) {
    if (!in.skip(kind == amf_object ? 1 : 5)) return color_info::broken;
    const auto members = skip_members(in, 0);
    if (!members) return color_info::broken;
    return *members == 0 ? color_info::reset : color_info::set;
  }
  return skip_value(in, 0) ? color_info::set : color_info::broken;
}

}  // namespace

std::optional<channel_layout> decode_channel_layout(base::bytes_view body) {
  byte_reader in(body);
  const auto by = in.u8();
  const auto channels = in.u8();
  if (!by || !channels || *channels == 0 || *by > static_cast<std::uint8_t>(channel_layout::order::custom)) return std::nullopt;
  channel_layout layout;
  layout.by = static_cast<channel_layout::order>(*by);
  layout.channels = *channels;
  if (layout.by == channel_layout::order::native) {
    const auto mask = in.u32();
    if (!mask) return std::nullopt;
    layout.mask = *mask;
  } else if (layout.by == channel_layout::order::custom) {
    const auto speakers = in.take(*channels);
    if (!speakers) return std::nullopt;
    layout.speakers = *speakers;
  }
  layout.bytes = in.position();
  return layout;
}

std::vector<std::uint8_t> encode_channel_layout(const channel_layout& layout) {
  base::byte_writer out;
  out.u8(static_cast<std::uint8_t>(layout.by)).u8(layout.channels);
  if (layout.by == channel_layout::order::native) out.u32(layout.mask);
  if (layout.by == channel_layout::order::custom) out.bytes(layout.speakers);
  return std::move(out).take();
}

color_info color_info_of(base::bytes_view body) {
  if (body.empty()) return color_info::broken;
  if (body.front() == amf3_string) return color_info::opaque;
  byte_reader in(body);
  auto said = color_info::none;
  while (!in.at_end()) {
    if (in.u8() != std::uint8_t{amf_string}) return color_info::broken;
    const auto name = take_short_text(in);
    if (!name) return color_info::broken;
    if (base::as_text(*name) != "colorInfo") {
      if (!skip_value(in, 0)) return color_info::broken;
      continue;
    }
    said = take_color(in);
    if (said == color_info::broken) return said;
  }
  return said;
}

}  // namespace millrace::media
