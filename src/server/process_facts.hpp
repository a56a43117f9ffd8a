// What the system says of this process, and how much more of it there is to have.
#pragma once
#include <boost/asio/thread_pool.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "server/facts.hpp"

namespace millrace::server {

struct process_facts {
  double cpu_seconds = 0;              // user and system
  std::uint64_t resident_bytes = 0;
  std::size_t descriptors_open = 0, descriptors_max = 0;
  std::chrono::system_clock::time_point started;
};
// Any thread; does not block. Before Linux 6.2, which says how many descriptors are open, they are counted `elsewhere` and are some seconds old, or as old as the
// look before.
process_facts look_at_process(boost::asio::thread_pool& elsewhere);

// How many more viewers of the kind that is here would fit, before a limit bites.
struct capacity {
  std::optional<std::size_t> viewers_left;  // by descriptors alone while there is too little load to tell of the CPU; nothing if they have no limit either
  std::string bound_by;                     // "cpu", "descriptors", or why it is not known
  double busiest_shard = 0;                 // share of its core, 0 to 1
};
capacity capacity_left(const snapshot& all, const process_facts& process);

}  // namespace millrace::server
