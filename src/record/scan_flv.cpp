#include <algorithm>

#include "base/bytes.hpp"
#include "media/frame.hpp"
#include "record/flv_head.hpp"
#include "record/scan.hpp"

namespace millrace::record {
namespace {

using base::byte_reader;
using base::bytes_view;

constexpr std::uint64_t tag_header_bytes = 11, trailer_bytes = 4;
// Tags are small: many headers come with one read.
constexpr std::size_t block_bytes = 1u << 18;

// Reads what is asked for from a block that is read ahead.
class ahead {
 public:
  explicit ahead(const read_at& read) : read_(read) {}
  bytes_view get(std::uint64_t at, std::size_t count) {
    if (at < begin_ || at + count > begin_ + block_.size()) {
      block_ = read_(at, std::max(count, block_bytes)).value_or(std::vector<std::uint8_t>());
      begin_ = at;
    }
    const auto from = static_cast<std::size_t>(at - begin_);
    return block_.size() - from < count ? bytes_view{} : bytes_view(block_).subspan(from, count);
  }

 private:
  const read_at& read_;
  std::uint64_t begin_ = 0;
  std::vector<std::uint8_t> block_;
};

}  // namespace

file_facts scan_flv(const read_at& read, std::uint64_t size) {
  file_facts facts;
  ahead in(read);
  const auto begin = read(0, flv_head_bytes_max).value_or(std::vector<std::uint8_t>());
  if (begin.size() < 13 || base::as_text(bytes_view(begin).first(3)) != "FLV") return facts;
  if (const auto mark = read_flv_head(begin)) {
    facts.stream = mark->stream;
    facts.start = mark->start;
  }
  byte_reader head(bytes_view(begin).subspan(5));
  std::uint64_t at = head.u32().value_or(9) + trailer_bytes;
  facts.whole_bytes = std::min(at, size);
  std::optional<std::int64_t> first, newest;
  std::int64_t last = 0, step = 0, newest_video = 0;
  while (at + tag_header_bytes + trailer_bytes <= size) {
    const auto bytes = in.get(at, tag_header_bytes);
    if (bytes.empty()) break;
    byte_reader tag(bytes);
    const auto type = static_cast<std::uint8_t>(tag.u8().value() & 0x1F);
    const std::uint64_t length = tag.u24().value();
    const auto low = tag.u24().value();
    const auto time = (std::uint32_t{tag.u8().value()} << 24) | low;
    const auto next = at + tag_header_bytes + length + trailer_bytes;
    if (next > size) break;
    const auto trailer = in.get(next - trailer_bytes, trailer_bytes);
    if (trailer.empty() || byte_reader(trailer).u32() != tag_header_bytes + length) break;
    at = next;
    facts.whole_bytes = at;
    const bool video = type == static_cast<std::uint8_t>(media::frame_kind::video);
    if (!video && type != static_cast<std::uint8_t>(media::frame_kind::audio)) continue;
    // As media::flv::reader: past 32 bits the time goes on.
    const auto ms = first ? last + static_cast<std::int32_t>(time - static_cast<std::uint32_t>(static_cast<std::uint64_t>(last))) : std::int64_t{time};
    last = ms;
    if (!first) {
      first = ms;
      newest_video = ms;
    }
    newest = std::max(newest.value_or(ms), ms);
    if (video && ms > newest_video) {
      step = ms - newest_video;
      newest_video = ms;
    }
  }
  facts.readable = first.has_value();
  if (first) facts.duration_ms = *newest - *first + std::min<std::int64_t>(step, 1000);
  return facts;
}

}  // namespace millrace::record
