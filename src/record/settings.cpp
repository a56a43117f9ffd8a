#include "record/settings.hpp"

#include <algorithm>

#include "base/pattern.hpp"

namespace millrace::record {

std::optional<rule> rule_for(const settings& s, std::string_view stream, bool asked) {
  if (!s.enabled()) return std::nullopt;
  const auto found = std::ranges::find_if(s.rules, [stream](const rule& r) { return base::matches_pattern(r.streams, stream); });
  if (found == s.rules.end()) return asked ? std::optional(s.otherwise) : std::nullopt;
  if (found->on_demand && !asked) return std::nullopt;
  return *found;
}

}  // namespace millrace::record
