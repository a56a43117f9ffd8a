// CPU time and memory of processes, from /proc (proc_pid_stat(5)).
#pragma once
#include <cstdint>
#include <map>
#include <vector>

#include "base/result.hpp"

namespace millrace::load {

struct process_figures {
  double cpu_seconds = 0;    // user and system, since it began
  std::uint64_t rss_bytes = 0;
  std::map<int, double> thread_cpu_seconds;  // of cpu_seconds, by thread; without those that are gone
};

// Of all of them together. Error kind local when one is not there.
base::result<process_figures> figures_of(const std::vector<int>& pids);
// CPU time from one look to the next, and what else the later one saw.
process_figures since(const process_figures& before, process_figures after);
// Seconds in which each core of this machine was not idle, since it began: with the kernel's own threads, which take over from a process that
// sends much and are charged to nobody.
std::vector<double> core_busy_seconds();
// CPU time of the calling thread, seconds.
double thread_cpu_seconds();

}  // namespace millrace::load
