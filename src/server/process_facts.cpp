#include "server/process_facts.hpp"

#include <dirent.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/post.hpp>
#include <limits>

namespace millrace::server {
namespace {

const auto started_at = std::chrono::system_clock::now();

std::size_t count_descriptors() {
  DIR* const all = ::opendir("/proc/self/fd");
  if (all == nullptr) return 0;
  std::size_t count = 0;
  while (const auto* const one = ::readdir(all)) count += one->d_name[0] != '.' ? 1u : 0u;
  ::closedir(all);
  return count > 0 ? count - 1 : 0;  // that of the directory itself
}

// Counting takes tens of milliseconds at some ten thousand: not on the thread of a shard, whose streams would wait, and not for everybody who asks.
std::size_t open_descriptors(boost::asio::thread_pool& elsewhere) {
  constexpr std::chrono::seconds old{5};
  static std::atomic<std::size_t> known{0};
  static std::atomic<std::chrono::steady_clock::rep> counted_at{0};
  struct stat directory{};
  if (::stat("/proc/self/fd", &directory) == 0 && directory.st_size > 0) return static_cast<std::size_t>(directory.st_size);
  const auto now = std::chrono::steady_clock::now().time_since_epoch().count();
  auto before = counted_at.load();
  if (now - before < std::chrono::steady_clock::duration(old).count() || !counted_at.compare_exchange_strong(before, now)) return known;
  if (before == 0) known = count_descriptors();  // the first one to ask, while there are few
  else boost::asio::post(elsewhere, [] { known = count_descriptors(); });
  return known;
}

}  // namespace

process_facts look_at_process(boost::asio::thread_pool& elsewhere) {
  process_facts out;
  out.started = started_at;
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const timeval& t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6; };
  out.cpu_seconds = seconds(used.ru_utime) + seconds(used.ru_stime);
  out.resident_bytes = memory_watch::resident();
  out.descriptors_open = open_descriptors(elsewhere);
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) out.descriptors_max = static_cast<std::size_t>(limit.rlim_cur);
  return out;
}

capacity capacity_left(const snapshot& all, const process_facts& process) {
  constexpr std::size_t viewers_to_tell = 10;
  constexpr std::size_t descriptors_reserved = 32;  // as the listener keeps them
  constexpr double full = 0.9, busy_to_tell = 0.02;
  capacity out;
  std::size_t viewers = 0;
  for (const auto& shard : all.shards) {
    out.busiest_shard = std::max(out.busiest_shard, shard.busy);
    for (const auto& [protocol, count] : shard.protocols) viewers += count.viewers;
  }
  auto left = std::numeric_limits<std::size_t>::max();
  if (viewers >= viewers_to_tell && out.busiest_shard >= busy_to_tell) {
    left = static_cast<std::size_t>(static_cast<double>(viewers) * std::max(0.0, full / out.busiest_shard - 1));
    out.bound_by = "cpu";
  }
  if (process.descriptors_max > 0) {
    const auto taken = process.descriptors_open + descriptors_reserved;
    const auto free = process.descriptors_max > taken ? process.descriptors_max - taken : 0;
    if (free < left) {
      left = free;
      out.bound_by = viewers >= viewers_to_tell && out.busiest_shard >= busy_to_tell ? "descriptors" : "descriptors; too little load to tell what the CPU can do";
    }
  }
  if (left != std::numeric_limits<std::size_t>::max()) out.viewers_left = left;
  return out;
}

}  // namespace millrace::server
