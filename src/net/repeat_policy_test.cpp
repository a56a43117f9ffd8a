#include "net/repeat_policy.hpp"

#include <gtest/gtest.h>

#include <optional>

namespace millrace::net {
namespace {

using namespace std::chrono_literals;
using duration = repeat_policy::duration;

// A sender of constant rate on a path with a loss as regular as clockwork; time is ours. While repetitions are on, so much of the loss is
// seen as two independent copies leave of it, unless the test says otherwise.
class path {
 public:
  double loss = 0;
  duration rtt = 50ms, waited = 0ms;
  unsigned packets_per_second = 300, packet_bytes = 1000;
  std::optional<double> loss_while_on;
  repeat_policy policy;

  // Every 20 ms, as write passes come.
  void run(duration time) {
    for (const auto end = now + time; now < end;) {
      now += 20ms;
      const double packets = packets_per_second * 0.02;
      const double p = policy.on() ? loss_while_on.value_or(loss * loss) : loss;
      sent_ += packets;
      lost_ += packets * p;
      const auto before = policy.on();
      s_.packets_sent = static_cast<std::uint64_t>(sent_);
      s_.packets_lost = static_cast<std::uint64_t>(lost_);
      s_.bytes_sent = s_.packets_sent * packet_bytes;
      s_.bytes_delivered = (s_.packets_sent - s_.packets_lost) * packet_bytes;
      s_.rtt = rtt;
      s_.waited = waited;
      policy.update(now, s_);
      if (policy.on()) on_time += 20ms;
      if (policy.on() != before) ++changes;
      for (int i = 0; i < static_cast<int>(packets); ++i) {
        if (policy.take(now, packet_bytes, false)) repeated_bytes += packet_bytes;
      }
    }
  }
  // False: it did not come to that.
  bool run_until(bool on, duration at_most) {
    for (const auto end = now + at_most; now < end && policy.on() != on;) run(20ms);
    return policy.on() == on;
  }
  void burst(unsigned packets) {
    sent_ += packets;
    now += repeat_policy::slot;
    run(20ms);
  }

  duration now = 1h, on_time{0};
  int changes = 0;
  std::uint64_t repeated_bytes = 0;

 private:
  double sent_ = 0, lost_ = 0;
  repeat_policy::sample s_;
};

TEST(repeat_policy, a_path_without_loss_gets_nothing_twice) {
  path p;
  p.run(60s);
  EXPECT_EQ(p.on_time, 0s);
  EXPECT_EQ(p.repeated_bytes, 0U);
  EXPECT_EQ(p.policy.loss(), 0);
}

TEST(repeat_policy, a_few_lost_packets_of_many_are_no_loss) {
  path p;
  p.loss = 0.003;
  p.run(120s);
  EXPECT_EQ(p.on_time, 0s);
  EXPECT_NEAR(p.policy.loss(), 0.003, 0.003);
}

TEST(repeat_policy, loss_above_the_limit_starts_it_within_seconds) {
  path p;
  p.run(10s);
  p.loss = 0.02;
  EXPECT_TRUE(p.run_until(true, 3s));
  EXPECT_GT(p.policy.loss(), repeat_policy::loss_min);
}

TEST(repeat_policy, two_packets_say_nothing_however_few_were_sent) {
  path p;
  p.packets_per_second = 50;
  p.loss = 0.1;
  p.run(500ms);  // 25 packets, two of them lost
  EXPECT_FALSE(p.policy.on());
}

TEST(repeat_policy, sound_alone_is_looked_at_for_longer) {
  path p;
  p.packets_per_second = 50;
  p.loss = 0.01;  // one packet in two seconds
  EXPECT_TRUE(p.run_until(true, 12s));
}

// The point of it all: while it works there is hardly any loss to see, and that must not end it.
TEST(repeat_policy, a_steadily_lossy_path_has_it_nearly_all_of_the_time) {
  for (const double loss : {0.01, 0.03, 0.1}) {
    path p;
    p.loss = loss;
    p.run(60s);
    const auto on = p.on_time;
    const auto changes = p.changes;
    p.run(600s);
    EXPECT_GT(p.on_time - on, 570s) << loss;
    EXPECT_LE(p.changes - changes, 22) << "once a minute it is looked whether the loss is still there";
  }
}

TEST(repeat_policy, ends_when_the_loss_is_gone_and_stays_off) {
  path p;
  p.loss = 0.02;
  ASSERT_TRUE(p.run_until(true, 5s));
  p.loss = 0;
  EXPECT_TRUE(p.run_until(false, repeat_policy::hold_min + 1s));
  p.on_time = 0s;
  p.run(300s);
  EXPECT_EQ(p.on_time, 0s);
  p.loss = 0.02;
  ASSERT_TRUE(p.run_until(true, 5s)) << "the next occasion is one like the first";
  p.loss = 0;
  EXPECT_TRUE(p.run_until(false, repeat_policy::hold_min + 1s));
}

TEST(repeat_policy, a_key_frame_that_queues_for_a_moment_suspends_it_for_that_long) {
  path p;
  p.loss = 0.02;
  ASSERT_TRUE(p.run_until(true, 5s));
  for (int i = 0; i < 2; ++i) {
    p.rtt = 70ms;
    p.run(20ms);
    EXPECT_TRUE(p.policy.suspended());
    p.repeated_bytes = 0;
    p.run(180ms);
    EXPECT_EQ(p.repeated_bytes, 0U);
    EXPECT_TRUE(p.policy.take(p.now, 400, true)) << "sound is little";
    EXPECT_FALSE(p.policy.take(p.now, 4000, true)) << "this is not";
    p.rtt = 50ms;
    p.run(1800ms);
    EXPECT_TRUE(p.policy.on());
    EXPECT_GT(p.repeated_bytes, 100'000U);
  }
}

TEST(repeat_policy, a_round_trip_time_that_stays_up_stops_it_and_for_longer_each_time) {
  path p;
  p.loss = 0.02;
  ASSERT_TRUE(p.run_until(true, 5s));
  p.rtt = 70ms;
  EXPECT_TRUE(p.run_until(false, 1200ms));
  p.rtt = 50ms;
  const auto first = p.now;
  ASSERT_TRUE(p.run_until(true, 60s));
  EXPECT_GE(p.now - first, repeat_policy::back_off_min - 20ms);
  p.rtt = 70ms;
  EXPECT_TRUE(p.run_until(false, 1200ms));
  p.rtt = 50ms;
  const auto second = p.now;
  ASSERT_TRUE(p.run_until(true, 60s));
  EXPECT_GE(p.now - second, 2 * repeat_policy::back_off_min - 20ms);
}

TEST(repeat_policy, a_queue_that_is_there_already_keeps_it_from_starting) {
  path p;
  p.run(5s);
  p.rtt = 90ms;
  p.loss = 0.03;
  p.run(10s);
  EXPECT_EQ(p.on_time, 0s);
}

TEST(repeat_policy, a_path_that_has_become_longer_for_good_is_no_queue) {
  path p;
  p.run(5s);
  p.rtt = 90ms;
  p.run(40s);
  p.loss = 0.03;
  EXPECT_TRUE(p.run_until(true, 5s));
}

TEST(repeat_policy, media_that_waits_for_congestion_control_comes_first) {
  path p;
  p.loss = 0.03;
  p.waited = 300ms;
  p.run(10s);
  EXPECT_EQ(p.on_time, 0s);
  p.waited = 0ms;
  ASSERT_TRUE(p.run_until(true, 5s));
  p.waited = 300ms;
  p.run(20ms);
  EXPECT_TRUE(p.policy.suspended());
  EXPECT_TRUE(p.run_until(false, 1200ms));
}

TEST(repeat_policy, loss_that_gets_worse_by_it_stops_it) {
  path p;
  p.loss = 0.01;
  p.loss_while_on = 0.2;  // a policer
  ASSERT_TRUE(p.run_until(true, 5s));
  EXPECT_TRUE(p.run_until(false, 2s));
  p.on_time = 0s;
  p.run(600s);
  EXPECT_LT(p.on_time, 30s) << "tried now and then only";
}

TEST(repeat_policy, bursts_that_outlive_the_repetition_do_not_stop_it) {
  path p;
  p.loss = 0.03;
  p.loss_while_on = 0.03;
  ASSERT_TRUE(p.run_until(true, 5s));
  p.run(4s);
  EXPECT_TRUE(p.policy.on());
}

TEST(repeat_policy, without_a_proof_of_room_it_starts_with_a_quarter_and_grows) {
  path p;
  p.run(12s);  // constant rate: the best slot is not much more than the mean
  p.loss = 0.02;
  ASSERT_TRUE(p.run_until(true, 5s));
  p.run(100ms);
  p.repeated_bytes = 0;
  p.run(300ms);
  EXPECT_GT(p.repeated_bytes, 15'000U);
  EXPECT_LT(p.repeated_bytes, 36'000U) << "of 90 kB";
  p.run(2s);
  p.repeated_bytes = 0;
  p.run(1s);
  EXPECT_GT(p.repeated_bytes, 280'000U) << "all of it";
}

TEST(repeat_policy, what_was_delivered_in_a_burst_is_room) {
  path p;
  p.run(10s);
  p.burst(150);  // half a second's worth within a tenth
  p.run(1s);
  p.loss = 0.02;
  ASSERT_TRUE(p.run_until(true, 5s));
  p.run(100ms);
  p.repeated_bytes = 0;
  p.run(300ms);
  EXPECT_GT(p.repeated_bytes, 80'000U) << "of 90 kB, from the start";
}

TEST(repeat_policy, never_more_than_everything_twice) {
  path p;
  p.loss = 0.02;
  p.packets_per_second = 3000;
  p.run(10s);
  ASSERT_TRUE(p.policy.on());
  p.repeated_bytes = 0;
  std::uint64_t offered = 0;
  for (int i = 0; i < 100'000; ++i) {
    if (p.policy.take(p.now, 1000, true)) offered += 1000;
  }
  EXPECT_LT(offered, 200'000U) << "at one instant";
}

TEST(repeat_policy, something_is_left_for_what_is_urgent) {
  path p;
  p.loss = 0.02;
  ASSERT_TRUE(p.run_until(true, 5s));
  p.run(1s);
  ASSERT_TRUE(p.policy.on());
  for (int i = 0; i < 1000 && p.policy.take(p.now, 500, false); ++i) {
  }
  EXPECT_FALSE(p.policy.take(p.now, 500, false));
  EXPECT_TRUE(p.policy.take(p.now, 500, true));
}

TEST(repeat_policy, off_takes_nothing_and_another_path_begins_anew) {
  path p;
  EXPECT_FALSE(p.policy.take(p.now, 100, true));
  p.loss = 0.02;
  ASSERT_TRUE(p.run_until(true, 5s));
  p.policy.reset();
  EXPECT_FALSE(p.policy.on());
  EXPECT_EQ(p.policy.loss(), 0);
  EXPECT_TRUE(p.run_until(true, 5s));
}

}  // namespace
}  // namespace millrace::net
