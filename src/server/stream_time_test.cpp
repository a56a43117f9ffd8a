// A day of stream time from publisher to player, as fast as it goes: wire clocks that wrap, step back and start anew, publishers that come
// and go (conformance T7 to T11). Here and not in rtmp or hub, because it takes both.
#include <gtest/gtest.h>

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <random>

#include "hub/stream.hpp"
#include "rtmp/chunk_reader.hpp"
#include "rtmp/chunk_writer.hpp"
#include "rtmp/control.hpp"
#include "rtmp/media_message.hpp"
#include "rtmp/wire_image.hpp"

namespace millrace::server {
namespace {

using media::frame_kind;
using std::chrono::milliseconds;

base::instant at_ms(std::int64_t ms) { return base::instant(milliseconds(ms)); }

// An encoder: 32-bit times on the wire, a sound with every tick, a picture with every second one, 7 ms behind the sound.
class wire_publisher {
 public:
  wire_publisher(const std::shared_ptr<hub::stream>& s, std::uint32_t first_time, std::uint32_t tick_ms, std::uint32_t bits = 0xFFFF'FFFF)
      : time_(first_time), tick_(tick_ms), bits_(bits) {
    auto made = s->publish();
    EXPECT_TRUE(made);
    publication_ = std::move(*made);
  }
  void step(std::int64_t now_ms) {
    send(now_ms, rtmp::message_type::audio, time_, {0xaf, 1, 1});
    if (++steps_ % 2 == 1) {
      send(now_ms, rtmp::message_type::video, time_ - 7, {static_cast<std::uint8_t>(steps_ % 100 == 1 ? 0x17 : 0x27), 1, 0, 0, 0, 1});
    }
    publication_->flush();
    time_ += tick_;
  }
  void move(std::int64_t by_ms) { time_ += static_cast<std::uint32_t>(by_ms); }
  void reset() { time_ = 7; }
  void mask(std::uint32_t bits) { time_ &= bits; }

 private:
  void send(std::int64_t now_ms, rtmp::message_type type, std::uint32_t time, std::vector<std::uint8_t> payload) {
    rtmp::message m;
    m.type = type;
    m.timestamp = time & bits_;
    m.payload = base::slice(std::move(payload));
    std::vector<media::frame> frames;
    std::uint64_t dropped = 0;
    ASSERT_TRUE(builder_.build(at_ms(now_ms), m, frames, dropped));
    for (auto& f : frames) publication_->append(std::move(f));
  }
  std::unique_ptr<hub::publication> publication_;
  rtmp::frame_builder builder_;
  std::uint32_t time_, tick_, bits_;
  unsigned steps_ = 0;
};

// A player behind a wire: reads chunks, widens their times again, and holds each track to going forward.
class wire_player : public hub::viewer {
 public:
  wire_player(const std::shared_ptr<hub::stream>& s, const hub::cursor_policy& policy)
      : reader_(base::rtmp_limits{}, 1u << 20), cursor_(s, *this, policy) {
    const auto size = rtmp::encode_chunks(rtmp::make_control(rtmp::message_type::set_chunk_size, rtmp::wire_chunk_size), 128).flatten();
    base::bytes_view left = size;
    const auto none = reader_.next(left);
    EXPECT_TRUE(none && !*none);
  }
  void on_frames() override {}
  void on_publisher_gone() override {}
  void on_publisher_back() override {}

  void read(std::int64_t now_ms) {
    while (const auto got = cursor_.next(at_ms(now_ms))) {
      const auto wire = rtmp::encode_wire(*got->item->frame()).flatten();
      base::bytes_view left = wire;
      auto m = reader_.next(left);
      ASSERT_TRUE(m && *m);
      auto& t = tracks_[static_cast<unsigned>((**m).type)];
      const auto time = t.clock.widen((**m).timestamp);
      ASSERT_TRUE(!t.last || time >= *t.last) << "time runs backwards: " << *t.last << ", " << time << " at " << now_ms;
      if (t.last) longest_step = std::max(longest_step, time - *t.last);
      if (!t.last) t.first = time;
      t.last = time;
      t.last_at = now_ms;
      ++frames;
    }
  }
  [[nodiscard]] std::int64_t sound_ahead_of_picture() { return *tracks_[8].last - *tracks_[9].last; }
  [[nodiscard]] std::int64_t played() { return *tracks_[9].last - tracks_[9].first; }
  [[nodiscard]] const hub::cursor_stats& stats() const { return cursor_.stats(); }

  std::uint64_t frames = 0;
  std::int64_t longest_step = 0;

 private:
  struct track {
    rtmp::dts_clock clock;
    std::optional<std::int64_t> last;
    std::int64_t first = 0, last_at = 0;
  };
  std::map<unsigned, track> tracks_;
  rtmp::chunk_reader reader_;
  hub::cursor cursor_;
};

std::vector<std::unique_ptr<wire_player>> two_players(const std::shared_ptr<hub::stream>& s) {
  hub::cursor_policy plain, catching;
  catching.wanted_delay = milliseconds(200);
  std::vector<std::unique_ptr<wire_player>> players;
  players.push_back(std::make_unique<wire_player>(s, plain));
  players.push_back(std::make_unique<wire_player>(s, catching));
  return players;
}

TEST(stream_time, T7_T8_clocks_run_on_across_24_31_and_32_bits) {
  for (const std::uint32_t edge : {0x00FF'FFFFu, 0x7FFF'FFFFu, 0xFFFF'FFFFu}) {
    SCOPED_TRACE(edge);
    auto s = std::make_shared<hub::stream>("live/a", base::hub_limits{});
    wire_publisher p(s, edge - 15'000, 20);
    const auto players = two_players(s);
    for (std::int64_t now = 0; now < 30'000; now += 20) {
      p.step(now);
      for (const auto& player : players) player->read(now);
    }
    for (const auto& player : players) {
      EXPECT_EQ(player->longest_step, 40);
      EXPECT_EQ(player->played(), 29'960);
      EXPECT_EQ(player->stats().dropped_slow(), 0u);
      EXPECT_NEAR(static_cast<double>(player->sound_ahead_of_picture()), 27, 1) << "the last sound has no picture";
    }
  }
}

TEST(stream_time, T8_T9_clocks_of_fewer_bits_start_anew_and_the_stream_goes_on) {
  for (const std::uint32_t mask : {0x00FF'FFFFu, 0x7FFF'FFFFu}) {
    SCOPED_TRACE(mask);
    auto s = std::make_shared<hub::stream>("live/a", base::hub_limits{});
    wire_publisher p(s, mask - 15'000, 20, mask);
    const auto players = two_players(s);
    for (std::int64_t now = 0; now < 30'000; now += 20) {
      p.step(now);
      for (const auto& player : players) player->read(now);
    }
    for (const auto& player : players) {
      EXPECT_LE(player->longest_step, 100);
      EXPECT_NEAR(static_cast<double>(player->played()), 29'960, 100);
      EXPECT_NEAR(static_cast<double>(player->sound_ahead_of_picture()), 27, 1);
    }
  }
}

// 24 hours: a publisher of random length after another; every few minutes its clock does something that it should not.
TEST(stream_time, T7_T8_T9_T10_T11_a_day_of_publishers_and_clocks) {
  std::mt19937 engine(24);
  const auto random = [&engine](std::uint32_t most) { return static_cast<std::uint32_t>(engine()) % (most + 1); };
  base::hub_limits limits;
  limits.ring_age = milliseconds(3'000);
  auto s = std::make_shared<hub::stream>("live/a", limits);
  const auto players = two_players(s);
  constexpr std::int64_t day = 24 * 3'600'000, tick = 200;
  std::unique_ptr<wire_publisher> p;
  std::int64_t end_of_publisher = 0, next_trick = 0, steady_since = 0;
  std::array<int, 8> tricks{};
  int publishers = 0;
  for (std::int64_t now = 0; now < day; now += tick) {
    if (!p) {
      const std::uint32_t starts[] = {1'000, 0x00FF'FFFFu - 60'000, 0x7FFF'FFFFu - 60'000, 0xFFFF'FFFFu - 60'000, random(0xFFFF'FFFEu)};
      p = std::make_unique<wire_publisher>(s, starts[random(4)], tick);
      ++publishers;
      end_of_publisher = now + 60'000 + random(3'600'000);
      next_trick = now + 20'000 + random(300'000);
      steady_since = now;
    }
    if (now >= next_trick) {
      next_trick = now + 20'000 + random(300'000);
      steady_since = now + 2'000;
      const auto trick = random(7);
      ++tricks[trick];
      switch (trick) {
        case 0: p->move(-static_cast<std::int64_t>(random(999))); break;
        case 1: p->move(-static_cast<std::int64_t>(1'001 + random(9'000))); break;
        case 2: p->move(-static_cast<std::int64_t>(random(3'600'000))); break;
        case 3: p->reset(); break;
        case 4: p->move(random(5'000)); break;
        case 5: p->move(0x4000'0000); break;
        case 6: p->mask(0x00FF'FFFF); break;
        default: now += random(20'000) / tick * tick; break;  // silence, the clock stands still
      }
    }
    p->step(now);
    for (const auto& player : players) {
      player->read(now);
      if (HasFatalFailure()) return;
    }
    if (now > steady_since + 1'000 && now % 1'000 == 0) {
      for (const auto& player : players)
        ASSERT_NEAR(static_cast<double>(player->sound_ahead_of_picture()), 7 + tick / 2, tick / 2 + 1) << now;
    }
    if (now >= end_of_publisher) {
      p.reset();
      now += random(30'000) / tick * tick;
    }
  }
  EXPECT_GT(publishers, 20);
  for (const int count : tricks) EXPECT_GT(count, 20);
  for (const auto& player : players) {
    EXPECT_GT(player->frames, 500'000u);
    EXPECT_LT(player->longest_step, 70'000) << "no leap but for silences";
    EXPECT_NEAR(static_cast<double>(player->played()), static_cast<double>(day), 0.02 * static_cast<double>(day))
        << "stream time is real time";
  }
}

}  // namespace
}  // namespace millrace::server
