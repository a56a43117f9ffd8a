#include "cli/memory.hpp"

#include <malloc.h>
#include <time.h>

#include <algorithm>
#include <chrono>

#include "base/log.hpp"
#include "server/memory_watch.hpp"

namespace millrace::cli {
namespace {

constexpr std::chrono::seconds look_every{5};
constexpr std::size_t worth_it_least = 1u << 20, worth_it_part = 32;
constexpr int rest = 100;  // times as much as it took of this thread: the larger the heaps, the longer they take to look through

struct memory_use {
  std::size_t given_out = 0, beside = 0;  // by the heaps; resident beyond that: what came to be freed, and what is no heap
};

[[maybe_unused]] std::chrono::nanoseconds used_of_this_thread() {
  timespec used{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  return std::chrono::seconds(used.tv_sec) + std::chrono::nanoseconds(used.tv_nsec);
}

memory_use look_at_memory() {
  memory_use out;
#ifdef __GLIBC__
  const auto heaps = ::mallinfo2();
  const auto resident = static_cast<std::size_t>(server::memory_watch::resident());
  out.given_out = heaps.uordblks + heaps.hblkhd;
  out.beside = resident - std::min(resident, out.given_out);
#endif
  return out;
}

}  // namespace

void fix_heap_thresholds() {
#ifdef __GLIBC__
  mallopt(M_MMAP_THRESHOLD, 4 << 20);
  mallopt(M_TRIM_THRESHOLD, 2 << 20);
#endif
}

memory_returner::memory_returner(boost::asio::io_context& io) : timer_(io) {
  const auto use = look_at_memory();
  beside_ = use.beside;
  most_given_out_ = use.given_out;
  look();
}

void memory_returner::look() {
  timer_.expires_after(look_every);
  timer_.async_wait([this](boost::system::error_code failed) {
    if (failed) return;
#ifdef __GLIBC__
    // What did not go back the last time is not asked for again, until as much has been freed: beside it, or out of what kept it from going back, the
    // blocks between which it lies.
    const auto before = look_at_memory();
    most_given_out_ = std::max(most_given_out_, before.given_out);
    const auto worth_it = std::max(worth_it_least, most_given_out_ / worth_it_part);
    const bool much_free = before.beside > beside_ + worth_it || before.given_out + worth_it < most_given_out_;
    if (const auto now = std::chrono::steady_clock::now(); much_free && now >= not_before_) {
      const auto start = used_of_this_thread();
      ::malloc_trim(0);
      const auto took = used_of_this_thread() - start;
      const auto after = look_at_memory();
      beside_ = after.beside;
      most_given_out_ = after.given_out;
      not_before_ = now + rest * took;
      base::log::debug("memory: {} kB went back to the system in {} us", (before.beside - std::min(before.beside, beside_)) >> 10,
                       std::chrono::duration_cast<std::chrono::microseconds>(took).count());
    }
#endif
    look();
  });
}

}  // namespace millrace::cli
