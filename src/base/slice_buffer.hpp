// Bytes that come in pieces and then are a slice, never copied for that.
#pragma once
#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>

#include "base/slice.hpp"

namespace millrace::base {

// The bytes and the count of their owners lie in one piece of memory: a live server keeps thousands of frames, and each piece more that one
// of them takes is memory and a cache line to fetch when it goes.
class slice_buffer {
 public:
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  // `size_max` is how many bytes it will hold in the end: memory follows what was appended, geometrically so that appending stays linear,
  // and never more than that, so that what is kept wastes nothing.
  void append(bytes_view more, std::size_t size_max) {
    if (more.empty()) return;
    const auto needed = size_ + more.size();
    if (needed > capacity_) {
      capacity_ = std::max(needed, std::min(size_max, capacity_ * 2));
      auto larger = std::make_shared_for_overwrite<std::uint8_t[]>(capacity_);
      if (size_ > 0) std::memcpy(larger.get(), bytes_.get(), size_);
      bytes_ = std::move(larger);
    }
    std::memcpy(bytes_.get() + size_, more.data(), more.size());
    size_ = needed;
  }
  // Empty then.
  slice take() {
    const auto size = std::exchange(size_, 0);
    capacity_ = 0;
    const auto* const begin = bytes_.get();
    return size == 0 ? slice() : slice(std::exchange(bytes_, nullptr), {begin, size});
  }
  void clear() { *this = {}; }

 private:
  std::shared_ptr<std::uint8_t[]> bytes_;
  std::size_t size_ = 0, capacity_ = 0;
};

}  // namespace millrace::base
