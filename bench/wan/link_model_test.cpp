#include "link_model.hpp"

#include <gtest/gtest.h>

#include "packet.hpp"

namespace millrace::wan {
namespace {

using namespace std::chrono_literals;

TEST(link_model, a_packet_takes_the_delay) {
  link_model link({.delay = 25ms});
  EXPECT_EQ(link.send(1s, 1200), 1s + 25ms);
}

TEST(link_model, the_rate_spaces_packets_and_the_queue_has_a_bound) {
  link_model link({.rate = 1'000'000, .queue = 20ms});  // 1250 bytes: 10 ms
  EXPECT_EQ(link.send(0ms, 1250), 10ms);
  EXPECT_EQ(link.send(0ms, 1250), 20ms);
  EXPECT_EQ(link.send(0ms, 1250), 30ms);  // would wait 20 ms: just allowed
  EXPECT_EQ(link.send(0ms, 1250), std::nullopt);
  EXPECT_EQ(link.counters().queue_full, 1U);
  EXPECT_EQ(link.send(30ms, 1250), 40ms);
}

TEST(link_model, the_rate_dips_again_and_again) {
  link_model link({.rate = 10'000'000, .dips = {{{5s, 1s, 20s}, 1'000'000}}});
  EXPECT_EQ(link.send(4s, 1250), 4s + 1ms);
  EXPECT_EQ(link.send(5s, 1250), 5s + 10ms);
  EXPECT_EQ(link.send(6s, 1250), 6s + 1ms);
  EXPECT_EQ(link.send(25s, 1250), 25s + 10ms);
}

TEST(link_model, outages_come_once_or_periodically) {
  link_model link({.outages = {{7s, 1s, 15s}, {10s, 1s}}});
  EXPECT_TRUE(link.send(6999ms, 100));
  EXPECT_FALSE(link.send(7s, 100));
  EXPECT_TRUE(link.send(8s, 100));
  EXPECT_FALSE(link.send(10500ms, 100));
  EXPECT_FALSE(link.send(22500ms, 100));
  EXPECT_TRUE(link.send(25500ms, 100));
  EXPECT_EQ(link.counters().in_outage, 3U);
}

TEST(link_model, jitter_never_reorders) {
  link_model link({.delay = 10ms, .jitter = 30ms});
  nanoseconds before{0};
  for (int i = 0; i < 1000; ++i) {
    const auto out = link.send(i * 1ms, 100);
    ASSERT_TRUE(out);
    EXPECT_GE(*out, before);
    before = *out;
  }
}

TEST(link_model, losses_have_their_share_and_their_length) {
  link_model link({.loss = 0.05, .burst = 4, .seed = 7});
  constexpr int count = 200'000;
  int lost = 0, runs = 0;
  bool before = false;
  for (int i = 0; i < count; ++i) {
    const bool gone = !link.send(i * 1ms, 100);
    lost += gone;
    runs += gone && !before;
    before = gone;
  }
  EXPECT_NEAR(static_cast<double>(lost) / count, 0.05, 0.005);
  EXPECT_NEAR(static_cast<double>(lost) / runs, 4, 0.3);
}

TEST(link_model, the_same_seed_loses_the_same_packets) {
  const auto losses = [](std::uint64_t seed) {
    link_model link({.loss = 0.3, .seed = seed});
    std::vector<bool> out;
    for (int i = 0; i < 100; ++i) out.push_back(!link.send(i * 1ms, 100));
    return out;
  };
  EXPECT_EQ(losses(1), losses(1));
  EXPECT_NE(losses(1), losses(2));
}

// An IPv4 header with the addresses left 0 and UDP behind it; the checksum is right when pseudo header, UDP and payload sum up to 0xffff.
std::vector<char> udp_packet(unsigned source, unsigned destination) {
  std::vector<char> p(20 + 8 + 4, 0);
  p[0] = 0x45;
  p[9] = 17;
  detail::put_word(p, 20, source);
  detail::put_word(p, 22, destination);
  detail::put_word(p, 24, 12);
  detail::put_word(p, 28, 0x1234);
  return p;
}

unsigned udp_sum(std::span<const char> p) {
  unsigned sum = 17 + 12;
  for (std::size_t at = 20; at < p.size(); at += 2) sum += detail::word(p, at);
  while (sum > 0xffff) sum = (sum & 0xffffU) + (sum >> 16);
  return sum;
}

TEST(wan_packet, a_rewritten_port_keeps_the_checksum_right_and_comes_back) {
  auto packet = udp_packet(50000, 1935);
  detail::put_word(packet, 26, ~udp_sum(packet) & 0xffffU);
  ASSERT_EQ(udp_sum(packet), 0xffffU);
  const auto before = packet;
  ASSERT_TRUE(carries_ports(packet));
  rewrite_port(packet, port_of::source);
  EXPECT_NE(detail::word(packet, 20), 50000U);
  EXPECT_EQ(detail::word(packet, 22), 1935U);
  EXPECT_EQ(udp_sum(packet), 0xffffU);
  rewrite_port(packet, port_of::source);
  EXPECT_EQ(packet, before);
}

TEST(wan_packet, udp_without_a_checksum_stays_without) {
  auto packet = udp_packet(50000, 1935);
  rewrite_port(packet, port_of::destination);
  EXPECT_EQ(detail::word(packet, 26), 0U);
}

TEST(wan_packet, what_has_no_ports_is_left_alone) {
  auto icmp = udp_packet(50000, 1935);
  icmp[9] = 1;
  auto fragment = udp_packet(50000, 1935);
  fragment[7] = 1;
  for (auto packet : {icmp, fragment, std::vector<char>(10, 0x45)}) {
    const auto before = packet;
    EXPECT_FALSE(carries_ports(packet));
    rewrite_port(packet, port_of::source);
    EXPECT_EQ(packet, before);
  }
}

}  // namespace
}  // namespace millrace::wan
