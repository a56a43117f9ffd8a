// The limits that a server can run into with the clients, in one place, each with its unit and its reason; those of RTMP itself are in
// base/limits.hpp.
#pragma once
#include <chrono>
#include <cstddef>

namespace millrace::client {

struct client_limits {
  // Data that the server, or the way to it, takes nothing of for this long: the connection counts as lost.
  std::chrono::milliseconds send_stall{15'000};
};

}  // namespace millrace::client
