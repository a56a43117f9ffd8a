// Redundancy: what repeat_policy decided, done. Copies of sent datagrams wait here until they are sent again. Internal to quic_*.cpp.
#pragma once
#include <ngtcp2/ngtcp2.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "base/fifo.hpp"
#include "net/quic_timer.hpp"
#include "net/quic_udp_socket.hpp"
#include "net/repeat_policy.hpp"

namespace millrace::net {

inline std::uint64_t bytes_delivered(const ngtcp2_conn_info& info) {
  return info.bytes_sent - std::min(info.bytes_sent, info.bytes_in_flight + info.bytes_lost);
}

// A repetition is the same datagram, bit for bit, on the same path: to the peer it is a duplicate as any network may make one (RFC 9000
// section 12.3), which ngtcp2 throws away after decrypting it; it is neither acknowledged nor held against anyone. Our own ngtcp2 knows
// nothing of it: it is outside of congestion control, which is why the policy is so careful. Part of a quic_connection, which owns the
// time and the sockets.
class quic_repeats {
 public:
  // Far enough from the first copy to escape a short burst of losses, near enough to be worth it.
  static constexpr quic_time delay = 15'000'000;

  struct counters {
    std::uint64_t datagrams = 0, bytes = 0;  // repeated
    double useful = 0;                       // of the datagrams: the share by which the path loses the first copy but not the second
  };

  // Before every write pass. `waiting`: the one before left media behind.
  void observe(quic_time now, const ngtcp2_conn_info& info, bool waiting);
  [[nodiscard]] bool on() const noexcept { return policy_.on(); }
  // Copies a batch that has just been sent, if the policy wants it repeated.
  void keep(quic_time now, const udp_batch& batch, bool urgent);
  [[nodiscard]] quic_time due() const noexcept { return copies_.empty() ? quic_never : copies_.front().due; }
  // Takes out the first copy that is due, counted as sent; false: there is none. The views in `into` are valid until the next call.
  bool poll_due(quic_time now, const ngtcp2_conn* conn, udp_batch& into);
  void clear();  // nothing of what waits is sent
  void reset();  // another path
  [[nodiscard]] const counters& sent() const noexcept { return sent_; }

 private:
  struct copy {
    quic_time due;
    bool urgent;
    std::vector<std::uint8_t> bytes;
    std::size_t segment;
    udp_address local, remote;
    std::uint8_t ecn;
  };

  repeat_policy policy_;
  base::fifo<copy> copies_;
  std::size_t kept_bytes_ = 0;
  std::vector<std::uint8_t> going_;  // what poll_due() handed out
  quic_time observe_next_ = 0, waiting_since_ = quic_never;
  counters sent_;
};

}  // namespace millrace::net
