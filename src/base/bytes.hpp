// Cursors over bytes: bounds-checked reading, growing writing. Integers are big-endian unless named _le.
#pragma once
#include <bit>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/slice.hpp"

namespace millrace::base {

// Reads from a span and never past its end: every getter says whether the bytes were there.
// The span must outlive the reader and what it returns.
class byte_reader {
 public:
  explicit byte_reader(bytes_view bytes) : bytes_(bytes) {}

  [[nodiscard]] std::size_t position() const noexcept { return position_; }
  [[nodiscard]] std::size_t remaining() const noexcept { return bytes_.size() - position_; }
  [[nodiscard]] bool at_end() const noexcept { return remaining() == 0; }
  [[nodiscard]] bytes_view rest() const noexcept { return bytes_.subspan(position_); }

  std::optional<std::uint8_t> u8() { return number<std::uint8_t>(1); }
  std::optional<std::uint16_t> u16() { return number<std::uint16_t>(2); }
  std::optional<std::uint32_t> u24() { return number<std::uint32_t>(3); }
  std::optional<std::uint32_t> u32() { return number<std::uint32_t>(4); }
  std::optional<std::uint64_t> u64() { return number<std::uint64_t>(8); }
  std::optional<double> f64() {
    auto bits = u64();
    if (!bits) return std::nullopt;
    return std::bit_cast<double>(*bits);
  }
  std::optional<std::uint32_t> u32_le() {
    auto value = u32();
    if (!value) return std::nullopt;
    return __builtin_bswap32(*value);
  }
  std::optional<bytes_view> take(std::size_t count) {
    if (count > remaining()) return std::nullopt;
    auto part = bytes_.subspan(position_, count);
    position_ += count;
    return part;
  }
  bool skip(std::size_t count) { return take(count).has_value(); }

 private:
  template <class N>
  std::optional<N> number(std::size_t width) {
    if (width > remaining()) return std::nullopt;
    N value = 0;
    for (std::size_t i = 0; i < width; ++i) value = static_cast<N>((std::uint64_t{value} << 8) | bytes_[position_ + i]);
    position_ += width;
    return value;
  }
  bytes_view bytes_;
  std::size_t position_ = 0;
};

// Appends to a vector it owns.
class byte_writer {
 public:
  byte_writer() = default;
  // Room for so many bytes at once: one allocation instead of a growing one.
  explicit byte_writer(std::size_t expected) { bytes_.reserve(expected); }

  byte_writer& u8(std::uint8_t v) { bytes_.push_back(v); return *this; }
  byte_writer& u16(std::uint16_t v) { return number(v, 2); }
  byte_writer& u24(std::uint32_t v) { return number(v, 3); }
  byte_writer& u32(std::uint32_t v) { return number(v, 4); }
  byte_writer& u64(std::uint64_t v) { return number(v, 8); }
  byte_writer& f64(double v) { return u64(std::bit_cast<std::uint64_t>(v)); }
  byte_writer& u32_le(std::uint32_t v) { return u32(__builtin_bswap32(v)); }
  byte_writer& bytes(bytes_view v) { bytes_.insert(bytes_.end(), v.begin(), v.end()); return *this; }
  byte_writer& text(std::string_view v) { return bytes(as_bytes(v)); }

  [[nodiscard]] std::size_t size() const noexcept { return bytes_.size(); }
  [[nodiscard]] bytes_view view() const noexcept { return bytes_; }
  [[nodiscard]] std::vector<std::uint8_t> take() && { return std::move(bytes_); }
  [[nodiscard]] slice take_slice() && { return slice(std::move(bytes_)); }

 private:
  byte_writer& number(std::uint64_t v, int width) {
    for (int i = width - 1; i >= 0; --i) bytes_.push_back(static_cast<std::uint8_t>(v >> (8 * i)));
    return *this;
  }
  std::vector<std::uint8_t> bytes_;
};

}  // namespace millrace::base
