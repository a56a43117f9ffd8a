// Owned, shared, immutable bytes: what travels between the layers instead of copies.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace::base {

using bytes_view = std::span<const std::uint8_t>;

inline bytes_view as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
inline std::string_view as_text(bytes_view bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// A view of a buffer together with a share of its ownership. Copying a slice copies the share, never the
// bytes. The bytes never change once a slice exists (QUIC keeps pointers to them until acknowledged).
// Thread-safe like a shared_ptr: distinct slices of one buffer may live on distinct threads.
class slice {
 public:
  slice() = default;
  // Takes the vector over without copying it.
  explicit slice(std::vector<std::uint8_t> bytes) {
    auto owner = std::make_shared<const std::vector<std::uint8_t>>(std::move(bytes));
    view_ = {owner->data(), owner->size()};
    owner_ = std::move(owner);
  }
  // Bytes that `owner` keeps alive.
  slice(std::shared_ptr<const void> owner, bytes_view view) : owner_(std::move(owner)), view_(view) {}
  static slice copy_of(bytes_view bytes) { return slice(std::vector<std::uint8_t>(bytes.begin(), bytes.end())); }

  [[nodiscard]] const std::uint8_t* data() const noexcept { return view_.data(); }
  [[nodiscard]] std::size_t size() const noexcept { return view_.size(); }
  [[nodiscard]] bool empty() const noexcept { return view_.empty(); }
  [[nodiscard]] bytes_view view() const noexcept { return view_; }
  operator bytes_view() const noexcept { return view_; }  // NOLINT: a slice is readable as bytes

  // The part [offset, offset + count), clamped to what there is.
  [[nodiscard]] slice sub(std::size_t offset, std::size_t count = static_cast<std::size_t>(-1)) const {
    if (offset > view_.size()) offset = view_.size();
    if (count > view_.size() - offset) count = view_.size() - offset;
    return slice(owner_, view_.subspan(offset, count));
  }

 private:
  std::shared_ptr<const void> owner_;
  bytes_view view_;
};

}  // namespace millrace::base
