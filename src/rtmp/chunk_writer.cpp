#include "rtmp/chunk_writer.hpp"

#include <algorithm>
#include <vector>

#include "base/bytes.hpp"
#include "rtmp/control.hpp"

namespace millrace::rtmp {
namespace {

constexpr std::uint32_t extended_mark = 0xFFFFFF;
constexpr std::size_t message_bytes_max = 0xFFFFFF;

// Section 5.3.1.1, always the shortest form.
void put_basic_header(base::byte_writer& to, unsigned format, std::uint32_t csid) {
  const auto mark = format << 6;
  if (csid < 64) {
    to.u8(static_cast<std::uint8_t>(mark | csid));
  } else if (csid < 320) {
    to.u8(static_cast<std::uint8_t>(mark)).u8(static_cast<std::uint8_t>(csid - 64));
  } else {
    to.u8(static_cast<std::uint8_t>(mark | 1)).u8(static_cast<std::uint8_t>(csid - 64)).u8(static_cast<std::uint8_t>((csid - 64) >> 8));
  }
}

}  // namespace

base::send_chain encode_chunks(const message& m, std::uint32_t chunk_size, const base::slice& head) {
  base::send_chain out;
  const auto length = m.payload.size();
  if (length > message_bytes_max) return out;
  const bool extended = m.timestamp >= extended_mark;

  base::byte_writer headers;
  put_basic_header(headers, 0, m.csid);
  headers.u24(std::min(m.timestamp, extended_mark))
      .u24(static_cast<std::uint32_t>(length))
      .u8(static_cast<std::uint8_t>(m.type))
      .u32_le(m.msid);
  if (extended) headers.u32(m.timestamp);
  const auto first_size = headers.size();
  const auto chunks = length == 0 ? std::size_t{1} : (length + chunk_size - 1) / chunk_size;
  std::size_t next_size = 0;
  for (std::size_t i = 1; i < chunks; ++i) {
    const auto before = headers.size();
    put_basic_header(headers, 3, m.csid);
    if (extended) headers.u32(m.timestamp);
    next_size = headers.size() - before;
  }

  const auto put_body = [&](std::size_t at) {
    const auto end = std::min(length, at + chunk_size);
    if (at < head.size()) {
      out.push_back(head.sub(at, end - at));
      at = std::min(end, head.size());
    }
    out.push_back(m.payload.sub(at, end - at));
  };
  const auto all_headers = std::move(headers).take_slice();
  out.push_back(all_headers.sub(0, first_size));
  put_body(0);
  for (std::size_t i = 1; i < chunks; ++i) {
    out.push_back(all_headers.sub(first_size + (i - 1) * next_size, next_size));
    put_body(i * chunk_size);
  }
  return out;
}

base::send_chain chunk_writer::announce_chunk_size(std::uint32_t size) {
  auto out = encode(make_control(message_type::set_chunk_size, size));
  chunk_size_ = size;
  return out;
}

}  // namespace millrace::rtmp
