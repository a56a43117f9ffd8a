// A queue for what mostly holds little or nothing.
#pragma once
#include <cstddef>
#include <utility>
#include <vector>

#include "base/spare.hpp"

namespace millrace::base {

// Empties a vector and gives its memory back. To assign `{}` does not: that is an empty initializer list, and the memory stays.
template <class T>
void give_back(std::vector<T>& of) {
  std::vector<T>().swap(of);
}

// First in, first out. A std::deque takes 600 bytes before there is anything in it, which is a lot for thousands of connections that have a
// dozen of them each; this one takes what it needs, and once it has run empty it keeps no more than is worth keeping. Elements move when it
// grows and when the front goes: no pointers to them across that. `shared_room`: it keeps nothing at all, and draws on what is spare on its
// thread instead; not for what lives as long as the thread.
template <class T, bool shared_room = false>
class fifo {
 public:
  using iterator = typename std::vector<T>::iterator;
  using const_iterator = typename std::vector<T>::const_iterator;

  [[nodiscard]] bool empty() const noexcept { return first_ == items_.size(); }
  [[nodiscard]] std::size_t size() const noexcept { return items_.size() - first_; }
  T& operator[](std::size_t at) { return items_[first_ + at]; }
  const T& operator[](std::size_t at) const { return items_[first_ + at]; }
  T& front() { return items_[first_]; }
  const T& front() const { return items_[first_]; }
  T& back() { return items_.back(); }
  const T& back() const { return items_.back(); }
  iterator begin() { return items_.begin() + static_cast<std::ptrdiff_t>(first_); }
  iterator end() { return items_.end(); }
  const_iterator begin() const { return items_.begin() + static_cast<std::ptrdiff_t>(first_); }
  const_iterator end() const { return items_.end(); }

  void push_back(T one) {
    make_room();
    items_.push_back(std::move(one));
  }
  T& emplace_back() {
    make_room();
    return items_.emplace_back();
  }
  void pop_front() {
    items_[first_++] = T();
    // What is gone leaves when that is cheap: nothing is left, or at most as much as is gone.
    if (2 * first_ >= items_.size()) close_up();
  }
  void erase(iterator at) { items_.erase(at); }
  template <class Is>
  void erase_if(Is is) {
    close_up();
    std::erase_if(items_, is);
  }
  void clear() {
    if constexpr (shared_room) {
      spare<T>::of_thread().give(items_);
    } else {
      give_back(items_);
    }
    first_ = 0;
  }
  // Bytes that it takes.
  [[nodiscard]] std::size_t memory() const noexcept { return items_.capacity() * sizeof(T); }

 private:
  static constexpr std::size_t kept_bytes_max = 1024;
  void make_room() {
    if constexpr (shared_room) {
      if (items_.capacity() == 0) items_ = spare<T>::of_thread().take();
    }
  }
  void close_up() {
    items_.erase(items_.begin(), items_.begin() + static_cast<std::ptrdiff_t>(first_));
    first_ = 0;
    if (items_.empty() && (shared_room || memory() > kept_bytes_max)) clear();
  }
  std::vector<T> items_;
  std::size_t first_ = 0;
};

}  // namespace millrace::base
