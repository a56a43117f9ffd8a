// A set of numbers that fills up from below: as few ranges as there are gaps, however many numbers are in it.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>

namespace millrace::rtmp {

class id_ranges {
 public:
  [[nodiscard]] std::uint64_t count() const noexcept { return count_; }
  [[nodiscard]] std::size_t ranges() const noexcept { return ranges_.size(); }
  [[nodiscard]] bool contains(std::uint64_t id) const { return next_missing(id) != id; }
  // The lowest number that is not below `id` and not in the set.
  [[nodiscard]] std::uint64_t next_missing(std::uint64_t id) const {
    const auto after = ranges_.upper_bound(id);
    return after == ranges_.begin() ? id : std::max(id, std::prev(after)->second);
  }

  void add(std::uint64_t id) {
    if (contains(id)) return;
    ++count_;
    auto end = id + 1;
    const auto after = ranges_.upper_bound(id);
    const auto before = after == ranges_.begin() ? ranges_.end() : std::prev(after);
    if (after != ranges_.end() && after->first == end) {
      end = after->second;
      ranges_.erase(after);
    }
    if (before != ranges_.end() && before->second == id) {
      before->second = end;
    } else {
      ranges_.emplace(id, end);
    }
  }

 private:
  std::map<std::uint64_t, std::uint64_t> ranges_;  // first number to the one behind the last; never touching
  std::uint64_t count_ = 0;
};

}  // namespace millrace::rtmp
