// The two bodies that E-RTMP itself defines, beside what the codecs define: channel layouts and video metadata.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/slice.hpp"

namespace millrace::media {

// Body of MultichannelConfig (E-RTMP v2 "AudioChannelOrder"). The views are into the body that was read.
struct channel_layout {
  enum class order : std::uint8_t { unspecified = 0, native = 1, custom = 2 };
  order by = order::unspecified;
  std::uint8_t channels = 0;
  std::uint32_t mask = 0;        // native: AudioChannelMask
  base::bytes_view speakers;     // custom: AudioChannel for each channel, 0xfe unused, 0xff unknown
  std::size_t bytes = 0;         // that it took of the body

  static constexpr std::uint8_t unused = 0xfe, unknown = 0xff;
};

// Nothing for a reserved order, no channels at all, or a body that is too short for what it announces.
std::optional<channel_layout> decode_channel_layout(base::bytes_view body);
std::vector<std::uint8_t> encode_channel_layout(const channel_layout& layout);

// What a Metadata packet says about "colorInfo", the one pair that is defined (E-RTMP v2 "Metadata Frame").
enum class color_info : std::uint8_t {
  none,    // nothing: only pairs that have no meaning yet
  set,     // the colours of what follows; replaces what was said before
  reset,   // back to the original colours: undefined, null or an object with nothing in it
  opaque,  // AMF3, which connections may have agreed upon: cannot be read here, so it is taken for news
  broken,  // no AMF, or cut short
};
// The last pair counts. Linear; AMF0 deeper than 16 levels is broken.
color_info color_info_of(base::bytes_view body);

}  // namespace millrace::media
