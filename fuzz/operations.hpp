// What targets share that fuzz operations and not only bytes: a reader that makes choices out of the input, and the trap.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "base/slice.hpp"

namespace millrace::fuzz {

// A property that does not hold ends the program, which is how libFuzzer learns of it.
// (std::source_location is what clang 14 does not have.)
inline void require(bool holds, const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
  if (holds) return;
  std::fprintf(stderr, "%s:%d: this does not hold\n", file, line);
  std::abort();
}

// Choices out of bytes. Where the input has ended every choice is 0, so a run ends when its loop asks more() first. One byte for each choice,
// wherever that is enough: libFuzzer changes bytes, and so changes operations one by one.
class operations {
 public:
  operations(const std::uint8_t* data, std::size_t size) : left_(data, size) {}

  [[nodiscard]] bool more() const noexcept { return !left_.empty(); }
  std::uint8_t byte() {
    if (left_.empty()) return 0;
    const auto first = left_.front();
    left_ = left_.subspan(1);
    return first;
  }
  // A number below `below`, which is at least 1.
  std::size_t operator()(std::size_t below) {
    if (below <= 256) return byte() % below;
    return number(below <= 65536 ? 2 : 8) % below;
  }
  bool chance() { return (byte() & 1) != 0; }
  // `bytes` of the input as a big-endian number.
  std::uint64_t number(unsigned bytes) {
    std::uint64_t value = 0;
    while (bytes-- > 0) value = value << 8 | byte();
    return value;
  }
  // Up to `most` bytes of the input; how many is its next byte (or two).
  base::bytes_view some(std::size_t most) {
    const auto count = std::min((*this)(most + 1), left_.size());
    const auto got = left_.first(count);
    left_ = left_.subspan(count);
    return got;
  }
  std::string text(std::size_t most) { return std::string(base::as_text(some(most))); }
  base::bytes_view rest() {
    const auto got = left_;
    left_ = {};
    return got;
  }

 private:
  base::bytes_view left_;
};

}  // namespace millrace::fuzz
