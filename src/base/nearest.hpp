// "did you mean …?"
#pragma once
#include <string_view>
#include <vector>

namespace millrace::base {

// The candidate with the smallest edit distance to `word`; empty when there are no candidates. For start-up errors only.
std::string_view nearest(std::string_view word, const std::vector<std::string_view>& candidates);

}  // namespace millrace::base
