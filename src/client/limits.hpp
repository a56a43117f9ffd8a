// The limits that a server can run into with the clients, in one place, each with its unit and its reason; those of RTMP itself are in
// base/limits.hpp.
#pragma once
#include <chrono>
#include <cstddef>

namespace millrace::client {

struct client_limits {
  // Data that the server, or the way to it, takes nothing of for this long: the connection counts as lost.
  std::chrono::milliseconds send_stall{15'000};
  // Replies that a server did not take: more, and it is not read from until it did.
  std::size_t replies_unsent = 256u << 10;
  // pull, before the FLV header can be written: data messages that came before any media, the oldest go first …
  std::size_t early_data_frames = 64;
  std::size_t early_data_bytes = 256u << 10;
  // … and media until both kinds have come, beside the second that it waits at most.
  std::size_t opening_frames = 256;
  std::size_t opening_bytes = 16u << 20;
  // A player that moves: metadata and configurations of the new connection ahead of its first key frame, the oldest go first.
  std::size_t splice_heads = 64;
  std::size_t splice_head_bytes = 1u << 20;
  // Lines of the log that are a server's words: at once, and then sustained.
  double words_burst = 10;
  double words_per_second = 1;
};

}  // namespace millrace::client
