#include "rtmp/chunk_reader.hpp"

#include <algorithm>
#include <string>

namespace millrace::rtmp {
namespace {

constexpr std::uint32_t extended_mark = 0xFFFFFF;
// Section 5.4.1: messages are at most 16777215 bytes long, so larger chunk sizes are equivalent.
constexpr std::uint32_t chunk_size_max = 0xFFFFFF;

std::uint32_t big_endian(const std::uint8_t* at, std::size_t width) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < width; ++i) value = (value << 8) | at[i];
  return value;
}

std::uint32_t little_endian_32(const std::uint8_t* at) { return __builtin_bswap32(big_endian(at, 4)); }

bool starts_like(const std::uint8_t* bytes, std::size_t count, std::uint32_t value) {
  for (std::size_t i = 0; i < count; ++i) {
    if (bytes[i] != static_cast<std::uint8_t>(value >> (24 - 8 * i))) return false;
  }
  return true;
}

}  // namespace

chunk_reader::chunk_reader(const base::shared_limits& limits, std::size_t partial_limit) : limits_(limits), partial_limit_(partial_limit) {}

base::error chunk_reader::failure(base::error_kind kind, std::string_view text) const {
  return base::error{kind, "chunk stream " + std::to_string(csid_) + ": " + std::string(text)};
}

std::size_t chunk_reader::message_limit(std::uint8_t type) const {
  switch (static_cast<message_type>(type)) {
    case message_type::audio:
    case message_type::video:
    case message_type::aggregate: return limits_->media_message_bytes;
    case message_type::data_amf0:
    case message_type::data_amf3: return limits_->data_message_bytes;
    default: return limits_->command_message_bytes;
  }
}

base::result<std::optional<message>> chunk_reader::next(base::bytes_view& bytes) {
  if (failed_) return *failed_;
  while (true) {
    const bool replaying = replay_at_ < replay_end_;
    if (!replaying && bytes.empty()) return std::optional<message>{};
    base::bytes_view again{replay_.data() + replay_at_, replay_end_ - replay_at_};
    auto done = step(replaying ? again : bytes);
    if (replaying) replay_at_ = replay_end_ - again.size();
    if (!done) {
      failed_ = done.error();
      return done;
    }
    if (done->has_value()) return done;
  }
}

// Fills header_ up to `count` bytes; true when they are all there.
bool chunk_reader::collect(base::bytes_view& in, std::size_t count) {
  const auto part = std::min(in.size(), count - header_have_);
  std::copy_n(in.begin(), part, header_.begin() + static_cast<std::ptrdiff_t>(header_have_));
  header_have_ += part;
  in = in.subspan(part);
  return header_have_ == count;
}

chunk_reader::step_result chunk_reader::step(base::bytes_view& in) {
  const step_result more = std::optional<message>{};
  switch (stage_) {
    case stage::basic_header: {
      if (!collect(in, std::max<std::size_t>(1, header_have_))) return more;
      const auto id = header_[0] & 0x3Fu;
      if (!collect(in, id == 0 ? 2 : id == 1 ? 3 : 1)) return more;
      // Section 5.3.1.1. A longer form than needed is accepted.
      csid_ = id == 0 ? header_[1] + 64u : id == 1 ? header_[2] * 256u + header_[1] + 64u : id;
      format_ = static_cast<std::uint8_t>(header_[0] >> 6);
      header_have_ = 0;
      return on_basic_header();
    }
    case stage::message_header: {
      constexpr std::array<std::size_t, 3> sizes{11, 7, 3};
      if (!collect(in, sizes[format_])) return more;
      header_have_ = 0;
      return on_message_header();
    }
    case stage::extended_time: {
      if (!collect(in, 4)) return more;
      header_have_ = 0;
      streams_[current_].field = big_endian(header_.data(), 4);
      return begin_chunk();
    }
    case stage::repeated_time: return on_repeated_time(in);
    case stage::payload: return on_payload(in);
  }
  return more;
}

chunk_reader::step_result chunk_reader::on_basic_header() {
  const auto found = std::find_if(streams_.begin(), streams_.end(), [this](const auto& s) { return s.csid == csid_; });
  if (found == streams_.end()) {
    // librtmp pings with format 1 on a chunk stream that it never used: the message stream is then 0. Formats 2 and 3 would
    // inherit a length and type that nobody sent.
    if (format_ >= 2) return failure(base::error_kind::protocol, "format " + std::to_string(format_) + " on an unused chunk stream");
    if (streams_.size() >= limits_->chunk_streams) {
      return failure(base::error_kind::limit, "more than " + std::to_string(limits_->chunk_streams) + " chunk streams");
    }
    current_ = streams_.size();
    streams_.emplace_back().csid = csid_;
  } else {
    current_ = static_cast<std::size_t>(found - streams_.begin());
  }
  auto& s = streams_[current_];
  if (format_ != 3) {
    if (s.in_message) {
      return failure(base::error_kind::protocol, "format " + std::to_string(format_) + " inside an unfinished message (" +
                                                     std::to_string(s.have) + " of " + std::to_string(s.length) + " bytes)");
    }
    stage_ = stage::message_header;
    return std::optional<message>{};
  }
  if (s.extended && habit_ != extended_habit::omits) {
    stage_ = stage::repeated_time;
    return std::optional<message>{};
  }
  return begin_chunk();
}

chunk_reader::step_result chunk_reader::on_message_header() {
  auto& s = streams_[current_];
  s.field = big_endian(header_.data(), 3);
  s.extended = s.field == extended_mark;
  if (format_ <= 1) {
    s.length = big_endian(header_.data() + 3, 3);
    s.type = header_[6];
  }
  if (format_ == 0) s.msid = little_endian_32(header_.data() + 7);
  if (s.length > message_limit(s.type)) {
    return failure(base::error_kind::limit, "message of type " + std::to_string(s.type) + ": length " + std::to_string(s.length) +
                                                " > limit " + std::to_string(message_limit(s.type)));
  }
  if (s.extended) {
    stage_ = stage::extended_time;
    return std::optional<message>{};
  }
  return begin_chunk();
}

// Section 5.3.1.3 repeats the extended timestamp in format 3; old rtmpdump and OBS do not. Until this peer has shown its habit, bytes
// that differ from what the field would hold are payload, and what looks like the field is the field. The comparison goes byte by
// byte, so that a message whose last chunk is shorter than the field is not held back.
chunk_reader::step_result chunk_reader::on_repeated_time(base::bytes_view& in) {
  auto& s = streams_[current_];
  while (header_have_ < 4) {
    if (!collect(in, header_have_ + 1)) return std::optional<message>{};
    if (habit_ == extended_habit::repeats) continue;
    // Some senders write the message's time where the delta belongs, some mask it to 31 bits.
    const bool alike = starts_like(header_.data(), header_have_, s.field) ||
                       (s.in_message && (starts_like(header_.data(), header_have_, s.timestamp) ||
                                         starts_like(header_.data(), header_have_, s.timestamp & 0x7FFF'FFFFu)));
    if (alike) continue;
    habit_ = extended_habit::omits;
    std::copy_n(header_.begin(), header_have_, replay_.begin());
    replay_at_ = 0;
    replay_end_ = header_have_;
    header_have_ = 0;
    return begin_chunk();
  }
  habit_ = extended_habit::repeats;
  header_have_ = 0;
  if (!s.in_message) s.field = big_endian(header_.data(), 4);
  return begin_chunk();
}

// The headers of a chunk are complete.
chunk_reader::step_result chunk_reader::begin_chunk() {
  auto& s = streams_[current_];
  if (!s.in_message) {
    // Format 3 that begins a message repeats the last delta, which after format 0 is that timestamp (section 5.3.1.2.4); FFmpeg,
    // librtmp and SRS read it like this too. We never send it.
    s.timestamp = format_ == 0 ? s.field : s.timestamp + s.field;
    s.in_message = true;
  }
  chunk_left_ = std::min(chunk_size_, s.length - s.have);
  if (chunk_left_ == 0) return finish_message();
  stage_ = stage::payload;
  return std::optional<message>{};
}

chunk_reader::step_result chunk_reader::on_payload(base::bytes_view& in) {
  auto& s = streams_[current_];
  const auto count = std::min<std::size_t>(in.size(), chunk_left_);
  const auto kept = std::min(count, kept_of(s) - s.payload.size());
  if (partial_bytes_ + kept > partial_limit_) {
    return failure(base::error_kind::limit, "unfinished messages hold more than " + std::to_string(partial_limit_) + " bytes");
  }
  s.payload.append(in.first(kept), kept_of(s));
  in = in.subspan(count);
  partial_bytes_ += kept;
  s.have += static_cast<std::uint32_t>(count);
  chunk_left_ -= static_cast<std::uint32_t>(count);
  if (chunk_left_ != 0) return std::optional<message>{};
  if (s.have == s.length) return finish_message();
  stage_ = stage::basic_header;
  return std::optional<message>{};
}

std::size_t chunk_reader::kept_of(const chunk_stream& s) const {
  const auto type = static_cast<message_type>(s.type);
  return type == message_type::audio || type == message_type::video ? std::min(s.length, limits_->media_message_kept) : s.length;
}

chunk_reader::step_result chunk_reader::finish_message() {
  auto& s = streams_[current_];
  message m;
  m.type = static_cast<message_type>(s.type);
  m.msid = s.msid;
  m.csid = s.csid;
  m.timestamp = s.timestamp;
  partial_bytes_ -= s.payload.size();
  m.payload = s.payload.take();
  s.have = 0;
  s.in_message = false;
  stage_ = stage::basic_header;
  if (m.type == message_type::set_chunk_size) {
    if (auto ok = apply_set_chunk_size(m.payload); !ok) return ok.error();
    return std::optional<message>{};
  }
  if (m.type == message_type::abort) {
    if (auto ok = apply_abort(m.payload); !ok) return ok.error();
    return std::optional<message>{};
  }
  return std::optional<message>(std::move(m));
}

base::result<void> chunk_reader::apply_set_chunk_size(base::bytes_view body) {
  if (body.size() < 4) return failure(base::error_kind::protocol, "Set Chunk Size of " + std::to_string(body.size()) + " bytes");
  const auto size = big_endian(body.data(), 4);
  if (size == 0 || size > 0x7FFF'FFFFu) return failure(base::error_kind::protocol, "chunk size " + std::to_string(size));
  chunk_size_ = std::min(size, chunk_size_max);
  return {};
}

base::result<void> chunk_reader::apply_abort(base::bytes_view body) {
  if (body.size() < 4) return failure(base::error_kind::protocol, "Abort Message of " + std::to_string(body.size()) + " bytes");
  const auto csid = big_endian(body.data(), 4);
  for (auto& s : streams_) {
    if (s.csid != csid) continue;
    partial_bytes_ -= s.payload.size();
    s.payload.clear();
    s.have = 0;
    s.in_message = false;
  }
  return {};
}

}  // namespace millrace::rtmp
