// Patterns of names as operators write them: "live/*".
#pragma once
#include <string_view>

namespace millrace::base {

// '*' stands for any run of characters, '/' among them; everything else for itself. Linear for one '*', never worse than the product of the sizes.
bool matches_pattern(std::string_view pattern, std::string_view text);

}  // namespace millrace::base
