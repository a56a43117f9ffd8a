#include "rtmp/roqr_frame.hpp"

#include <algorithm>
#include <limits>
#include <string>

#include "base/bytes.hpp"

namespace millrace::rtmp {
namespace {

constexpr std::uint64_t varint_max = (std::uint64_t{1} << 62) - 1;

// RFC 9000 section 16, in the shortest form.
void write_varint(base::byte_writer& to, std::uint64_t value) {
  value = std::min(value, varint_max);
  if (value < 1u << 6) {
    to.u8(static_cast<std::uint8_t>(value));
  } else if (value < 1u << 14) {
    to.u16(static_cast<std::uint16_t>(value | 0x4000u));
  } else if (value < 1u << 30) {
    to.u32(static_cast<std::uint32_t>(value | 0x8000'0000u));
  } else {
    to.u64(value | 0xc000'0000'0000'0000u);
  }
}

// Any form; the draft does not ask for the shortest.
std::optional<std::uint64_t> read_varint(base::byte_reader& from) {
  const auto first = from.u8();
  if (!first) return std::nullopt;
  std::uint64_t value = *first & 0x3fu;
  for (int left = (1 << (*first >> 6)) - 1; left > 0; --left) {
    const auto next = from.u8();
    if (!next) return std::nullopt;
    value = value << 8 | *next;
  }
  return value;
}

}  // namespace

base::send_chain encode_roqr(std::uint64_t flow, const message& m, const base::slice& head) {
  base::send_chain out;
  if (m.payload.empty()) return out;
  base::byte_writer header;
  write_varint(header, flow);
  write_varint(header, m.timestamp);
  header.u8(static_cast<std::uint8_t>(m.type));
  write_varint(header, m.msid);
  write_varint(header, m.csid);
  write_varint(header, m.payload.size());
  header.bytes(head);
  out.push_back(std::move(header).take_slice());
  out.push_back(m.payload.sub(head.size()));
  return out;
}

std::optional<std::uint64_t> roqr_reader::flow() const noexcept {
  if (!header_whole_) return std::nullopt;
  return frame_.flow;
}

std::size_t roqr_reader::message_limit() const {
  switch (frame_.message.type) {
    case message_type::audio:
    case message_type::video:
    case message_type::aggregate: return limits_->media_message_bytes;
    case message_type::data_amf0:
    case message_type::data_amf3: return limits_->data_message_bytes;
    default: return limits_->command_message_bytes;
  }
}

// True once the whole header is there. What was taken from `bytes` past its end is given back.
base::result<bool> roqr_reader::read_header(base::bytes_view& bytes) {
  const auto before = header_have_;
  const auto part = std::min(bytes.size(), header_.size() - before);
  std::copy_n(bytes.begin(), part, header_.begin() + static_cast<std::ptrdiff_t>(before));
  header_have_ += part;
  base::byte_reader in({header_.data(), header_have_});
  const auto flow = read_varint(in), timestamp = read_varint(in);
  const auto type = in.u8();
  const auto msid = read_varint(in), csid = read_varint(in), length = read_varint(in);
  if (!length) {  // the array holds the longest header, so all of `bytes` was taken
    bytes = bytes.subspan(part);
    return false;
  }
  bytes = bytes.subspan(in.position() - before);
  header_have_ = in.position();
  frame_.flow = *flow;
  frame_.message.type = static_cast<message_type>(*type);
  // RTMP counts modulo 2^32, and its receivers widen; a peer that counts on past that is understood as well.
  frame_.message.timestamp = static_cast<std::uint32_t>(*timestamp);
  constexpr auto id_max = std::numeric_limits<std::uint32_t>::max();
  if (*msid > id_max || *csid > id_max) {
    return base::error{base::error_kind::protocol, "message stream id " + std::to_string(*msid) + ", chunk stream id " + std::to_string(*csid) +
                                                       ": RTMP has 32 bits for them"};
  }
  frame_.message.msid = static_cast<std::uint32_t>(*msid);
  frame_.message.csid = static_cast<std::uint32_t>(*csid);
  if (*length == 0) return base::error{base::error_kind::protocol, "a frame without payload"};
  if (*length > message_limit()) {
    return base::error{base::error_kind::limit, "message of type " + std::to_string(*type) + ": length " + std::to_string(*length) +
                                                    " > limit " + std::to_string(message_limit())};
  }
  length_ = static_cast<std::size_t>(*length);
  header_whole_ = true;
  return true;
}

base::result<std::optional<roqr_frame>> roqr_reader::next(base::bytes_view& bytes) {
  if (failed_) return *failed_;
  if (!header_whole_) {
    if (bytes.empty()) return std::optional<roqr_frame>{};
    const auto whole = read_header(bytes);
    if (!whole) {
      failed_ = whole.error().within("RoQR frame");
      return *failed_;
    }
    if (!*whole) return std::optional<roqr_frame>{};
  }
  const auto part = std::min(bytes.size(), length_ - payload_.size());
  payload_.append(bytes.first(part), length_);
  bytes = bytes.subspan(part);
  if (payload_.size() < length_) return std::optional<roqr_frame>{};
  header_have_ = 0;
  header_whole_ = false;
  auto whole = std::move(frame_);
  whole.message.payload = payload_.take();
  frame_ = {};
  return std::optional<roqr_frame>(std::move(whole));
}

}  // namespace millrace::rtmp
