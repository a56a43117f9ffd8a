#include "media/flv.hpp"

#include <algorithm>

#include "base/bytes.hpp"
#include "media/tag_header.hpp"

namespace millrace::media::flv {

base::slice encode_header(bool has_audio, bool has_video) {
  base::byte_writer out;
  const auto flags = static_cast<std::uint8_t>((has_audio ? 4 : 0) | (has_video ? 1 : 0));
  out.text("FLV").u8(1).u8(flags).u32(9).u32(0);
  return std::move(out).take_slice();
}

base::send_chain encode_tag(const frame& f) {
  base::send_chain chain;
  if (f.payload.size() > 0xFFFFFF) return chain;
  const auto size = static_cast<std::uint32_t>(f.payload.size());
  const auto timestamp = static_cast<std::uint32_t>(static_cast<std::uint64_t>(f.dts_ms));
  // Header and trailer share one buffer: one allocation a tag.
  base::byte_writer out(11 + 4);
  out.u8(static_cast<std::uint8_t>(f.kind)).u24(size).u24(timestamp & 0xFFFFFF).u8(static_cast<std::uint8_t>(timestamp >> 24));
  out.u24(0).u32(11 + size);
  const base::slice around = std::move(out).take_slice();
  chain.push_back(around.sub(0, 11));
  chain.push_back(f.head);
  chain.push_back(f.payload.sub(f.head.size()));
  chain.push_back(around.sub(11));
  return chain;
}

base::result<void> reader::fail(std::string text) {
  failed_ = base::error{base::error_kind::input, "flv: byte " + std::to_string(offset_) + ": " + std::move(text)};
  return *failed_;
}

bool reader::gather(base::bytes_view& bytes, std::size_t wanted) {
  const std::size_t count = std::min(wanted - fixed_used_, bytes.size());
  std::copy_n(bytes.begin(), count, fixed_.begin() + static_cast<std::ptrdiff_t>(fixed_used_));
  fixed_used_ += count;
  offset_ += count;
  bytes = bytes.subspan(count);
  if (fixed_used_ < wanted) return false;
  fixed_used_ = 0;
  return true;
}

base::result<void> reader::on_file_header() {
  if (fixed_[0] != 'F' || fixed_[1] != 'L' || fixed_[2] != 'V') return fail("no FLV signature");
  if (fixed_[3] != 1) return fail("FLV version " + std::to_string(fixed_[3]) + " is not 1");
  base::byte_reader in(base::bytes_view(fixed_).subspan(5, 4));
  const std::uint32_t data_offset = in.u32().value_or(0);
  // Annex E.2 leaves room for a longer header; a huge one can only be junk that happens to start with "FLV".
  if (data_offset < file_header_bytes || data_offset > 64 * 1024) return fail("header length " + std::to_string(data_offset));
  left_ = data_offset - file_header_bytes;
  step_ = step::file_header_rest;
  return {};
}

base::result<void> reader::on_tag_header() {
  base::byte_reader in{base::bytes_view(fixed_)};
  const std::uint8_t first = in.u8().value_or(0);
  if ((first & 0xC0) != 0) return fail("reserved bits of the tag type are set");
  if ((first & 0x20) != 0) return fail("encrypted tag");
  tag_bytes_ = left_ = in.u24().value_or(0);
  const std::uint32_t low = in.u24().value_or(0);
  timestamp_ = (std::uint32_t{in.u8().value_or(0)} << 24) | low;
  any_tag_ = true;
  const std::uint8_t type = first & 0x1F;
  const bool known = type == static_cast<std::uint8_t>(frame_kind::audio) || type == static_cast<std::uint8_t>(frame_kind::video) ||
                     type == static_cast<std::uint8_t>(frame_kind::data);
  step_ = known ? step::body : step::skipped_body;
  if (known) kind_ = static_cast<frame_kind>(type);
  return {};
}

base::result<void> reader::on_trailer() {
  base::byte_reader in{base::bytes_view(fixed_)};
  const std::uint32_t size = in.u32().value_or(0);
  // The right value is the body and its header. Writers that leave the header out or write zero are known; anything
  // else means that we are not where we think, and what follows would be junk taken for tags. PreviousTagSize0 is
  // not looked at: nothing precedes it.
  if (any_tag_ && size != 0 && size != tag_bytes_ && size != tag_bytes_ + tag_header_bytes) {
    return fail("previous tag size " + std::to_string(size) + " after a tag of " + std::to_string(tag_bytes_) + " bytes");
  }
  step_ = step::tag_header;
  return {};
}

void reader::on_body(base::instant now) {
  frame f;
  f.kind = kind_;
  // Serial arithmetic: the nearest time to the last one that has these 32 bits, so 2^32 is crossed without a jump.
  if (have_dts_) {
    const auto advance = static_cast<std::int32_t>(timestamp_ - static_cast<std::uint32_t>(static_cast<std::uint64_t>(last_dts_ms_)));
    f.dts_ms = last_dts_ms_ + advance;
  } else {
    f.dts_ms = timestamp_;
  }
  last_dts_ms_ = f.dts_ms;
  have_dts_ = true;
  f.payload = base::slice(std::move(body_));
  body_ = {};
  f.arrival = now;
  classify(f);
  frames_.push_back(std::move(f));
  step_ = step::tag_trailer;
}

base::result<void> reader::receive(base::instant now, base::bytes_view bytes) {
  if (failed_) return *failed_;
  // Empty bodies and header rests need no byte to be complete, but their turn comes with the next bytes only if they
  // are handled here: so each round first settles what is complete.
  while (true) {
    switch (step_) {
      case step::file_header:
        if (!gather(bytes, file_header_bytes)) return {};
        if (auto done = on_file_header(); !done) return done;
        break;
      case step::tag_header:
        if (!gather(bytes, tag_header_bytes)) return {};
        if (auto done = on_tag_header(); !done) return done;
        break;
      case step::tag_trailer:
        if (!gather(bytes, trailer_bytes)) return {};
        if (auto done = on_trailer(); !done) return done;
        break;
      case step::file_header_rest:
      case step::skipped_body:
      case step::body: {
        const auto part = bytes.first(std::min(left_, bytes.size()));
        if (step_ == step::body && body_.size() < kept_) {
          const auto wanted = part.first(std::min(part.size(), kept_ - body_.size()));
          body_.insert(body_.end(), wanted.begin(), wanted.end());
        }
        bytes = bytes.subspan(part.size());
        offset_ += part.size();
        left_ -= part.size();
        if (left_ > 0) return {};
        if (step_ == step::body) {
          on_body(now);
        } else {
          step_ = step::tag_trailer;
        }
        break;
      }
    }
  }
}

std::optional<frame> reader::poll_frame() {
  if (frames_.empty()) return std::nullopt;
  frame f = std::move(frames_.front());
  frames_.pop_front();
  return f;
}

}  // namespace millrace::media::flv
