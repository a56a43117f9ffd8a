// What a running push or pull tells the person in front of it. Pure formatting and arithmetic.
#pragma once
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "base/time.hpp"

namespace millrace::client {

enum class link_state : unsigned char { waiting_for_input, connecting, waiting_for_media, live, waiting_to_retry, ending };
std::string_view name(link_state state);  // "connecting", "live", …

struct progress {
  link_state state = link_state::connecting;
  std::chrono::milliseconds running{0};     // since the command began
  std::chrono::milliseconds position{0};    // media time sent or written
  std::uint64_t frames = 0;
  std::uint64_t frames_dropped = 0;
  std::uint64_t bytes = 0;                  // media payload, all sessions together
  double bits_per_second = 0;               // over the last second
  std::optional<std::chrono::microseconds> rtt;
  std::optional<double> loss_percent;       // of packets, over the last second; only QUIC knows it
  // Only QUIC, in this session: datagrams sent twice, their bytes, how many were needed (an estimate), and how many came to us twice.
  std::optional<std::uint64_t> repeats_sent, repeat_bytes, repeats_useful, repeats_received;
  std::chrono::milliseconds queue_age{0};   // oldest thing not yet on the network
  std::uint64_t queue_bytes = 0;
  std::optional<double> target_bits_per_second;  // publishers: what the encoder may send (rate_advice)
  std::string transport;                    // "quic", empty while there is none
  std::string why;                          // "QUIC as asked", "fell back to TLS: …"
  unsigned reconnects = 0;
  std::chrono::milliseconds retry_in{0};    // state waiting_to_retry
  std::string last_error;                   // why the session before this ended
};

// "00:01:23  2.45 Mb/s  rtt 12.3 ms  loss 0.0 %  queue 0 ms  quic (QUIC as asked)"; at most `width` columns, 0 = no limit.
std::string progress_line(const progress& p, std::size_t width);
// The same as one JSON object on one line, without a newline, of less than 4096 bytes; keys stay once they exist.
std::string progress_json(const progress& p);

// A rate over the time between two readings of a growing counter; a counter that restarts (a new session) counts from 0.
class rate_meter {
 public:
  // Per second; 0 for the first reading.
  double update(std::uint64_t total, base::instant now);

 private:
  std::uint64_t last_total_ = 0;
  base::instant last_{};
  bool seen_ = false;
};

// Lost per sent packets between two readings, in percent; empty without new packets.
class loss_meter {
 public:
  std::optional<double> update(std::optional<std::uint64_t> sent, std::optional<std::uint64_t> lost);

 private:
  std::uint64_t sent_ = 0;
  std::uint64_t lost_ = 0;
};

}  // namespace millrace::client
