// Every mapping over every kind of network, for many seeds. MILLRACE_SIM_SEEDS=N runs N seeds of each instead of a few;
// MILLRACE_SIM_SEED=S only that one, with a line about what happened.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <random>

#include "sim/scenario.hpp"

namespace millrace::sim {
namespace {

using namespace std::chrono_literals;

enum class network : unsigned char { clean, mobile, burst, slow, outage, copies, far, wild };

const char* name(network n) {
  constexpr const char* names[] = {"clean", "mobile", "burst", "slow", "outage", "copies", "far", "wild"};
  return names[static_cast<std::size_t>(n)];
}
const char* name(mapping m) {
  constexpr const char* names[] = {"live", "reliable", "plain_roqr", "byte_stream"};
  return names[static_cast<std::size_t>(m)];
}

// One direction. The return path of a slow or broken network is as bad as the other.
path_options path_of(network kind, std::mt19937_64& random, bool forward) {
  const auto any = [&random](int low, int high) { return low + static_cast<int>(random() % static_cast<std::uint64_t>(high - low + 1)); };
  path_options p;
  p.seed = random();
  p.delay = std::chrono::milliseconds(any(5, 40));
  switch (kind) {
    case network::clean: break;
    case network::mobile:
      p.jitter = std::chrono::milliseconds(any(5, 30));
      p.loss = any(5, 30) / 1000.0;
      p.late = 0.02;
      p.rate = 6'000'000;
      break;
    case network::burst:
      p.fade = std::chrono::milliseconds(any(5, 100));
      p.fade_share = any(20, 100) / 1000.0;
      break;
    case network::slow:
      p.rate = forward ? static_cast<std::uint64_t>(any(350, 700)) * 1000 : 1'000'000;
      p.loss = 0.005;
      break;
    case network::outage:
      p.loss = 0.01;
      p.outages.push_back({std::chrono::milliseconds(any(1'500, 3'000)), std::chrono::milliseconds(any(300, 1'500))});
      p.outages.push_back({std::chrono::milliseconds(any(5'500, 6'500)), std::chrono::milliseconds(any(100, 900))});
      break;
    case network::copies:
      p.copies = 0.15;
      p.late = 0.1;
      p.late_by = 60ms;
      p.loss = 0.01;
      break;
    case network::far:
      p.delay = std::chrono::milliseconds(any(120, 300));
      p.loss = any(0, 20) / 1000.0;
      break;
    case network::wild:
      p.delay = std::chrono::milliseconds(any(1, 150));
      p.jitter = std::chrono::milliseconds(any(0, 80));
      p.loss = any(0, 150) / 1000.0;
      p.fade = std::chrono::milliseconds(any(0, 60));
      p.fade_share = any(5, 60) / 1000.0;
      p.late = any(0, 50) / 1000.0;
      p.copies = any(0, 50) / 1000.0;
      if (any(0, 1) == 1) p.rate = static_cast<std::uint64_t>(any(500, 3000)) * 1000;
      if (any(0, 1) == 1) p.outages.push_back({std::chrono::milliseconds(any(1'000, 6'000)), std::chrono::milliseconds(any(50, 2'000))});
      break;
  }
  return p;
}

scenario_options options_for(mapping how, network kind, std::uint64_t seed) {
  std::mt19937_64 random(seed * 1000 + 10 * static_cast<std::uint64_t>(how) + static_cast<std::uint64_t>(kind));
  scenario_options o;
  o.seed = random() >> 8;
  o.how = how;
  o.up = path_of(kind, random, true);
  o.down = path_of(kind, random, false);
  o.player_down = path_of(kind, random, true);
  o.player_up = path_of(kind, random, false);
  o.player = seed % 2 == 0;
  o.congestion = seed % 3 == 0 ? net::congestion_control::cubic : net::congestion_control::bbr;
  o.media.seconds = 8;
  o.media.gop_ms = 1'000 + static_cast<int>(random() % 5) * 500;
  o.media.video = seed % 5 != 4;
  o.media.new_configs = seed % 4 < 2;
  o.media.cues_per_second = seed % 3 == 1 ? 2 : 0;
  if (seed % 4 == 3) o.rebind_ms = 3'000;
  return o;
}

std::string joined(const std::vector<std::string>& all) {
  std::string out;
  for (const auto& each : all) out += "\n  " + each;
  return out;
}

class sim : public testing::TestWithParam<std::tuple<mapping, network>> {};

TEST_P(sim, holds_what_it_promises) {
  const auto [how, kind] = GetParam();
  std::uint64_t first = 1, last = 6;
  if (const char* many = std::getenv("MILLRACE_SIM_SEEDS")) last = std::strtoull(many, nullptr, 10);
  const char* const only = std::getenv("MILLRACE_SIM_SEED");
  if (only != nullptr) first = last = std::strtoull(only, nullptr, 10);
  for (auto seed = first; seed <= last; ++seed) {
    const auto got = scenario(options_for(how, kind, seed)).run();
    EXPECT_TRUE(got.faults.empty()) << "MILLRACE_SIM_SEED=" << seed << joined(got.faults) << "\n  " << got.summary;
    if (kind == network::clean) {
      EXPECT_GT(got.sent, 0u);
      EXPECT_EQ(got.missing, 0u) << "MILLRACE_SIM_SEED=" << seed << ": something is lost where there is room";
    }
    if (only != nullptr) std::printf("%s\n", got.summary.c_str());
  }
}

INSTANTIATE_TEST_SUITE_P(path, sim,
                         testing::Combine(testing::Values(mapping::live, mapping::reliable, mapping::plain_roqr, mapping::byte_stream),
                                          testing::Values(network::clean, network::mobile, network::burst, network::slow, network::outage,
                                                          network::copies, network::far, network::wild)),
                         [](const auto& each) {
                           return std::string(name(std::get<0>(each.param))) + "_" + name(std::get<1>(each.param));
                         });

TEST(sim_repeats, the_same_seed_gives_the_same_transcript) {
  for (const auto how : {mapping::live, mapping::reliable, mapping::byte_stream}) {
    const auto options = options_for(how, network::mobile, 2);
    const auto one = scenario(options).run(), other = scenario(options).run();
    ASSERT_FALSE(one.transcript.empty());
    EXPECT_EQ(one.transcript, other.transcript) << name(how);
  }
}

}  // namespace
}  // namespace millrace::sim
