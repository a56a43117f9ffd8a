#include "conform/chunk_log.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "base/bytes.hpp"

namespace millrace::conform {
namespace {

constexpr std::uint32_t extended_mark = 0xFFFFFF;

bool is_obeyed(rtmp::message_type type) { return type == rtmp::message_type::set_chunk_size || type == rtmp::message_type::abort; }

}  // namespace

chunk_log::state* chunk_log::find(std::uint32_t csid) {
  const auto found = std::find_if(streams_.begin(), streams_.end(), [csid](const state& s) { return s.csid == csid; });
  return found == streams_.end() ? nullptr : &*found;
}

void chunk_log::fail(std::uint32_t csid, const std::string& what) {
  fault_ = "chunk " + std::to_string(chunks_.size()) + " on chunk stream " + std::to_string(csid) + ": " + what;
}

void chunk_log::feed(base::bytes_view some) {
  while (!some.empty() && fault_.empty()) {
    if (left_ == 0) {
      header_.push_back(some.front());
      some = some.subspan(1);
      on_header();
      continue;
    }
    const auto part = some.first(std::min<std::size_t>(some.size(), left_));
    auto& s = *find(csid_);
    if (is_obeyed(s.last.type)) append(control_, part);
    left_ -= static_cast<std::uint32_t>(part.size());
    s.left -= static_cast<std::uint32_t>(part.size());
    some = some.subspan(part.size());
    if (s.left == 0) on_payload_end();
  }
}

// Looks whether header_ is whole; section 5.3.1.
void chunk_log::on_header() {
  base::byte_reader from(header_);
  const auto first = *from.u8();
  seen_chunk c;
  c.format = first >> 6;
  c.csid = first & 63u;
  if (c.csid == 0) {
    const auto low = from.u8();
    if (!low) return;
    c.csid = 64u + *low;
    c.basic_header_bytes = 2;
  } else if (c.csid == 1) {
    const auto low = from.u8();
    const auto high = from.u8();
    if (!low || !high) return;
    c.csid = 64u + *low + 256u * *high;
    c.basic_header_bytes = 3;
  }
  const auto* s = find(c.csid);
  if (!s && c.format > 1) return fail(c.csid, "format " + std::to_string(c.format) + " on an unused chunk stream");
  if (c.format != 3 && s && s->left != 0) return fail(c.csid, "format " + std::to_string(c.format) + " inside an unfinished message");
  if (s) {
    c.length = s->last.length;
    c.type = s->last.type;
    c.msid = s->last.msid;
    c.field = s->last.field;
    c.extended = s->last.extended;
  }
  constexpr std::array<std::size_t, 4> sizes{11, 7, 3, 0};
  if (from.remaining() < sizes[c.format]) return;
  if (c.format < 3) {
    c.field = *from.u24();
    c.extended = c.field == extended_mark;
  }
  if (c.format < 2) {
    c.length = *from.u24();
    c.type = static_cast<rtmp::message_type>(*from.u8());
  }
  if (c.format == 0) c.msid = *from.u32_le();
  std::uint32_t extended_field = 0;
  if (c.extended) {
    const auto value = from.u32();
    if (!value) return;
    extended_field = *value;
  }
  header_.clear();
  on_chunk(c, extended_field);
}

void chunk_log::on_chunk(seen_chunk c, std::uint32_t extended_field) {
  auto* s = find(c.csid);
  if (!s) {
    s = &streams_.emplace_back();
    s->csid = c.csid;
  }
  if (c.extended) {
    if (c.format == 3 && extended_field != c.field && extended_field != s->last.timestamp) {
      return fail(c.csid, "format 3 does not repeat the extended timestamp of its message");
    }
    if (c.format != 3) c.field = extended_field;
  }
  c.starts = s->left == 0;
  // Format 3 that starts a message: the delta of the one before, which after format 0 is that timestamp (section 5.3.1.2.4).
  c.timestamp = !c.starts ? s->last.timestamp : c.format == 0 ? c.field : s->last.timestamp + c.field;
  if (c.starts) s->left = c.length;
  s->last = c;
  chunks_.push_back(c);
  csid_ = c.csid;
  left_ = std::min(chunk_size_, s->left);
  if (left_ == 0) on_payload_end();
}

// A whole message is there.
void chunk_log::on_payload_end() {
  const auto type = find(csid_)->last.type;
  if (!is_obeyed(type)) return;
  const auto body = std::exchange(control_, {});
  const auto value = base::byte_reader(body).u32();
  if (!value) return fail(csid_, "control message of " + std::to_string(body.size()) + " bytes");
  if (type == rtmp::message_type::abort) {
    if (auto* s = find(*value)) s->left = 0;
  } else if (*value == 0 || *value > 0x7FFF'FFFFu) {
    fail(csid_, "chunk size " + std::to_string(*value));
  } else {
    chunk_size_ = *value;
  }
}

}  // namespace millrace::conform
