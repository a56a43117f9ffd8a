#include "base/log.hpp"

#include <atomic>

namespace millrace::base::log {
namespace {
// Looked at by every thread, changed while they run (SIGHUP). Each alone is enough: a line more or less at that moment is no matter.
std::atomic<sink> current_sink = nullptr;
std::atomic<level> least_level = level::info;
}  // namespace

void set_sink(sink to, level least) {
  current_sink.store(to, std::memory_order_relaxed);
  least_level.store(least, std::memory_order_relaxed);
}
bool enabled(level at) { return current_sink.load(std::memory_order_relaxed) != nullptr && at >= least_level.load(std::memory_order_relaxed); }
void write(level at, std::string_view text) {
  if (const auto to = current_sink.load(std::memory_order_relaxed)) to(at, text);
}

}  // namespace millrace::base::log
