#include "base/log.hpp"

namespace millrace::base::log {
namespace {
sink current_sink = nullptr;
level least_level = level::info;
}  // namespace

void set_sink(sink to, level least) {
  current_sink = to;
  least_level = least;
}
bool enabled(level at) { return current_sink != nullptr && at >= least_level; }
void write(level at, std::string_view text) {
  if (current_sink != nullptr) current_sink(at, text);
}

}  // namespace millrace::base::log
