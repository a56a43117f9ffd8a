// When, and how much of it, media packets are sent twice (redundancy from spare capacity). Pure: figures and time in, a decision out.
#pragma once
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "net/rtt_floor.hpp"

namespace millrace::net {

// A packet that is sent again a few milliseconds later arrives although the first copy was lost, a round trip earlier than its
// retransmission would. That is fair only on a path that loses packets by itself and has room to spare. Neither can be read off directly:
//
// Loss. A repetition that arrives hides the loss of the first copy: of a loss p about p*p is left to see, and with bursts nobody knows
// what. So loss is only ever measured while nothing is repeated. Repeating lasts for a while (`hold`), then pauses until either loss is
// seen again, a matter of three lost packets, and the next while is twice as long; or it is not, and then that was it. On a steadily lossy
// path the pauses come to a few per cent of the time, and the decision cannot swing with the effect that it has.
//
// Room. Live media does not fill a path, so what congestion control believes says little: BBR's bandwidth is what was delivered, its
// window is twice that before it has seen loss, and falls to the media itself with each loss, when room would be asked for. What counts
// instead: the most that was delivered within a tenth of a second lately (key frames go out as fast as the path lets them), of which media
// and repetitions together may take `share_max`; and, where that proves too little, trying: a quarter more than what goes through already,
// and a quarter more again after every half second in which no queue grew. Signs that there is no room are: the round trip time rises, or
// media waits for the congestion window. Then nothing but sound is repeated as long as that lasts, which is short where a key frame did it;
// if it makes up a good part of the time, everything stops and is not tried again for some time, longer each time. So it does when loss gets
// worse instead of better (a policer, or a queue too short to be seen in the round trip time).
class repeat_policy {
 public:
  using duration = std::chrono::microseconds;
  struct counts {
    std::uint64_t packets_sent = 0, packets_lost = 0, bytes_sent = 0, bytes_delivered = 0;
  };
  struct sample : counts {  // so far, repetitions not included
    duration rtt{0};     // smoothed
    duration waited{0};  // how long media has been ready and not been let go
  };

  static constexpr double loss_min = 0.005, share_max = 0.75, gain = 1.25;
  // Loss is looked at over the last `window`, longer if that holds few packets; less than that makes no decision.
  static constexpr duration window{2'000'000}, window_max{10'000'000};
  static constexpr std::uint64_t window_packets = 500, packets_min = 50, losses_min = 3;
  static constexpr duration hold_min{5'000'000}, hold_max{60'000'000};
  static constexpr duration back_off_min{5'000'000}, back_off_max{120'000'000};
  static constexpr duration step{500'000}, slot{100'000};
  static constexpr duration rtt_rise_max{15'000}, waited_max{250'000};

  // As often as one likes, at least every `slot` while media is sent; `now` on any clock that does not go back. Returns on().
  bool update(duration now, const sample& s);
  // So much media was sent: may it be repeated? Urgent: yes, if it is a packet or two. While on(), to be asked about all media.
  bool take(duration now, std::uint64_t bytes, bool urgent);
  // Another path: nothing is known any more.
  void reset() { *this = {}; }

  [[nodiscard]] bool on() const noexcept { return on_; }
  // No room at this moment: what was taken and is not urgent is not to be sent any more.
  [[nodiscard]] bool suspended() const noexcept { return suspended_; }
  // Of the path, as last measured.
  [[nodiscard]] double loss() const noexcept { return loss_; }

 private:
  // From one look to the next one. More than `window_max` between two ends the past; what is more than fits stops at the largest value.
  struct step_of {
    std::uint32_t microseconds = 0, bytes_sent = 0, bytes_delivered = 0;
    std::uint16_t packets_sent = 0, packets_lost = 0;
  };
  struct loss_seen {
    std::uint64_t packets = 0, lost = 0;
  };
  static constexpr std::size_t steps_max = window_max / slot;
  void remember(duration now, const sample& s);
  void drop_first();
  void measure();
  [[nodiscard]] const step_of& back(std::size_t at) const { return (*steps_)[(first_ + count_ - 1 - at) % steps_max]; }  // 0: the newest
  [[nodiscard]] loss_seen loss_until(const sample& s) const;
  void start(duration now, double loss);
  void stop(duration now, duration rtt);
  void grow(duration now, duration rtt);

  // The last look, and the steps that led there: one per slot, `window_max` of them. 1.6 kB, which is much of what a viewer takes.
  bool looked_ = false;
  duration last_at_{0}, first_at_{0};
  counts last_;
  std::unique_ptr<std::array<step_of, steps_max>> steps_;
  std::size_t first_ = 0, count_ = 0;
  double rate_ = 0, peak_ = 0;  // bytes per second of the media: sent in the last second; delivered in the best slot of all of the past
  rtt_floor floor_;

  bool on_ = false;
  bool suspended_ = false;  // while on: no room at this moment
  double full_share_ = 0;   // of the last seconds, in which there was none
  duration updated_{0};
  double loss_ = 0;
  duration measured_from_{0};  // loss before this is not the path's, or of another state
  duration since_{0};          // of on_
  duration hold_ = hold_min, back_off_ = back_off_min, not_before_{0};

  double ceiling_ = 0;  // bytes per second, media and repetitions together
  double imagined_queue_ = 0, urgent_tokens_ = 0;  // bytes
  duration stepped_{0}, drained_{0};
};

}  // namespace millrace::net
