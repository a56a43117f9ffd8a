#include "conform/chunk.hpp"

#include <algorithm>

#include "base/bytes.hpp"

namespace millrace::conform {
namespace {

constexpr std::uint32_t needs_extension = 0xFFFFFF;

void write_basic_header(base::byte_writer& to, const chunk& c) {
  const auto form = static_cast<std::uint8_t>(c.format << 6);
  const int size = c.basic_header_bytes != 0 ? c.basic_header_bytes : c.csid < 64 ? 1 : c.csid < 320 ? 2 : 3;
  if (size == 1) {
    to.u8(static_cast<std::uint8_t>(form | c.csid));
  } else if (size == 2) {
    to.u8(form).u8(static_cast<std::uint8_t>(c.csid - 64));
  } else {  // section 5.3.1.1: the second byte plus 256 times the third
    to.u8(form | 1).u8(static_cast<std::uint8_t>((c.csid - 64) & 0xFF)).u8(static_cast<std::uint8_t>((c.csid - 64) >> 8));
  }
}

}  // namespace

bytes encode(const chunk& c) {
  base::byte_writer to;
  write_basic_header(to, c);
  if (c.format < 3) {
    to.u24(std::min(c.time, needs_extension));
    if (c.format < 2) to.u24(c.length).u8(static_cast<std::uint8_t>(c.type));
    if (c.format == 0) to.u32_le(c.msid);
    if (c.time >= needs_extension) to.u32(c.time);
  } else if (c.extended_time) {
    to.u32(*c.extended_time);
  }
  to.bytes(c.payload);
  return std::move(to).take();
}

bytes encode_as(const rtmp::message& m, unsigned format, std::uint32_t time, std::uint32_t chunk_size) {
  chunk c;
  c.format = format;
  c.csid = m.csid;
  c.time = time;
  c.length = static_cast<std::uint32_t>(m.payload.size());
  c.type = m.type;
  c.msid = m.msid;
  bytes out;
  std::size_t at = 0;
  do {
    const auto part = m.payload.sub(at, chunk_size);
    c.payload.assign(part.view().begin(), part.view().end());
    append(out, encode(c));
    at += part.size();
    c.format = 3;
    if (time >= needs_extension) c.extended_time = time;
  } while (at < m.payload.size());
  return out;
}

}  // namespace millrace::conform
