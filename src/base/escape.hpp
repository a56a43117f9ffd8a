// Peer bytes made fit for a log line or a terminal.
#pragma once
#include <string>
#include <string_view>

namespace millrace::base {

// Control bytes, quotes, backslashes and anything that is not printable ASCII become \xNN; what is longer
// than `max` bytes is cut and marked with "...". One record stays one line whatever a peer sends.
std::string escaped(std::string_view peer_bytes, std::size_t max = 256);

}  // namespace millrace::base
