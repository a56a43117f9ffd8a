// What a transport takes: a list of slices in sending order.
#pragma once
#include <cstddef>
#include <utility>
#include <vector>

#include "base/slice.hpp"

namespace millrace::base {

// There is deliberately no way to send a plain span: the transport holds the slices until TCP has written
// them or QUIC has them acknowledged, so every byte needs an owner.
class send_chain {
 public:
  send_chain() = default;
  explicit send_chain(slice one) { push_back(std::move(one)); }

  void push_back(slice part) {
    if (part.empty()) return;
    size_ += part.size();
    parts_.push_back(std::move(part));
  }
  void append(const send_chain& other) {
    parts_.insert(parts_.end(), other.parts_.begin(), other.parts_.end());
    size_ += other.size_;
  }
  // `other` is empty then, and keeps room for as many slices as either had.
  void append(send_chain&& other) {
    if (parts_.empty()) {
      std::swap(parts_, other.parts_);
      std::swap(size_, other.size_);
    } else {
      for (auto& part : other.parts_) parts_.push_back(std::move(part));
      size_ += other.size_;
    }
    other.clear();
  }
  // Hands every slice to `take(slice&&)`; empty then, with the room that it had.
  template <class Take>
  void drain(Take take) {
    for (auto& part : parts_) take(std::move(part));
    clear();
  }
  void clear() { parts_.clear(); size_ = 0; }

  [[nodiscard]] const std::vector<slice>& parts() const noexcept { return parts_; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }  // bytes
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  // All bytes in one vector: for tests and files, never on the road of live data.
  [[nodiscard]] std::vector<std::uint8_t> flatten() const {
    std::vector<std::uint8_t> out;
    out.reserve(size_);
    for (const auto& part : parts_) out.insert(out.end(), part.view().begin(), part.view().end());
    return out;
  }

 private:
  std::vector<slice> parts_;
  std::size_t size_ = 0;
};

}  // namespace millrace::base
