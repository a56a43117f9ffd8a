// How much a QUIC peer may ask for that brings nothing, in front of ngtcp2's own limit of glitches: what each costs is small, and a flood of it is an attack.
// Pure.
#pragma once
#include <algorithm>
#include <cstdint>

namespace millrace::net {

class work_budget {
 public:
  static constexpr double datagrams_per_second = 2'000, datagrams_burst = 4'000;  // without stream data, and acknowledging none
  static constexpr double moves_per_minute = 100;                                // to another address: each costs a path validation

  // In nanoseconds of any clock that does not go back. False: the peer has used up what it may.
  bool idle_datagram(std::uint64_t now) { return datagrams_.take(now, datagrams_per_second, datagrams_burst); }
  bool move(std::uint64_t now) { return moves_.take(now, moves_per_minute / 60, moves_per_minute); }

 private:
  struct bucket {
    double used = 0;
    std::uint64_t at = 0;
    bool take(std::uint64_t now, double per_second, double burst) {
      used = std::max(0.0, used - per_second * static_cast<double>(now - std::min(at, now)) / 1e9);
      at = now;
      if (used + 1 > burst) return false;
      used += 1;
      return true;
    }
  };
  bucket datagrams_, moves_;
};

}  // namespace millrace::net
