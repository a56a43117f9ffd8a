#include "server/memory_watch.hpp"

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <string>

namespace millrace::server {
namespace {

// The least of memory.max from this process's control group up to the root.
std::uint64_t control_group_limit() {
  std::ifstream own("/proc/self/cgroup");
  std::string line;
  auto least = std::numeric_limits<std::uint64_t>::max();
  while (std::getline(own, line)) {
    if (!line.starts_with("0::")) continue;  // version 2
    for (auto path = line.substr(3);; path.resize(path.rfind('/'))) {
      std::ifstream file("/sys/fs/cgroup" + path + "/memory.max");
      std::uint64_t value = 0;
      if (file >> value) least = std::min(least, value);  // "max" is no number
      if (path.empty() || path.find('/') == std::string::npos) break;
    }
  }
  return least;
}

}  // namespace

std::uint64_t memory_watch::usual_limit() {
  const auto pages = ::sysconf(_SC_PHYS_PAGES), size = ::sysconf(_SC_PAGESIZE);
  auto all = control_group_limit();
  if (pages > 0 && size > 0) all = std::min(all, static_cast<std::uint64_t>(pages) * static_cast<std::uint64_t>(size));
  return all == std::numeric_limits<std::uint64_t>::max() ? 0 : all / 10 * 8;
}

std::uint64_t memory_watch::resident() {
  std::ifstream statm("/proc/self/statm");
  std::uint64_t size = 0, resident = 0;
  return statm >> size >> resident ? resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)) : 0;
}

}  // namespace millrace::server
