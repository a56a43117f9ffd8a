// What the C library keeps of memory that was freed.
#pragma once
#include <malloc.h>

namespace millrace::cli {

// By default glibc learns from the largest block that was ever freed: after one message of 16 MB it gives such sizes out of its heaps, and keeps
// up to 32 MB free at the end of each of them, for ever. A peer can teach it that. Fixed thresholds keep a server's memory what it holds: a key
// frame of 4 MB still comes out of the heap. test/hostile judges it.
inline void give_memory_back() {
#ifdef __GLIBC__
  mallopt(M_MMAP_THRESHOLD, 4 << 20);
  mallopt(M_TRIM_THRESHOLD, 2 << 20);
#endif
}

}  // namespace millrace::cli
