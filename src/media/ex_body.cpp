#include "media/ex_body.hpp"

#include "base/bytes.hpp"
#include "media/amf_skip.hpp"

namespace millrace::media {
namespace {

using base::byte_reader;
using namespace amf;

// An AMF3 string: how the first name begins when the connection speaks AMF3.
constexpr std::uint8_t amf3_string = 0x06;

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
