// Points in time as the pure layers see them: values that somebody passes in.
#pragma once
#include <chrono>

namespace millrace::base {

// Monotonic time. Pure code (base, media, rtmp, hub) never reads a clock; the shard reads it once per
// loop turn and hands the value down, a test hands down whatever it likes.
using instant = std::chrono::steady_clock::time_point;
using duration = std::chrono::nanoseconds;

}  // namespace millrace::base
