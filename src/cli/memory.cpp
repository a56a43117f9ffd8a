#include "cli/memory.hpp"

#include <malloc.h>

#include <algorithm>
#include <chrono>

#include "base/log.hpp"
#include "server/memory_watch.hpp"

namespace millrace::cli {
namespace {

constexpr std::chrono::seconds look_every{5};
constexpr std::size_t worth_it = 4u << 20;

// Resident beyond what the heaps have given out: what came to be freed, and what is no heap.
std::size_t not_given_out() {
#ifdef __GLIBC__
  const auto heaps = ::mallinfo2();
  const auto resident = static_cast<std::size_t>(server::memory_watch::resident());
  return resident - std::min(resident, heaps.uordblks + heaps.hblkhd);
#else
  return 0;
#endif
}

}  // namespace

void fix_heap_thresholds() {
#ifdef __GLIBC__
  mallopt(M_MMAP_THRESHOLD, 4 << 20);
  mallopt(M_TRIM_THRESHOLD, 2 << 20);
#endif
}

memory_returner::memory_returner(boost::asio::io_context& io) : timer_(io), beside_heap_(not_given_out()) { look(); }

void memory_returner::look() {
  timer_.expires_after(look_every);
  timer_.async_wait([this](boost::system::error_code failed) {
    if (failed) return;
#ifdef __GLIBC__
    if (const auto before = not_given_out(); before > beside_heap_ + worth_it) {
      const auto start = std::chrono::steady_clock::now();
      ::malloc_trim(0);
      const auto after = not_given_out();
      base::log::debug("memory: {} kB went back to the system in {} us", (before - std::min(before, after)) >> 10,
                       std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - start).count());
      beside_heap_ = std::max(beside_heap_, after);  // what does not go back is not asked for again
    }
#endif
    look();
  });
}

}  // namespace millrace::cli
