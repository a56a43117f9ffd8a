// How the cases ended, and what the run cost the server and its bystander.
#pragma once
#include <string>
#include <vector>

#include "hostile/hostile.hpp"

namespace millrace::hostile {

struct verdict {
  std::string family, name, expected;
  std::string failed;  // why; empty: it did not
  bool skipped = false;  // the way cannot carry it
  milliseconds took{0}, gap{0};
};

struct summary {
  std::vector<verdict> verdicts;
  milliseconds idle_gap{0}, largest_gap{0};
  std::size_t frames = 0, frames_missing = 0;
  std::size_t resident_before = 0, resident_after = 0, descriptors_before = 0, descriptors_after = 0;
  bool memory_checked = false;  // not under a sanitizer
  std::vector<std::string> faults;  // of the run as a whole

  [[nodiscard]] std::size_t failures() const;
  [[nodiscard]] bool passed() const { return failures() == 0 && faults.empty(); }
};

std::string line(const verdict& of);     // "pass   chunks over rtmp: chunk size 0 (closed within 8 s)"
std::string in_words(const summary& of);  // a few lines: counts by family, figures, faults
std::string json(const summary& of);

}  // namespace millrace::hostile
