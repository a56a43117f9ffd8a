// id_ranges beside a std::set: what is in it, what is missing, and as few ranges as there are gaps.
#include <set>

#include "operations.hpp"
#include "rtmp/id_ranges.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using millrace::fuzz::require;
  millrace::fuzz::operations in(data, size);
  millrace::rtmp::id_ranges ranges;
  std::set<std::uint64_t> model;
  const std::uint64_t first = in.chance() ? 0 : (std::uint64_t{1} << 62) - 300;  // the end of what is a stream id
  while (in.more()) {
    const auto id = first + in.byte();
    if (in.chance()) {
      ranges.add(id);
      model.insert(id);
    }
    require(ranges.contains(id) == model.contains(id));
    auto missing = id;
    while (model.contains(missing)) ++missing;
    require(ranges.next_missing(id) == missing);
    require(ranges.count() == model.size());
    std::size_t gaps = 0;
    for (const auto each : model) gaps += model.contains(each + 1) ? 0 : 1;
    require(ranges.ranges() == gaps);
  }
  return 0;
}
