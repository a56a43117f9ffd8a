// Memory of vectors that ran empty, for the next one of the same thread.
#pragma once
#include <cstddef>
#include <utility>
#include <vector>

namespace millrace::base {

// Thousands of connections have queues that are empty most of the time: what each of them kept would be most of what it takes, and giving it
// back each time is an allocation per frame. So it goes to the thread. A vector may be given on another thread than it was taken on.
template <class T, std::size_t vector_bytes_max = 1024, std::size_t all_bytes_max = (1u << 20)>
class spare {
 public:
  static spare& of_thread() {
    static thread_local spare own;
    return own;
  }
  // Empty, with or without room.
  [[nodiscard]] std::vector<T> take() {
    if (kept_.empty()) return {};
    auto out = std::move(kept_.back());
    kept_.pop_back();
    bytes_ -= bytes_of(out);
    return out;
  }
  // It has no memory then. What a burst made large goes, and what is too much.
  void give(std::vector<T>& of) {
    const auto size = bytes_of(of);
    if (size == 0 || size > vector_bytes_max || bytes_ + size > all_bytes_max) {
      std::vector<T>().swap(of);
      return;
    }
    of.clear();
    bytes_ += size;
    kept_.push_back(std::move(of));
    std::vector<T>().swap(of);
  }
  [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }

 private:
  static std::size_t bytes_of(const std::vector<T>& v) { return v.capacity() * sizeof(T); }
  std::vector<std::vector<T>> kept_;
  std::size_t bytes_ = 0;
};

}  // namespace millrace::base
