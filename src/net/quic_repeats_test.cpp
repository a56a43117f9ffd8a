// Redundancy over a network that loses packets: that it comes and goes with its reasons, and what a repetition is worth.
#include <gtest/gtest.h>

#include <boost/asio/steady_timer.hpp>

#include "support/quic_fixtures.hpp"
#include "support/udp_relay.hpp"

namespace millrace::net {
namespace {

using namespace std::chrono_literals;
using test::chain_of;
using test::loopback;
using test::noise;
using test::run_until;

// A client that sends like live media, small messages at a steady pace, through a relay to a server that keeps all of it.
class lossy_live : public testing::Test {
 protected:
  void begin(redundancy_policy redundancy) {
    world_.client_options.redundancy = redundancy;
    world_.listen();
    relay_ = std::make_unique<test::udp_relay>(world_.io, loopback(world_.server->port()), 11);
    relay_->now.delay = 20ms;
    std::tie(client_, server_) = world_.pair(world_.options(relay_->port()));
    ASSERT_NE(server_, nullptr);
    timer_.emplace(world_.io);
    go_on();
  }
  ~lossy_live() override {
    pause();
    timer_.reset();
    relay_.reset();
  }
  void go_on() {
    sending_ = true;
    tick();
  }
  // Cancelling alone does not reach a tick that is due already.
  void pause() {
    sending_ = false;
    if (timer_) timer_->cancel();
  }
  void message() {
    sent_ += noise(600, static_cast<unsigned>(messages_));
    client_->transport->send(chain_of(sent_.substr(sent_.size() - 600)));
    ++messages_;
  }
  void tick() {
    message();
    timer_->expires_after(5ms);
    timer_->async_wait([this](boost::system::error_code failed) {
      if (!failed && sending_) tick();
    });
  }
  [[nodiscard]] transport_facts facts() const { return client_->transport->facts(); }
  [[nodiscard]] std::uint64_t repeats() const { return facts().repeats_sent.value(); }
  bool repeats_begin() {
    const auto before = repeats();
    return run_until(
        world_.io, [&] { return repeats() > before + 20; }, 60s);
  }
  // For so many messages nothing is sent twice.
  bool repeats_end(std::size_t for_messages) {
    auto last = repeats();
    auto since = messages_;
    return run_until(
        world_.io,
        [&] {
          if (repeats() != last) since = messages_;
          last = repeats();
          return messages_ - since >= for_messages;
        },
        60s);
  }
  bool all_arrived() {
    return run_until(
        world_.io, [&] { return server_->handler.received.size() == sent_.size(); }, 30s);
  }

  bool sending_ = false;  // outlives the loop in world_
  test::quic_world world_;
  std::unique_ptr<test::udp_relay> relay_;
  std::optional<boost::asio::steady_timer> timer_;
  test::quic_end* client_ = nullptr;
  test::quic_end* server_ = nullptr;
  std::string sent_;
  std::size_t messages_ = 0;
};

TEST_F(lossy_live, nothing_is_sent_twice_before_anything_was_lost) {
  begin(redundancy_policy::automatic);
  ASSERT_TRUE(repeats_end(300));
  EXPECT_EQ(repeats(), 0u);
  EXPECT_EQ(facts().repeat_bytes, 0u);
  EXPECT_EQ(facts().repeats_useful, 0u);
  EXPECT_EQ(server_->transport->facts().repeats_received, 0u);
}

TEST_F(lossy_live, loss_brings_repetitions_and_the_receiver_drops_them) {
  begin(redundancy_policy::automatic);
  relay_->now.loss = 0.05;
  ASSERT_TRUE(repeats_begin());
  EXPECT_GT(facts().repeat_bytes.value(), 20u * 600u);
  EXPECT_LE(facts().repeats_useful.value(), repeats());
  EXPECT_TRUE(run_until(
      world_.io, [&] { return server_->transport->facts().repeats_received.value() > 0; }, 5s));
  EXPECT_EQ(server_->transport->facts().repeats_sent, 0u) << "it has nothing to say but ACKs";
  pause();
  ASSERT_TRUE(all_arrived());
  EXPECT_TRUE(server_->handler.received == sent_);
}

TEST_F(lossy_live, off_is_off) {
  begin(redundancy_policy::off);
  relay_->now.loss = 0.05;
  ASSERT_TRUE(run_until(
      world_.io, [&] { return facts().packets_lost.value() >= 20; }, 60s));
  EXPECT_EQ(repeats(), 0u);
}

TEST_F(lossy_live, a_path_that_fills_up_gets_nothing_twice) {
  begin(redundancy_policy::automatic);
  relay_->now.loss = 0.05;
  ASSERT_TRUE(repeats_begin());
  relay_->now.delay = 60ms;
  EXPECT_TRUE(repeats_end(300));
}

TEST_F(lossy_live, ends_with_the_loss) {
  begin(redundancy_policy::automatic);
  relay_->now.loss = 0.05;
  ASSERT_TRUE(repeats_begin());
  relay_->now.loss = 0;
  EXPECT_TRUE(repeats_end(600));
}

TEST_F(lossy_live, a_lost_packet_whose_repetition_arrives_is_not_sent_anew) {
  begin(redundancy_policy::automatic);
  bool saved = false;
  // Under load the policy may end just before the message; then nothing is sent twice, and there is another try.
  for (int attempt = 0; attempt < 5 && !saved; ++attempt) {
    relay_->now.loss = 0.05;
    if (attempt > 0) go_on();
    ASSERT_TRUE(repeats_begin());
    relay_->now.loss = 0;
    const auto clean = messages_ + 20;
    ASSERT_TRUE(run_until(
        world_.io, [&] { return messages_ >= clean; }, 10s));
    pause();
    ASSERT_TRUE(all_arrived());
    const auto lost = facts().packets_lost;
    // The first copy of the next media packet is dropped, and that one only.
    std::vector<std::uint8_t> dropped;
    relay_->tap = [&](bool up, const std::vector<std::uint8_t>& bytes) {
      relay_->now.cut_up = up && dropped.empty() && bytes.size() > 600;
      if (relay_->now.cut_up) {
        dropped = bytes;
      } else if (up && !dropped.empty() && bytes == dropped) {
        saved = true;
      }
    };
    message();
    ASSERT_TRUE(all_arrived());
    relay_->tap = nullptr;
    relay_->now.cut_up = false;
    ASSERT_FALSE(dropped.empty());
    if (saved) {
      EXPECT_EQ(facts().packets_lost, lost);
    }
  }
  EXPECT_TRUE(saved);
  EXPECT_TRUE(server_->handler.received == sent_);
}

}  // namespace
}  // namespace millrace::net
