// The newest events of one stream, one behind the other in one piece of memory.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "server/reason.hpp"

namespace millrace::server {

// Events are kept for hours and come between buffers that live for seconds. As strings of their own each of them would keep a page of the heap from
// going back to the system; as one block they keep theirs. Not thread-safe.
class event_block {
 public:
  void push_back(const reason_event& e);
  void pop_front();  // there is one
  [[nodiscard]] std::size_t size() const { return count_; }
  [[nodiscard]] std::uint64_t newest() const { return newest_; }  // its number; 0: there never was one
  // Oldest first.
  [[nodiscard]] std::vector<reason_event> events() const;

 private:
  std::vector<char> packed_;
  std::size_t first_ = 0;  // where the oldest begins; what lies before it is gone
  std::size_t count_ = 0;
  std::uint64_t newest_ = 0;
};

}  // namespace millrace::server
