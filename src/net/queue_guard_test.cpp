#include "net/queue_guard.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <random>

namespace millrace::net {
namespace {

using duration = queue_guard::duration;
using namespace std::chrono_literals;

// A bottleneck with a queue in front, in steps of a millisecond; a sender that always has pictures, and may have 60 kB under way.
class queue_guard_test : public testing::Test {
 protected:
  struct packet {
    duration left, arrives;
    std::uint64_t bytes;
  };
  static constexpr std::uint64_t window = 60'000, packet_bytes = 1200;

  void run(duration length, bool obey = true) {
    for (const auto end = now_ + length; now_ < end; now_ += 1ms) {
      while (!under_way_.empty() && under_way_.front().arrives <= now_) {
        delivered_ += under_way_.front().bytes;
        in_flight_ -= under_way_.front().bytes;
        rtt_ = now_ - under_way_.front().left + rival_queue_;
        under_way_.pop_front();
      }
      guard_.update(now_, {delivered_, in_flight_, rtt_});
      budget_ = std::min(budget_ + offered_ / 1000, 4.0 * packet_bytes);
      while ((guard_.room() > 0 || !obey) && in_flight_ < window && budget_ >= packet_bytes) {
        budget_ -= packet_bytes;
        send();
        guard_.update(now_, {delivered_, in_flight_, rtt_});
      }
      worst_ = std::max(worst_, queue());
      shut_ += guard_.room() > 0 ? 0 : 1;
    }
  }
  void send() {
    const auto service = duration(static_cast<std::int64_t>(1e6 * packet_bytes / rate_));
    free_at_ = std::max(free_at_, now_) + service;
    const duration jitter(jitter_.count() > 0 ? static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(jitter_.count())) : 0);
    latest_ = std::max(latest_, free_at_ + round_trip_ + jitter);
    under_way_.push_back({now_, latest_, packet_bytes});
    in_flight_ += packet_bytes;
  }
  [[nodiscard]] duration queue() const { return std::max(duration(0), free_at_ - now_); }
  void forget() { worst_ = 0ms, shut_ = 0; }

  queue_guard guard_;
  duration now_{1s}, free_at_{0}, round_trip_{40ms}, rtt_{0}, rival_queue_{0}, worst_{0}, jitter_{0}, latest_{0};
  std::mt19937 random_{1};
  double rate_ = 750'000;     // of the bottleneck, in bytes per second
  double offered_ = 320'000;  // of the media
  double budget_ = 0;
  std::uint64_t delivered_ = 0, in_flight_ = 0;
  int shut_ = 0;  // ms
  std::deque<packet> under_way_;
};

TEST_F(queue_guard_test, stays_open_on_a_path_with_room) {
  run(20s);
  EXPECT_EQ(shut_, 0);
  EXPECT_LT(guard_.queue(), 5ms);
}

TEST_F(queue_guard_test, keeps_the_queue_short_when_the_path_gets_narrow_and_uses_what_there_is) {
  run(5s);
  rate_ = 190'000;
  run(1s);
  forget();
  const auto before = delivered_;
  run(4s);
  EXPECT_LT(worst_, 45ms);
  EXPECT_GT(static_cast<double>(delivered_ - before), 0.9 * 4 * rate_) << "a guard is not to waste the path";
  rate_ = 750'000;
  run(1s);
  forget();
  run(5s);
  EXPECT_EQ(shut_, 0) << "the path is wide again";
}

TEST_F(queue_guard_test, a_path_that_was_always_too_narrow_is_guarded_too) {
  rate_ = 190'000;
  run(2s);
  forget();
  run(20s);
  EXPECT_LT(worst_, 100ms);
}

TEST_F(queue_guard_test, is_much_better_than_none) {
  run(5s, false);
  rate_ = 190'000;
  forget();
  run(5s, false);
  EXPECT_GT(worst_, 250ms);
}

TEST_F(queue_guard_test, the_first_moments_of_a_narrow_path_cost_little) {
  run(5s);
  rate_ = 190'000;
  forget();
  run(1s);
  EXPECT_LT(worst_, 130ms);
}

TEST_F(queue_guard_test, a_queue_of_somebody_else_is_left_to_them) {
  run(5s);
  rival_queue_ = 150ms;
  run(2s);
  forget();
  run(3s);
  EXPECT_EQ(shut_, 0) << "holding back has not helped";
  rival_queue_ = 0ms;
  run(3s);
  rate_ = 190'000;
  run(1s);
  forget();
  run(1s);
  EXPECT_GT(shut_, 0) << "they have gone, and this queue is ours";
}

TEST_F(queue_guard_test, one_late_acknowledgement_is_no_queue) {
  run(5s);
  for (int i = 0; i < 50; ++i) {
    run(200ms);
    const auto real = rtt_;
    guard_.update(now_, {++delivered_, in_flight_, real + 60ms});
    guard_.update(now_, {++delivered_, in_flight_, real + 60ms});
  }
  EXPECT_EQ(shut_, 0);
}

TEST_F(queue_guard_test, acknowledgements_that_were_lost_and_made_up_for_are_no_queue) {
  run(5s);
  for (int i = 0; i < 20; ++i) {
    run(200ms);
    now_ += 30ms;  // nothing came
    const auto real = rtt_;
    for (int k = 0; k < 5; ++k) {
      guard_.update(now_ += 1ms, {++delivered_, in_flight_, real + 33ms});
      ASSERT_EQ(guard_.room(), queue_guard::no_limit) << "burst " << i << ", acknowledgement " << k;
    }
    rtt_ = real;
  }
}

TEST_F(queue_guard_test, a_path_whose_delay_jumps_is_not_guarded_all_the_time) {
  jitter_ = 50ms;
  run(2s);
  forget();
  run(30s);
  EXPECT_LT(shut_, 300) << "ms of 30 s";
}

TEST_F(queue_guard_test, a_queue_is_seen_where_the_delay_jumps) {
  jitter_ = 30ms;
  run(5s);
  rate_ = 190'000;
  run(1s);
  forget();
  run(4s);
  EXPECT_LT(worst_, 130ms);
}

TEST_F(queue_guard_test, a_longer_way_is_no_queue_for_ever) {
  run(5s);
  round_trip_ = 140ms;
  run(40s);
  forget();
  run(30s);
  EXPECT_EQ(shut_, 0);
}

TEST_F(queue_guard_test, a_way_that_got_a_little_longer_is_still_filled) {
  run(5s);
  round_trip_ = 62ms;  // less than what is taken for a queue
  rate_ = 190'000;
  run(2s);
  rate_ = 750'000;
  run(2s);
  forget();
  const auto before = delivered_;
  run(5s);
  EXPECT_GT(static_cast<double>(delivered_ - before), 0.98 * 5 * offered_);
  EXPECT_EQ(shut_, 0);
}

TEST_F(queue_guard_test, what_two_paths_measured_together_does_not_count) {
  run(5s);
  guard_.reset();
  rtt_ = 25ms;
  for (int i = 0; i < 50; ++i) guard_.update(now_ += 1ms, {++delivered_, in_flight_, rtt_});
  round_trip_ = 120ms;
  forget();
  run(10s);
  EXPECT_EQ(shut_, 0);
}

TEST_F(queue_guard_test, another_path_begins_anew) {
  run(5s);
  rate_ = 190'000;
  run(2s);
  guard_.reset();
  EXPECT_EQ(guard_.room(), queue_guard::no_limit);
  EXPECT_EQ(guard_.queue(), 0ms);
}

TEST_F(queue_guard_test, without_a_sample_there_is_no_judgement) {
  EXPECT_EQ(guard_.update(1s, {0, 1'000'000, 0ms}), queue_guard::no_limit);
}

}  // namespace
}  // namespace millrace::net
