// Virtual time: a queue of events and things that are due, one after the other, nothing in between. One thread, no socket, no sleep.
#pragma once
#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <functional>
#include <map>
#include <stdexcept>
#include <utility>
#include <vector>

#include "net/quic_timer.hpp"

namespace millrace::sim {

using net::quic_never;
using net::quic_time;

inline constexpr quic_time millisecond = 1'000'000, second = 1'000'000'000;

// Has a deadline that moves: looked at before every step, so that nobody has to cancel anything.
class timed {
 public:
  [[nodiscard]] virtual quic_time due() const = 0;  // quic_never: nothing
  virtual void on_due() = 0;

 protected:
  ~timed() = default;
};

class world {
 public:
  [[nodiscard]] quic_time now() const noexcept { return now_; }
  [[nodiscard]] base::instant instant() const { return net::instant_of(now_); }
  // Since the world began.
  [[nodiscard]] std::int64_t ms() const noexcept { return static_cast<std::int64_t>((now_ - begin) / millisecond); }
  boost::asio::io_context io;  // for what is posted; its timers would run on another clock

  // Events of one time happen in the order in which they were asked for.
  void at(quic_time when, std::function<void()> what) { events_.emplace(std::pair(std::max(when, now_), order_++), std::move(what)); }
  void soon(std::function<void()> what) { at(now_, std::move(what)); }
  void add(timed& one) { timed_.push_back(&one); }
  void remove(timed& one) { std::erase(timed_, &one); }

  // Until `reached` holds, or the time is `end`: true if it does. What keeps happening at one moment for ever is a busy loop of the code
  // under test, and throws.
  bool run(const std::function<bool()>& reached, quic_time end) {
    std::uint64_t here = 0;
    while (true) {
      io.restart();
      here += io.poll();
      if (reached()) return true;
      timed* first = nullptr;
      quic_time when = events_.empty() ? quic_never : events_.begin()->first.first;
      for (auto* one : timed_) {
        if (const auto due = std::max(one->due(), now_); due < when) when = due, first = one;
      }
      if (when > end) {
        now_ = std::max(now_, end);
        return false;
      }
      here = when > now_ ? 0 : here + 1;
      if (here > at_once_max) throw std::runtime_error("a busy loop: time stands still at " + std::to_string(ms()) + " ms");
      now_ = when;
      if (first != nullptr) {
        first->on_due();
      } else {
        const auto what = std::move(events_.begin()->second);
        events_.erase(events_.begin());
        what();
      }
    }
  }

 private:
  static constexpr quic_time begin = 1'000 * second;  // ngtcp2 and the sessions take 0 for a time that is none
  static constexpr std::uint64_t at_once_max = 20'000;

  quic_time now_ = begin;
  std::uint64_t order_ = 0;
  std::map<std::pair<quic_time, std::uint64_t>, std::function<void()>> events_;
  std::vector<timed*> timed_;
};

}  // namespace millrace::sim
