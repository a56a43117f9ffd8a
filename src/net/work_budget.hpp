// How much a QUIC peer may ask for that brings nothing, in front of ngtcp2's own limit of glitches: what each costs is small, and a flood of it is an attack.
// Pure.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace millrace::net {

class work_budget {
 public:
  static constexpr double datagrams_per_second = 2'000, datagrams_burst = 4'000;  // that hand on no stream data, and acknowledge none
  static constexpr double moves_per_minute = 100;                                // to another address: each costs a path validation
  // Behind a hole in its stream a datagram hands on nothing either, however fast an honest publisher is. One of that many bytes may be such a one. It
  // counts apart until as many bytes of the stream have been handed on, and what the peer may send unread bounds how many of them there can be.
  static constexpr std::size_t full_datagram = 1'000;

  // The peer is to send media, and may have so much under way.
  void expect_stream(std::uint64_t window) { behind_holes_max_ = static_cast<double>(window) / full_datagram; }
  // So much that had come before, behind a hole, is handed on now.
  void hole_closed(std::uint64_t bytes) { behind_holes_ = std::max(0.0, behind_holes_ - static_cast<double>(bytes) / full_datagram); }

  // In nanoseconds of any clock that does not go back. False: the peer has used up what it may.
  bool idle_datagram(std::uint64_t now, std::size_t bytes) {
    // What passes is forgotten at one rate, whatever it counted as: full datagrams that never turn out to be anything buy nothing.
    behind_holes_ = std::max(0.0, behind_holes_ - datagrams_.leak(now, datagrams_per_second));
    if (bytes >= full_datagram && behind_holes_ + 1 <= behind_holes_max_) {
      behind_holes_ += 1;
      return true;
    }
    return datagrams_.take(datagrams_burst);
  }
  bool move(std::uint64_t now) {
    moves_.leak(now, moves_per_minute / 60);
    return moves_.take(moves_per_minute);
  }

 private:
  struct bucket {
    double used = 0;
    std::uint64_t at = 0;
    // Returns what is left over once the bucket is empty.
    double leak(std::uint64_t now, double per_second) {
      const double most = per_second * static_cast<double>(now - std::min(at, now)) / 1e9, leaked = std::min(used, most);
      at = now;
      used -= leaked;
      return most - leaked;
    }
    bool take(double burst) {
      if (used + 1 > burst) return false;
      used += 1;
      return true;
    }
  };
  bucket datagrams_, moves_;
  double behind_holes_ = 0, behind_holes_max_ = 0;
};

}  // namespace millrace::net
