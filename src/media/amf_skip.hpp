// AMF0 values stepped over, for who wants a member of an object or the place of one, and no tree of values: rtmp/amf0 lies above this folder.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/bytes.hpp"

namespace millrace::media::amf {

// AMF0 section 2.1.
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

// The functions read nothing past the end, take linear time and give up at 16 levels. `depth`: how many levels the value is below the top.

// A name or a short string behind its marker: 16 bits of length and the bytes.
std::optional<base::bytes_view> take_short_text(base::byte_reader& in);
bool skip_value(base::byte_reader& in, int depth);
// Counts the members before the object end; nothing if it does not come.
std::optional<std::size_t> skip_members(base::byte_reader& in, int depth);

}  // namespace millrace::media::amf
