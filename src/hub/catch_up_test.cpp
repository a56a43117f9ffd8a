// A viewer that starts near the live edge although its key frame is old.
#include <gtest/gtest.h>

#include <map>

#include "hub/hub_fixture.hpp"
#include "media/composition.hpp"

namespace millrace::hub {
namespace {

using namespace testing;
using media::frame_kind;
using std::chrono::milliseconds;

cursor_policy catching_up(std::int64_t delay_ms = 200) {
  cursor_policy policy;
  policy.wanted_delay = milliseconds(delay_ms);
  return policy;
}

media::frame coded(bool is_key, std::int64_t dts_ms, std::int32_t composition_ms) {
  const auto raw = static_cast<std::uint32_t>(composition_ms);
  return make(frame_kind::video, dts_ms, dts_ms,
              {static_cast<std::uint8_t>(is_key ? 0x17 : 0x27), 1, static_cast<std::uint8_t>(raw >> 16),
               static_cast<std::uint8_t>(raw >> 8), static_cast<std::uint8_t>(raw), 1, 2, 3});
}

// The payload as it goes out.
std::vector<std::uint8_t> sent(const media::frame& f) {
  std::vector<std::uint8_t> all(f.payload.view().begin(), f.payload.view().end());
  std::copy(f.head.view().begin(), f.head.view().end(), all.begin());
  return all;
}
std::int64_t shown_ms(const media::frame& f) { return f.dts_ms + media::compositions_of(sent(f)).at(0).ms; }

struct catch_up_test : ::testing::Test {
  std::shared_ptr<stream> s = std::make_shared<stream>("live/a", base::hub_limits{});
  std::unique_ptr<publication> p = std::move(*s->publish());

  // 25 pictures a second, a key frame every 4 s, sound every 20 ms.
  void play(std::int64_t from_ms, std::int64_t to_ms) {
    for (auto ms = from_ms; ms < to_ms; ms += 20) {
      if (ms % 40 == 0) p->append(coded(ms % 4000 == 0, ms, 0));
      p->append(audio(ms));
    }
    p->flush();
  }
};

struct arrivals {
  std::optional<std::int64_t> first_dts, first_at;
  std::map<frame_kind, std::int64_t> last;
  bool first_video_is_key = false;
  std::size_t frames = 0;

  // The viewer reads all there is at `now_ms`; its player's clock starts with the first frame.
  void read(watcher& w, std::int64_t now_ms) {
    while (const auto got = w.place.next(at_ms(now_ms))) {
      const auto& f = *got->item->frame();
      const auto before = last.find(f.kind);
      EXPECT_TRUE(before == last.end() || before->second <= f.dts_ms) << "time runs backwards";
      last[f.kind] = f.dts_ms;
      if (f.config || f.kind == frame_kind::data) continue;
      ++frames;
      if (first_dts) continue;
      first_dts = f.dts_ms;
      first_at = now_ms;
      first_video_is_key = f.key;
    }
  }
  [[nodiscard]] std::int64_t delay_at(std::int64_t now_ms, std::int64_t live_dts) const {
    return live_dts - (*first_dts + now_ms - *first_at);
  }
};

std::vector<std::int64_t> delays_of_fifty(catch_up_test& t, cursor_policy policy) {
  append(*t.p, {data(0, "onMetaData"), video_config(0), audio_config(0)});
  t.play(0, 10'500);  // the newest key frame is at 8000
  std::vector<std::unique_ptr<watcher>> players;
  std::vector<arrivals> seen(50);
  for (int i = 0; i < 50; ++i) players.push_back(std::make_unique<watcher>(t.s, policy));
  for (std::int64_t now = 10'500; now <= 20'500; now += 20) {
    for (std::size_t i = 0; i < players.size(); ++i) seen[i].read(*players[i], now - 20);
    if (now < 20'500) t.play(now, now + 20);
  }
  std::vector<std::int64_t> delays;
  for (std::size_t i = 0; i < seen.size(); ++i) {
    EXPECT_TRUE(seen[i].first_video_is_key);
    EXPECT_EQ(players[i]->place.stats().dropped_slow(), 0u);
    delays.push_back(seen[i].delay_at(20'480, 20'480));
  }
  return delays;
}

TEST_F(catch_up_test, L1_fifty_that_join_amid_a_gop_are_less_than_300_ms_behind) {
  for (const auto delay : delays_of_fifty(*this, catching_up())) {
    EXPECT_LT(delay, 300);
    EXPECT_GE(delay, 200) << "the wanted delay is kept as well";
  }
}

TEST_F(catch_up_test, L1_without_catching_up_they_stay_behind_by_the_age_of_the_key_frame) {
  for (const auto delay : delays_of_fifty(*this, cursor_policy{})) EXPECT_EQ(delay, 2'480);
}

TEST_F(catch_up_test, L1_video_is_squeezed_sound_is_left_out_and_what_goes_ahead_is_stamped_to_match) {
  append(*p, {data(0, "onMetaData"), video_config(0), audio_config(0), key(0), audio(0)});
  for (int ms = 100; ms <= 1000; ms += 100) append(*p, {inter(ms), audio(ms)});
  watcher w(s, catching_up());
  EXPECT_EQ(w.read(1000),
            "*onMetaData@800 *V1@800 *A1@800 K@800 v@820 v@840 v@860 v@880 v@900 v@920 v@940 v@960 a@800 v@980 a@900 v@1000 a@1000");
  EXPECT_EQ(w.place.stats().of(loss::catching_up), 8u);
  EXPECT_EQ(w.place.stats().dropped_slow(), 0u);
  append(*p, {audio_config(1050, 2), inter(1100), audio(1100)});
  EXPECT_EQ(w.read(1100), "A2@1050 v@1100 a@1100");
}

TEST_F(catch_up_test, configuration_and_data_within_the_backlog_go_along) {
  append(*p, {video_config(0, 1), key(0), inter(500), video_config(600, 2), data(600, "onCuePoint"), audio_config(700, 3), key(800)});
  append(*p, {inter(900), video_config(1000, 3), data(1300, "onCuePoint"), audio_config(1350, 4), audio(1400), audio(1600), inter(1800)});
  watcher w(s, catching_up());
  EXPECT_EQ(w.read(1800), "*V2@1600 *A3@1600 K@1600 v@1620 V3@1620 onCuePoint@1620 A4@1600 a@1600 v@1800");
}

TEST_F(catch_up_test, sound_far_behind_its_pictures_goes_on_where_it_is) {
  append(*p, {key(0), audio_config(10), audio(10), inter(1000), audio_config(400, 2), audio(400), inter(1800)});
  watcher w(s, catching_up());
  EXPECT_EQ(w.read(1800), "K@1600 A1@10 v@1711 A2@400 v@1800");
  append(*p, {inter(2801), audio(1401)});  // the catch-up is over before sound is where it began
  EXPECT_EQ(w.read(2801), "v@2801 a@1401");
}

TEST_F(catch_up_test, viewers_of_one_moment_share_frames_and_images_and_the_payload_is_not_copied) {
  play(0, 3'000);
  watcher a(s, catching_up()), b(s, catching_up());
  int encoded = 0, changed = 0;
  const auto encode = [&encoded](const media::frame& f) {
    ++encoded;
    return base::send_chain(f.payload);
  };
  while (true) {
    const auto one = a.place.next(at_ms(3'000)), two = b.place.next(at_ms(3'000));
    if (!one) break;
    EXPECT_EQ(one->item, two->item);
    (void)one->item->image(entry::format::rtmp_chunks, encode);
    (void)two->item->image(entry::format::rtmp_chunks, encode);
    changed += !one->item->frame()->head.empty();
    EXPECT_LE(one->item->frame()->head.size(), 5u);
  }
  EXPECT_EQ(encoded, static_cast<int>(a.place.stats().delivered));
  EXPECT_GT(changed, 0);
  watcher plain(s);
  while (const auto got = plain.place.next(at_ms(3'000))) EXPECT_TRUE(got->item->frame()->head.empty());
}

// I P B B: decoded in this order, shown as I B B P.
TEST_F(catch_up_test, T12_display_order_stays_strict_with_b_frames) {
  for (const std::int32_t base_ms : {0, 80, -80}) {
    SCOPED_TRACE(base_ms);
    auto one = std::make_shared<stream>("live/b", base::hub_limits{});
    auto to = std::move(*one->publish());
    const auto group = [&](std::int64_t at, bool first) {
      if (first) append(*to, {coded(true, at, base_ms)});
      append(*to, {coded(false, at + 40, base_ms + 80), coded(false, at + 80, base_ms - 40), coded(false, at + 120, base_ms - 40)});
    };
    for (std::int64_t at = 0; at < 2'400; at += 120) group(at, at == 0);
    watcher w(one, catching_up());
    watcher plain(one);
    std::vector<std::int64_t> decoded, shown, plain_shown;
    const auto read = [&](std::int64_t now) {
      while (const auto got = w.place.next(at_ms(now))) {
        decoded.push_back(got->item->frame()->dts_ms);
        shown.push_back(shown_ms(*got->item->frame()));
      }
      while (const auto got = plain.place.next(at_ms(now))) plain_shown.push_back(shown_ms(*got->item->frame()));
    };
    read(2'400);
    EXPECT_LE(2'400 - decoded.front(), 320);
    for (std::int64_t at = 2'400; at < 4'800; at += 120) {
      group(at, false);
      read(at + 120);
    }
    ASSERT_EQ(decoded.size(), 121u);
    for (std::size_t i = 1; i < decoded.size(); ++i) EXPECT_LT(decoded[i - 1], decoded[i]) << i;
    ASSERT_EQ(shown.size(), plain_shown.size());
    for (std::size_t i = 0; i < shown.size(); ++i) {
      for (std::size_t j = 0; j < shown.size(); ++j) {
        ASSERT_EQ(shown[i] < shown[j], plain_shown[i] < plain_shown[j]) << i << " and " << j << " change places";
      }
    }
    EXPECT_EQ(shown.back(), plain_shown.back());
  }
}

TEST_F(catch_up_test, M5_sound_alone_starts_the_wanted_delay_before_the_live_edge) {
  append(*p, {data(0, "onMetaData"), audio_config(0)});
  for (int ms = 0; ms <= 1000; ms += 100) append(*p, {audio(ms)});
  watcher w(s, catching_up());
  EXPECT_EQ(w.read(1000), "*onMetaData@800 *A1@800 a@800 a@900 a@1000");
}

TEST_F(catch_up_test, sound_far_ahead_of_its_pictures_does_not_end_the_catching_up) {
  p->append(coded(true, 0, 0));
  for (std::int64_t ms = 40; ms <= 2000; ms += 40) {
    if (ms == 80) p->append(audio(10'000));
    p->append(coded(false, ms, 0));
  }
  p->flush();
  watcher w(s, catching_up());
  arrivals a;
  a.read(w, 2000);
  EXPECT_EQ(a.first_dts, 1800);
  EXPECT_EQ(a.last[frame_kind::video], 2000);
}

// A phone in the background, a camera that is off: sound alone, behind the last pictures.
TEST_F(catch_up_test, sound_that_goes_on_without_pictures_is_not_heard_from_their_end_on) {
  append(*p, {key(0), inter(40)});
  for (std::int64_t ms = 20; ms <= 60'000; ms += 20) p->append(audio(ms));
  p->flush();
  watcher w(s, catching_up(100));
  EXPECT_EQ(w.read(60'000), "K@59900 v@59901 a@59900 a@59920 a@59940 a@59960 a@59980 a@60000");
  append(*p, {inter(60'010), audio(60'020)});
  EXPECT_EQ(w.read(60'020), "v@60010 a@60020");
}

TEST_F(catch_up_test, sound_ahead_of_pictures_that_stopped_is_no_live_edge) {
  append(*p, {key(0), audio(10'000)});
  for (std::int64_t ms = 100; ms <= 5'000; ms += 100) {
    auto f = audio(10'000 + ms);
    f.arrival = at_ms(ms);
    p->append(std::move(f));
  }
  p->flush();
  watcher w(s, catching_up());
  EXPECT_EQ(w.read(5'000).substr(0, 15), "K@4800 a@10000 ");
  append(*p, {inter(5'040)});
  EXPECT_EQ(w.read(5'040), "v@5040");
}

TEST_F(catch_up_test, a_young_key_frame_needs_no_catching_up) {
  append(*p, {key(0), audio(10), inter(100), audio(110), inter(200)});
  watcher w(s, catching_up());
  EXPECT_EQ(w.read(200), "K@0 a@10 v@100 a@110 v@200");
  EXPECT_EQ(w.place.stats().of(loss::catching_up), 0u);
}

TEST_F(catch_up_test, L4_a_viewer_that_resumes_catches_up_as_at_first) {
  watcher w(s, catching_up());
  append(*p, {video_config(0), key(0), inter(500)});
  EXPECT_EQ(w.read(500), "*V1@300 K@300 v@500");
  w.place.set_paused(true);
  append(*p, {inter(1000), audio(1000), key(2000), inter(2500), audio(2500), inter(3000)});
  w.place.set_paused(false);
  EXPECT_EQ(w.read(3000), "K@2800 v@2900 v@3000");
  EXPECT_EQ(w.place.stats().of(loss::paused), 2u);
  EXPECT_EQ(w.place.stats().of(loss::catching_up), 1u);
}

TEST_F(catch_up_test, L4_a_pause_amid_the_backlog_goes_on_with_it) {
  append(*p, {key(0), inter(500), inter(1000)});
  watcher w(s, catching_up());
  EXPECT_EQ(w.read(1000, 1), "K@800");
  w.place.set_paused(true);
  append(*p, {inter(1500)});
  w.place.set_paused(false);
  EXPECT_EQ(w.read(1500), "v@900 v@1000 v@1500");
}

// Data 400 ms behind its pictures, moved ahead with them by the catch-up, which the pause ends.
TEST_F(catch_up_test, lagging_data_does_not_step_back_where_a_pause_ends_the_catching_up) {
  append(*p, {key(0), inter(500), data(600, "onCuePoint"), inter(1000)});
  watcher w(s, catching_up());
  EXPECT_EQ(w.read(1000), "K@800 v@900 onCuePoint@900 v@1000");
  w.place.set_paused(true);
  append(*p, {key(1100), data(700, "onCuePoint"), data(950, "onCuePoint")});
  w.place.set_paused(false);
  EXPECT_EQ(w.read(1100), "K@1100 onCuePoint@900 onCuePoint@950");
}

TEST_F(catch_up_test, L10_a_jump_amid_the_backlog_lands_on_original_times) {
  append(*p, {key(0), inter(500), inter(1000)});
  watcher w(s, catching_up());
  EXPECT_EQ(w.read(1000, 1), "K@800");
  append(*p, {key(5000), inter(5040)});
  EXPECT_EQ(w.read(5040), "K@5000 v@5040");
  EXPECT_EQ(w.place.stats().of(loss::viewer_too_slow), 2u);
}

TEST_F(catch_up_test, T10_a_publisher_that_follows_is_not_caught_up_with) {
  append(*p, {key(0), inter(500), inter(1000)});
  watcher w(s, catching_up());
  EXPECT_EQ(w.read(1000), "K@800 v@900 v@1000");
  p.reset();
  p = std::move(*s->publish());
  auto f = key(0);
  f.arrival = at_ms(1100);
  append(*p, {std::move(f)});
  EXPECT_EQ(w.read(1100), "K@1100");
}

}  // namespace
}  // namespace millrace::hub
