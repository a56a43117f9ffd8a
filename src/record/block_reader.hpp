// Small reads of a file served from blocks, for who goes from header to header in either direction.
#pragma once
#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "record/scan.hpp"

namespace millrace::record {

class block_reader {
 public:
  block_reader(read_at read, std::uint64_t size, std::size_t block_bytes) : read_(std::move(read)), size_(size), block_bytes_(block_bytes) {}

  // Exactly these bytes, until the next call; empty if they are not all there. `failed()` tells a disk that does not answer from the end.
  base::bytes_view get(std::uint64_t at, std::size_t count) {
    if (at > size_ || count > size_ - at) return {};
    if (at < begin_ || at + count > begin_ + block_.size()) load(at, count);
    const auto from = at - begin_;
    if (from > block_.size() || block_.size() - from < count) return {};
    return base::bytes_view(block_).subspan(static_cast<std::size_t>(from), count);
  }
  [[nodiscard]] bool failed() const noexcept { return failed_; }
  [[nodiscard]] std::uint64_t size() const noexcept { return size_; }

 private:
  void load(std::uint64_t at, std::size_t count) {
    const auto wanted = std::max(count, block_bytes_);
    // Going back: the block ends with what is asked for.
    const bool back = at < begin_ && begin_ - at <= block_bytes_;
    begin_ = back && at + count > wanted ? at + count - wanted : back ? 0 : at;
    auto got = read_(begin_, static_cast<std::size_t>(std::min<std::uint64_t>(wanted, size_ - begin_)));
    failed_ = failed_ || !got;
    block_ = std::move(got).value_or(std::vector<std::uint8_t>());
  }

  const read_at read_;
  const std::uint64_t size_;
  const std::size_t block_bytes_;
  std::uint64_t begin_ = 0;
  std::vector<std::uint8_t> block_;
  bool failed_ = false;
};

}  // namespace millrace::record
