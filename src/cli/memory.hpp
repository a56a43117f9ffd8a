// What the C library keeps of memory that was freed, and giving it back.
#pragma once
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstddef>

namespace millrace::cli {

// By default glibc learns from the largest block that was ever freed: after one message of 16 MB it gives such sizes out of its heaps, and keeps
// up to 32 MB free at the end of each of them, for ever. A peer can teach it that. A key frame of 4 MB still comes out of the heap.
void fix_heap_thresholds();

// What a burst leaves inside the heaps, between blocks that are still in use, goes back only when somebody asks for it. Looks every few seconds
// and asks when it is worth it. On the main thread; the shards wait for a heap while it is looked through, some milliseconds. Lives as
// long as the loop.
class memory_returner {
 public:
  explicit memory_returner(boost::asio::io_context& io);

 private:
  void look();
  boost::asio::steady_timer timer_;
  std::size_t beside_ = 0;          // resident and not given out by the heaps, at the start and after the last time: code, stacks, pages that are used in part
  std::size_t most_given_out_ = 0;  // since then
  std::chrono::steady_clock::time_point not_before_;
};

}  // namespace millrace::cli
