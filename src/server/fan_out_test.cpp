// Rounds on a real loop: what a busy shard reads in them, and that they go on by themselves.
#include "server/fan_out.hpp"

#include <gtest/gtest.h>

#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <utility>

#include "hub/hub_fixture.hpp"
#include "support/net_fixtures.hpp"

namespace millrace::server {
namespace {

using namespace std::chrono_literals;
using hub::testing::key;
using hub::testing::noting_viewer;

struct counting_reader final : net::receive_rounds::reader {
  void gather(bool on) override { gathers = on; }
  void read_round() override {
    ++rounds;
    if (announces) ++while_announcing;
    if (const auto once = std::exchange(then, nullptr)) once();
  }
  bool gathers = false;
  bool announces = false;  // it is inside announce()
  int rounds = 0, while_announcing = 0;
  std::function<void()> then;
};

struct fan_out_test : ::testing::Test {
  boost::asio::io_context io;
  net::receive_rounds& rounds = net::receive_rounds::of(io);
  counting_reader publisher;
  base::hub_limits limits;
  std::shared_ptr<hub::stream> stream = std::make_shared<hub::stream>("live/a", limits);
  std::unique_ptr<hub::publication> publication = *stream->publish();
  noting_viewer viewer;

  fan_out_test() { rounds.join(publisher); }
  ~fan_out_test() override { rounds.leave(publisher); }

  // A frame each millisecond, until `enough`.
  bool publish(fan_out& of, const std::function<bool()>& enough) {
    boost::asio::steady_timer timer(io);
    std::function<void()> next = [&] {
      publication->append(key(++time_));
      publisher.announces = true;
      of.announce(stream);
      publisher.announces = false;
      timer.expires_after(1ms);
      timer.async_wait([&](boost::system::error_code failed) {
        if (!failed) next();
      });
    };
    next();
    const bool done = test::run_until(io, enough);
    timer.cancel();
    io.poll();
    return done;
  }
  // Any load is too much.
  bool get_busy(fan_out& of) {
    return publish(of, [this] { return publisher.gathers; });
  }
  std::int64_t time_ = 0;
};

constexpr fan_out_pace::settings never_idle_enough{40ms, 0.0};

TEST_F(fan_out_test, a_busy_shard_reads_publishers_in_rounds_that_go_on_by_themselves) {
  fan_out shard(io, never_idle_enough);
  ASSERT_TRUE(get_busy(shard)) << "also without a viewer";
  EXPECT_GE(shard.facts().window, 20ms);
  const auto before = publisher.rounds;
  ASSERT_TRUE(test::run_until(io, [&] { return publisher.rounds >= before + 3; })) << "nobody announces anything any more";
}

// What it reads may be its end.
TEST_F(fan_out_test, who_announces_is_not_read_meanwhile_not_even_when_rounds_begin) {
  fan_out shard(io, never_idle_enough);
  ASSERT_TRUE(get_busy(shard));
  ASSERT_TRUE(publish(shard, [this] { return publisher.rounds > 2; }));
  EXPECT_EQ(publisher.while_announcing, 0);
}

TEST_F(fan_out_test, what_a_round_reads_goes_out_in_that_round) {
  fan_out shard(io, never_idle_enough);
  hub::cursor place(stream, viewer, {});
  ASSERT_TRUE(get_busy(shard));
  ASSERT_TRUE(test::run_until(io, [&] { return publisher.rounds > 1; }));
  while (place.next(std::chrono::steady_clock::now())) {
  }
  viewer.frames = 0;
  int told_inside = -1;
  publisher.then = [&] {
    publication->append(key(++time_));
    shard.announce(stream);
    told_inside = viewer.frames;
  };
  const auto before = publisher.rounds;
  ASSERT_TRUE(test::run_until(io, [&] { return viewer.frames > 0; }));
  EXPECT_EQ(told_inside, 0) << "viewers come after all publishers";
  EXPECT_EQ(publisher.rounds, before + 1) << "and not a round later";
}

TEST_F(fan_out_test, an_idle_shard_reads_as_it_comes) {
  fan_out shard(io, {100ms, 1.0});
  const auto until = std::chrono::steady_clock::now() + 300ms;
  ASSERT_TRUE(publish(shard, [until] { return std::chrono::steady_clock::now() > until; }));
  EXPECT_FALSE(publisher.gathers);
  EXPECT_EQ(publisher.rounds, 0);
}

TEST_F(fan_out_test, without_it_nobody_waits_for_rounds) {
  {
    fan_out shard(io, never_idle_enough);
    ASSERT_TRUE(get_busy(shard));
  }
  EXPECT_FALSE(publisher.gathers);
}

}  // namespace
}  // namespace millrace::server
