// What the ring keeps, and for whom.
#include <gtest/gtest.h>

#include <array>
#include <random>

#include "hub/hub_fixture.hpp"

namespace millrace::hub {
namespace {

using namespace testing;
using std::chrono::milliseconds;

struct retention : ::testing::Test {
  std::shared_ptr<stream> s = std::make_shared<stream>("live/a", base::hub_limits{});
  std::unique_ptr<publication> p = std::move(*s->publish());

  // A key frame each second, 9 frames and 10 sounds behind it.
  void publish(std::int64_t from_ms, std::int64_t to_ms) {
    for (auto ms = from_ms; ms < to_ms; ms += 100) append(*p, {ms % 1000 == 0 ? key(ms) : inter(ms), audio(ms + 50)});
  }
};

TEST_F(retention, without_a_viewer_only_the_newest_group_of_pictures) {
  append(*p, {data(0, "onMetaData"), video_config(0), audio_config(0)});
  publish(0, 10'000);
  EXPECT_EQ(s->facts().ring_frames, 20u);
  append(*p, {key(10'000)});
  EXPECT_EQ(s->facts().ring_frames, 1u);
  EXPECT_EQ(s->facts().gop_count, 1u);
  watcher w(s);
  EXPECT_EQ(w.read(10'000), "*onMetaData@10000 *V1@10000 *A1@10000 K@10000");
}

TEST_F(retention, a_viewer_holds_what_is_young_enough_for_it) {
  publish(0, 5'000);
  const watcher w(s, milliseconds(2'500));
  publish(5'000, 10'000);
  EXPECT_EQ(s->facts().ring_frames, 51u) << "2.5 s, the last sound is of 9950";
  EXPECT_EQ(s->facts().gop_count, 2u);
}

TEST_F(retention, the_most_patient_viewer_counts_while_it_is_there) {
  const watcher hasty(s, milliseconds(0));
  {
    const watcher patient(s, milliseconds(4'000));
    publish(0, 10'000);
    EXPECT_EQ(s->facts().ring_frames, 81u);
  }
  publish(10'000, 11'000);
  EXPECT_EQ(s->facts().ring_frames, 20u);
}

TEST_F(retention, the_last_viewer_leaves_nothing_behind) {
  {
    const watcher w(s, milliseconds(4'000));
    publish(0, 10'000);
  }
  publish(10'000, 10'100);
  EXPECT_EQ(s->facts().ring_frames, 2u);
}

TEST_F(retention, without_a_key_frame_the_limits_alone_count) {
  for (int ms = 0; ms < 30'000; ms += 100) append(*p, {audio(ms)});
  EXPECT_EQ(s->facts().ring_frames, 201u);
}

TEST_F(retention, each_track_keeps_its_start) {
  const auto side_key = [](std::int64_t ms) {
    base::byte_writer out;
    out.u8(0x96).u8(1).text("av01").u8(1).u8(0);
    return make(media::frame_kind::video, ms, ms, std::move(out).take());
  };
  append(*p, {key(0), side_key(10), inter(20), key(1000), inter(1020), key(2000)});
  cursor_policy policy;
  policy.video_track = 1;
  watcher w(s, policy);
  EXPECT_EQ(w.read(2000), "K@10");
  append(*p, {side_key(2020)});
  EXPECT_EQ(s->facts().ring_frames, 5u) << "older than the viewer's 2 s: two";
}

TEST_F(retention, what_was_of_no_use_is_no_overrun) {
  watcher w(s, milliseconds(1'000));
  publish(0, 100);
  EXPECT_EQ(w.read(50), "K@0 a@50");
  publish(100, 5'000);
  EXPECT_EQ(w.read(5'000, 1), "K@4000");
  EXPECT_EQ(w.place.stats().of(loss::viewer_too_slow), 78u);
  EXPECT_EQ(w.place.stats().of(loss::ring_overrun), 0u);
}

TEST(retention_limits, what_a_limit_took_from_a_viewer_is_an_overrun) {
  base::hub_limits limits;
  limits.ring_frames = 4;
  auto s = std::make_shared<stream>("live/a", limits);
  auto p = std::move(*s->publish());
  watcher w(s);
  append(*p, {key(0)});
  EXPECT_EQ(w.read(0), "K@0");
  append(*p, {inter(1), inter(2), inter(3), key(4), inter(5)});
  EXPECT_EQ(w.read(5), "K@4 v@5");
  EXPECT_EQ(w.place.stats().of(loss::ring_overrun), 3u);
  EXPECT_EQ(w.place.stats().of(loss::viewer_too_slow), 0u);
}

TEST_F(retention, a_flush_is_claimed_once_and_only_for_viewers) {
  append(*p, {key(0)});
  p->append(inter(40));
  EXPECT_FALSE(s->claim_flush()) << "nobody is there";
  watcher w(s);
  EXPECT_EQ(w.read(40), "K@0 v@40");
  p->append(inter(80));
  EXPECT_TRUE(s->claim_flush());
  p->append(inter(120));
  EXPECT_FALSE(s->claim_flush());
  s->flush();
  EXPECT_EQ(w.frames, 1);
  EXPECT_FALSE(s->claim_flush()) << "nothing new";
  p->append(inter(160));
  EXPECT_TRUE(s->claim_flush());
}

TEST_F(retention, turns_are_a_frame_to_take_in_and_one_for_each_viewer) {
  p->append(key(0));
  p->append(inter(40));
  EXPECT_EQ(s->take_turns(), 2u);
  EXPECT_EQ(s->take_turns(), 0u);
  watcher one(s), other(s);
  p->append(inter(80));
  s->flush();
  EXPECT_EQ(s->take_turns(), 3u) << "told or not";
}

// The same viewers on two streams that get the same; one of them keeps everything because somebody there wants it.
TEST(retention_model, nobody_misses_what_is_not_kept) {
  std::uint64_t lost = 0, most_kept = 0;
  for (unsigned seed = 1; seed <= 100 && !::testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 engine(seed);
    const auto random = [&engine](unsigned below) { return static_cast<unsigned>(engine()) % below; };
    const auto chance = [&random](unsigned percent) { return random(100) < percent; };
    base::hub_limits limits;
    limits.ring_age = std::chrono::hours(1);
    const std::array both{std::make_shared<stream>("live/a", limits), std::make_shared<stream>("live/b", limits)};
    const watcher hasty(both[0], milliseconds(0)), keeper(both[1], std::chrono::hours(1));
    std::array<std::unique_ptr<publication>, 2> p;
    std::vector<std::array<std::unique_ptr<watcher>, 2>> viewers;
    const unsigned key_percent = random(4) == 0 ? 0 : 2 + random(20);
    std::int64_t now = 1000;
    for (int step = 0; step < 400 && !::testing::Test::HasFailure(); ++step) {
      if (chance(p[0] ? 1 : 30)) {
        for (std::size_t i = 0; i < 2; ++i) {
          if (p[i]) p[i].reset(); else p[i] = std::move(*both[i]->publish());
        }
      }
      for (unsigned burst = random(12); p[0] && burst > 0; --burst) {
        now += random(40);
        const auto what = random(100);
        const auto mark = static_cast<std::uint8_t>(random(3));
        const bool is_key = chance(key_percent);
        for (auto& to : p) {
          to->append(what < 3 ? video_config(now, mark) : what < 5 ? audio_config(now, mark) : what < 50 ? audio(now) : is_key ? key(now) : inter(now));
        }
      }
      if (p[0] && chance(80)) p[0]->flush(), p[1]->flush();
      if (chance(3)) now += random(3000);
      if (viewers.size() < 8 && chance(10)) {
        cursor_policy policy;
        policy.age_max = milliseconds(300 + random(1500));
        if (chance(50)) policy.wanted_delay = milliseconds(random(400));
        if (chance(30)) policy.video_track = 0;
        viewers.push_back({std::make_unique<watcher>(both[0], policy), std::make_unique<watcher>(both[1], policy)});
      }
      if (!viewers.empty() && chance(2)) viewers.erase(viewers.begin() + random(static_cast<unsigned>(viewers.size())));
      for (auto& pair : viewers) {
        if (chance(3)) {
          const bool paused = chance(50);
          for (auto& w : pair) w->place.set_paused(paused);
        }
        if (chance(3)) {
          const bool with_audio = chance(70), with_video = chance(70);
          for (auto& w : pair) w->place.set_tracks(with_audio, with_video);
        }
        if (chance(80)) continue;
        const auto most = 1 + random(60);
        const auto read = pair[0]->read(now, most);
        ASSERT_EQ(read, pair[1]->read(now, most));
        ASSERT_EQ(pair[0]->place.stats().lost, pair[1]->place.stats().lost);
        ASSERT_EQ(pair[0]->frames, pair[1]->frames);
      }
      ASSERT_LE(both[0]->facts().ring_frames, both[1]->facts().ring_frames);
    }
    for (auto& pair : viewers) lost += pair[0]->place.stats().dropped_slow();
    most_kept = std::max<std::uint64_t>(most_kept, both[1]->facts().ring_frames);
  }
  EXPECT_GT(lost, 2'000u);  // the runs must have exercised what they are about
  EXPECT_GT(most_kept, 1'000u);
}

}  // namespace
}  // namespace millrace::hub
