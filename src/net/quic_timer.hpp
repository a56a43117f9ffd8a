// One Asio timer for all connections of an endpoint: expiries move on nearly every write, and re-arming a kernel timer per
// connection each time would cost more than the writes.
#pragma once
#include <boost/asio/io_context.hpp>
#include <boost/intrusive/set.hpp>
#include <cstdint>
#include <functional>
#include <memory>

#include "base/time.hpp"

namespace millrace::net {

// Nanoseconds of the monotonic clock, as ngtcp2 counts them.
using quic_time = std::uint64_t;
inline constexpr quic_time quic_never = UINT64_MAX;
quic_time quic_now();
inline std::chrono::microseconds microseconds_of(quic_time span) { return std::chrono::microseconds(static_cast<std::int64_t>(span / 1000)); }
inline base::instant instant_of(quic_time at) { return base::instant(std::chrono::nanoseconds(static_cast<std::int64_t>(at))); }

class quic_timer {
 public:
  // Base of what can be timed; leaves the queue when it is destroyed. The queue's links are in here: expiries move on nearly every write, and that
  // allocates nothing.
  class entry : public boost::intrusive::set_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
   public:
    [[nodiscard]] quic_time due() const noexcept { return due_; }

   protected:
    ~entry() = default;

   private:
    friend class quic_timer;
    friend bool operator<(const entry& a, const entry& b) { return a.due_ < b.due_; }
    quic_time due_ = quic_never;
  };

  // `on_due` may be called after this object is gone, so it has to hold what it uses weakly.
  quic_timer(boost::asio::io_context& io, std::function<void()> on_due);
  ~quic_timer();
  quic_timer(const quic_timer&) = delete;
  quic_timer& operator=(const quic_timer&) = delete;

  void set(entry& which, quic_time due);
  // The earliest entry that is due, taken out; null when there is none.
  entry* pop_due(quic_time now);
  // Arms the Asio timer for the earliest entry. Called once at the end of a loop turn.
  void arm();
  // The Asio timer went off (called from on_due).
  void fired() { armed_for_ = quic_never; }
  void cancel();

 private:
  struct waiter;
  std::unique_ptr<waiter> waiter_;
  std::shared_ptr<const std::function<void()>> on_due_;  // shared with what waits: no copy of it each time
  boost::intrusive::multiset<entry, boost::intrusive::constant_time_size<false>> queue_;
  quic_time armed_for_ = quic_never;
};

}  // namespace millrace::net
