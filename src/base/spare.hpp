// Memory of vectors that ran empty, for the next one of the same thread.
#pragma once
#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

namespace millrace::base {

// All kinds of them on a thread.
class spares {
 public:
  // What nobody needed since the last time goes, an eighth of it. After a crowd has left, ten thousand small vectors would
  // keep as many pages from going back to the system.
  static void tidy_thread() {
    for (auto* const each : of_thread()) each->tidy();
  }
  spares(const spares&) = delete;
  spares& operator=(const spares&) = delete;

 protected:
  spares() { of_thread().push_back(this); }
  ~spares() { std::erase(of_thread(), this); }
  virtual void tidy() = 0;

 private:
  static std::vector<spares*>& of_thread() {
    static thread_local std::vector<spares*> all;  // made before any of them, so it is there until they are gone
    return all;
  }
};

// Thousands of connections have queues that are empty most of the time: what each of them kept would be most of what it takes, and giving it
// back each time is an allocation per frame. So it goes to the thread. A vector may be given on another thread than it was taken on.
template <class T, std::size_t vector_bytes_max = 1024, std::size_t all_bytes_max = (1u << 20)>
class spare final : private spares {
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
    unneeded_ = std::min(unneeded_, kept_.size());
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
  void tidy() override {
    const auto first = kept_.begin(), end = first + static_cast<std::ptrdiff_t>((unneeded_ + 7) / 8);
    for (auto at = first; at != end; ++at) bytes_ -= bytes_of(*at);
    kept_.erase(first, end);
    if (kept_.empty()) std::vector<std::vector<T>>().swap(kept_);
    unneeded_ = kept_.size();
  }

 private:
  static std::size_t bytes_of(const std::vector<T>& v) { return v.capacity() * sizeof(T); }
  std::vector<std::vector<T>> kept_;
  std::size_t bytes_ = 0;
  std::size_t unneeded_ = 0;  // the fewest that there were since tidy()
};

}  // namespace millrace::base
