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
  explicit ahead(read_at read) : read_(std::move(read)) {}
  bytes_view get(std::uint64_t at, std::size_t count) {
    if (at < begin_ || at + count > begin_ + block_.size()) {
      block_ = read_(at, std::max(count, block_bytes)).value_or(std::vector<std::uint8_t>());
      begin_ = at;
    }
    const auto from = static_cast<std::size_t>(at - begin_);
    return block_.size() - from < count ? bytes_view{} : bytes_view(block_).subspan(from, count);
  }

 private:
  const read_at read_;
  std::uint64_t begin_ = 0;
  std::vector<std::uint8_t> block_;
};

class flv_scan final : public file_scan {
 public:
  flv_scan(read_at read, std::uint64_t size) : in_(std::move(read)), size_(size) {}

  bool step() override {
    if (at_ == 0) return take_head();
    if (at_ + tag_header_bytes + trailer_bytes > size_) return false;
    const auto bytes = in_.get(at_, tag_header_bytes);
    if (bytes.empty()) return false;
    byte_reader tag(bytes);
    const auto type = static_cast<std::uint8_t>(tag.u8().value() & 0x1F);
    const std::uint64_t length = tag.u24().value();
    const auto low = tag.u24().value();
    const auto time = (std::uint32_t{tag.u8().value()} << 24) | low;
    const auto next = at_ + tag_header_bytes + length + trailer_bytes;
    if (next > size_) return false;
    const auto trailer = in_.get(next - trailer_bytes, trailer_bytes);
    if (trailer.empty() || byte_reader(trailer).u32() != tag_header_bytes + length) return false;
    at_ = facts_.whole_bytes = next;
    const bool video = type == static_cast<std::uint8_t>(media::frame_kind::video);
    if (video || type == static_cast<std::uint8_t>(media::frame_kind::audio)) take_time(time, video);
    return true;
  }

  [[nodiscard]] file_facts facts() const override {
    auto out = facts_;
    out.readable = first_.has_value();
    if (first_) out.duration_ms = newest_ - *first_ + std::min<std::int64_t>(video_step_, 1000);
    return out;
  }

 private:
  bool take_head() {
    const auto begin = in_.get(0, static_cast<std::size_t>(std::min<std::uint64_t>(flv_head_bytes_max, size_)));
    if (begin.size() < 13 || base::as_text(begin.first(3)) != "FLV") return false;
    if (const auto mark = read_flv_head(begin)) {
      facts_.stream = mark->stream;
      facts_.start = mark->start;
    }
    byte_reader head(begin.subspan(5));
    at_ = head.u32().value_or(9) + trailer_bytes;
    facts_.whole_bytes = std::min(at_, size_);
    return true;
  }

  void take_time(std::uint32_t time, bool video) {
    // As media::flv::reader: past 32 bits the time goes on.
    const auto ms = first_ ? last_ + static_cast<std::int32_t>(time - static_cast<std::uint32_t>(static_cast<std::uint64_t>(last_))) : std::int64_t{time};
    last_ = ms;
    if (!first_) first_ = newest_ = newest_video_ = ms;
    newest_ = std::max(newest_, ms);
    if (!video || ms <= newest_video_) return;
    video_step_ = ms - newest_video_;
    newest_video_ = ms;
  }

  ahead in_;
  const std::uint64_t size_;
  std::uint64_t at_ = 0;
  file_facts facts_;
  std::optional<std::int64_t> first_;
  std::int64_t last_ = 0, newest_ = 0, newest_video_ = 0, video_step_ = 0;
};

}  // namespace

std::unique_ptr<file_scan> begin_flv_scan(read_at read, std::uint64_t size) { return std::make_unique<flv_scan>(std::move(read), size); }

file_facts scan_flv(read_at read, std::uint64_t size) {
  flv_scan all(std::move(read), size);
  while (all.step()) {}
  return all.facts();
}

}  // namespace millrace::record
