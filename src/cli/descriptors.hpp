// File descriptors: one per connection.
#pragma once
#include <sys/resource.h>

namespace millrace::cli {

// Takes what the hard limit gives.
inline void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
  }
}

}  // namespace millrace::cli
