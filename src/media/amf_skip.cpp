#include "media/amf_skip.hpp"

namespace millrace::media::amf {

using base::byte_reader;

namespace {

constexpr int depth_max = 16;

bool skip_long_text(byte_reader& in) {
  const auto size = in.u32();
  return size && in.skip(*size);
}

}  // namespace

std::optional<base::bytes_view> take_short_text(byte_reader& in) {
  const auto size = in.u16();
  return size ? in.take(*size) : std::nullopt;
}

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

}  // namespace millrace::media::amf
