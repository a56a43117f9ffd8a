// CPU time and memory of processes, from /proc (proc_pid_stat(5)).
#pragma once
#include <cstdint>
#include <vector>

#include "base/result.hpp"

namespace millrace::load {

struct process_figures {
  double cpu_seconds = 0;    // user and system, since it began
  std::uint64_t rss_bytes = 0;
};

// Of all of them together. Error kind local when one is not there.
base::result<process_figures> figures_of(const std::vector<int>& pids);
// CPU time of the calling thread, seconds.
double thread_cpu_seconds();

}  // namespace millrace::load
