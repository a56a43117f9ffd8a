// Several shards on one loop: what each viewer gets, whichever shard it and its publisher are on.
#include "server/shared_streams.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <random>

#include "hub/hub_fixture.hpp"

namespace millrace::server {
namespace {

using namespace hub::testing;  // NOLINT: the frames and viewers that the hub's own tests are written with
using strings = std::vector<std::string>;

base::instant now() { return std::chrono::steady_clock::now(); }

media::frame fresh(media::frame f) {
  f.arrival = now();
  return f;
}

struct one_shard {
  one_shard(boost::asio::io_context& io, name_register& names, shard_index index) : viewers(io, at_once()), streams(io, own, viewers, names, index) {}
  static fan_out_pace::settings at_once() {
    fan_out_pace::settings s;
    s.window_max = std::chrono::milliseconds(0);
    return s;
  }
  base::hub_limits limits;
  hub::directory own{limits};
  fan_out viewers;
  shared_streams streams;
};

// A viewer that reads whenever there is something.
struct reader final : hub::viewer {
  explicit reader(one_shard& at, std::string_view name = "live/a") : source(at.streams.watch(name)), place(source->stream(), *this, {}) { read(); }
  void on_frames() override { read(); }
  void on_publisher_gone() override {
    read();
    ++gone;
  }
  void on_publisher_back() override { ++back; }
  void read() {
    while (const auto next = place.next(now())) {
      const auto& f = *next->item->frame();
      times.push_back(f.dts_ms);
      marks.push_back(f.payload.view().back());
      auto text = describe(*next);
      got += (got.empty() ? "" : " ") + text.substr(text[0] == '*' ? 1 : 0, text.find('@') - (text[0] == '*' ? 1 : 0));
    }
  }
  std::string take() { return std::exchange(got, {}); }
  [[nodiscard]] bool in_order() const { return std::is_sorted(times.begin(), times.end()); }

  std::shared_ptr<watched_stream> source;
  hub::cursor place;
  std::string got;
  std::vector<std::int64_t> times;
  std::vector<std::uint8_t> marks;
  int gone = 0, back = 0;
};

struct shared : ::testing::Test {
  boost::asio::io_context io;
  name_register names;
  std::vector<std::unique_ptr<one_shard>> shards;

  shared() {
    for (shard_index i = 0; i < 3; ++i) shards.push_back(std::make_unique<one_shard>(io, names, i));
    std::vector<shared_streams::place> places;
    for (const auto& each : shards) places.push_back(each->streams.here());
    for (const auto& each : shards) each->streams.connect(places);
  }
  void settle() {
    io.restart();
    io.poll();
  }
  std::unique_ptr<live_publication> publish(shard_index at) {
    auto made = shards[at]->streams.publish("live/a");
    return made ? std::move(*made) : nullptr;
  }
  void send(live_publication& to, std::vector<media::frame> frames) {
    for (auto& f : frames) to.append(fresh(std::move(f)));
    to.announce();
    settle();
  }
};

TEST_F(shared, viewers_of_all_shards_get_all_of_it) {
  reader early(*shards[1]);
  const auto p = publish(0);
  settle();
  send(*p, {data(0, "onMetaData"), video_config(0), audio_config(0), key(0), audio(0), inter(40)});
  reader late(*shards[2]), own(*shards[0]);
  settle();
  send(*p, {audio(50), inter(80)});
  const std::string whole = "onMetaData V1 A1 K a v a v";
  EXPECT_EQ(early.take(), whole);
  EXPECT_EQ(own.take(), whole);
  EXPECT_EQ(late.take(), whole);
  EXPECT_EQ(late.times, own.times) << "times are those of the stream";
  EXPECT_EQ(early.back, 1);
  EXPECT_EQ(shards[0]->streams.facts().fed, 2U);
  EXPECT_EQ(shards[1]->streams.facts().mirrored, 1U);
}

TEST_F(shared, frames_are_shared_and_not_copied) {
  const auto p = publish(0);
  const auto held = shards[1]->streams.watch("live/a");
  watcher here(shards[0]->own.open("live/a")), there(held->stream());
  settle();
  send(*p, {video_config(0), key(0)});
  const auto data_of = [](hub::cursor& c) {
    const std::uint8_t* last = nullptr;
    while (const auto next = c.next(now())) last = next->item->frame()->payload.data();
    return last;
  };
  const auto* const one = data_of(here.place);
  ASSERT_NE(one, nullptr);
  EXPECT_EQ(one, data_of(there.place));
}

TEST_F(shared, the_end_and_the_next_publisher_reach_every_shard) {
  reader a(*shards[0]), b(*shards[1]);
  auto p = publish(0);
  settle();
  send(*p, {video_config(0), key(0), inter(40)});
  p.reset();
  settle();
  EXPECT_EQ(a.gone, 1);
  EXPECT_EQ(b.gone, 1);
  EXPECT_EQ(b.take(), "V1 K v");
  EXPECT_FALSE(shards[1]->streams.published("live/a"));
  p = publish(2);  // neither has it
  settle();
  EXPECT_EQ(a.back, 2);
  EXPECT_EQ(b.back, 2);
  a.take();
  send(*p, {video_config(0, 2), key(0)});
  EXPECT_EQ(a.take(), "V2 K");
  EXPECT_EQ(b.take(), "V2 K");
  EXPECT_TRUE(a.in_order());
  EXPECT_TRUE(b.in_order());
  EXPECT_EQ(a.gone, 1);
}

TEST_F(shared, a_name_is_published_once_on_all_shards) {
  const auto p = publish(0);
  EXPECT_EQ(publish(0), nullptr);
  EXPECT_EQ(publish(1), nullptr);
  EXPECT_TRUE(shards[2]->streams.published("live/a"));
}

TEST_F(shared, nothing_is_handed_over_without_viewers) {
  const auto p = publish(0);
  std::optional<reader> viewer(std::in_place, *shards[1]);
  settle();
  EXPECT_EQ(shards[0]->streams.facts().fed, 1U);
  viewer.reset();
  settle();
  EXPECT_EQ(shards[0]->streams.facts().fed, 0U);
  EXPECT_EQ(shards[1]->own.find("live/a"), nullptr);
  EXPECT_EQ(names.size(), 1U) << "the publisher's own";
}

TEST_F(shared, cleared_metadata_is_cleared_everywhere) {
  reader early(*shards[1]);
  const auto p = publish(0);
  settle();
  send(*p, {data(0, "onMetaData"), video_config(0), key(0)});
  auto clear = make(media::frame_kind::data, 0, 0, {2, 0, 15, '@', 'c', 'l', 'e', 'a', 'r', 'D', 'a', 't', 'a', 'F', 'r', 'a', 'm', 'e', 2, 0, 10, 'o', 'n', 'M', 'e', 't', 'a', 'D', 'a', 't', 'a'});
  send(*p, {std::move(clear), key(40)});
  reader late(*shards[1]);
  settle();
  EXPECT_EQ(late.take(), "V1 K");
  EXPECT_EQ(early.take(), "onMetaData V1 K K");
}

// Codecs, tracks and configuration start anew with the new connection, even where the bytes are the same.
TEST_F(shared, a_successor_on_the_same_shard_begins_anew_for_viewers_of_the_others) {
  reader own(*shards[0]), other(*shards[1]);
  auto first = publish(0);
  settle();
  send(*first, {video_config(0), key(0), inter(40)});
  first->yield([] {});
  auto second = publish(0);
  send(*second, {video_config(0)});
  send(*first, {inter(80)});
  send(*second, {key(40), inter(80)});
  for (auto* const each : {&own, &other}) {
    EXPECT_EQ(each->take(), "V1 K v v V1 K v");
    EXPECT_EQ(each->gone, 0);
    EXPECT_TRUE(each->in_order());
  }
}

// The publisher's new connection is on another shard than its old one, with viewers on those two and on a third.
struct succession_of_shards : shared {
  reader on_old{*shards[0]}, on_new{*shards[1]}, on_other{*shards[2]};
  std::unique_ptr<live_publication> first = publish(0);
  int told = 0;

  succession_of_shards() {
    settle();
    send(*first, {video_config(0), key(0), inter(40)});
    first->yield([this] { ++told; });
    for (auto* const each : all()) EXPECT_EQ(each->take(), "V1 K v");
  }
  std::vector<reader*> all() { return {&on_old, &on_new, &on_other}; }
  void nobody_was_told() {
    for (auto* const each : all()) {
      EXPECT_EQ(each->gone, 0);
      EXPECT_EQ(each->back, 1);
      EXPECT_TRUE(each->in_order());
    }
  }
};

TEST_F(succession_of_shards, viewers_of_every_shard_go_over_at_the_key_frame) {
  auto second = publish(1);
  ASSERT_NE(second, nullptr);
  EXPECT_EQ(publish(2), nullptr) << "one successor at most";
  settle();
  send(*second, {video_config(0, 2), inter(0)});
  send(*first, {inter(80)});
  for (auto* const each : all()) EXPECT_EQ(each->take(), "v") << "of the first, until the second has a key frame";
  EXPECT_TRUE(second->waiting());
  EXPECT_EQ(told, 0);
  send(*second, {key(40)});
  EXPECT_FALSE(second->waiting());
  EXPECT_EQ(told, 1);
  EXPECT_TRUE(first->over());
  send(*first, {inter(120), key(160)});
  send(*second, {inter(80)});
  for (auto* const each : all()) EXPECT_EQ(each->take(), "V2 K v");
  first.reset();
  send(*second, {inter(120)});
  for (auto* const each : all()) EXPECT_EQ(each->take(), "v");
  nobody_was_told();
  second.reset();
  settle();
  for (auto* const each : all()) EXPECT_EQ(each->gone, 1);
}

TEST_F(succession_of_shards, the_first_may_leave_before) {
  auto second = publish(1);
  settle();
  send(*second, {video_config(0, 2)});
  first.reset();
  settle();
  EXPECT_EQ(publish(2), nullptr) << "the name is the successor's";
  send(*second, {key(0), inter(40)});
  for (auto* const each : all()) EXPECT_EQ(each->take(), "V2 K v");
  nobody_was_told();
}

TEST_F(succession_of_shards, both_may_leave) {
  auto second = publish(1);
  settle();
  first.reset();
  settle();
  second.reset();
  settle();
  for (auto* const each : all()) EXPECT_EQ(each->gone, 1);
  auto third = publish(2);
  ASSERT_NE(third, nullptr);
  send(*third, {video_config(0), key(0)});
  for (auto* const each : all()) EXPECT_EQ(each->take(), "V1 K");
}

TEST_F(succession_of_shards, a_successor_that_gives_up_changes_nothing) {
  auto second = publish(1);
  settle();
  second.reset();
  settle();
  send(*first, {inter(80)});
  for (auto* const each : all()) EXPECT_EQ(each->take(), "v");
  second = publish(2);
  ASSERT_NE(second, nullptr) << "the place is free again";
  send(*second, {key(0)});
  for (auto* const each : all()) EXPECT_EQ(each->take(), "K");
  nobody_was_told();
}

TEST_F(shared, a_successor_elsewhere_needs_no_viewers) {
  auto first = publish(0);
  int told = 0;
  first->yield([&told] { ++told; });
  auto second = publish(1);
  settle();
  send(*second, {video_config(0), key(0)});
  EXPECT_EQ(told, 1);
  EXPECT_TRUE(first->over());
  EXPECT_EQ(shards[1]->streams.facts().mirrored, 0U);
  EXPECT_EQ(shards[0]->streams.facts().fed, 0U);
  first.reset();
  settle();
  reader late(*shards[0]);
  settle();
  EXPECT_EQ(late.take(), "V1 K");
}

TEST_F(shared, a_token_is_shown_where_its_publication_is) {
  auto first = publish(2);
  first->offer_token("secret");
  std::string shown;
  shards[2]->streams.on_token = [&](const std::string& name, const std::string& token) {
    shown = name + " " + token;
    first->yield({});
  };
  EXPECT_FALSE(shards[0]->streams.take("live/a", "wrong"));
  EXPECT_TRUE(shards[0]->streams.take("live/a", "secret"));
  const auto second = publish(0);
  ASSERT_NE(second, nullptr);
  settle();
  EXPECT_EQ(shown, "live/a secret");
}

// Any order of publishers, successors and viewers that come and go, with messages between shards in any state: every viewer's time runs
// forward, numbers of frames do not repeat, and when all is quiet every viewer has what was published last.
TEST_F(shared, whatever_happens_every_viewer_ends_up_with_the_newest_frames) {
  for (unsigned seed = 1; seed <= 300; ++seed) {
    std::mt19937 random(seed);
    const auto pick = [&random](unsigned count) { return static_cast<unsigned>(random() % count); };
    std::vector<std::unique_ptr<live_publication>> publishing;
    std::vector<std::unique_ptr<reader>> viewers;
    std::int64_t ms = 0;
    for (int step = 0; step < 60; ++step) {
      switch (pick(8)) {
        case 0:
          for (const auto& each : publishing) each->yield([] {});
          [[fallthrough]];
        case 1:
          if (auto made = publish(pick(3))) publishing.push_back(std::move(made));
          break;
        case 2:
          if (!publishing.empty() && pick(2) == 0) publishing.erase(publishing.begin() + pick(static_cast<unsigned>(publishing.size())));
          break;
        case 3: viewers.push_back(std::make_unique<reader>(*shards[pick(3)])); break;
        case 4:
          if (!viewers.empty() && pick(2) == 0) viewers.erase(viewers.begin() + pick(static_cast<unsigned>(viewers.size())));
          break;
        case 5:
          io.restart();
          io.poll_one();
          break;
        default:
          for (const auto& each : publishing) {
            ms += 10;
            if (pick(3) == 0) each->append(fresh(video_config(ms, static_cast<std::uint8_t>(pick(3)))));
            each->append(fresh(pick(3) == 0 ? key(ms) : inter(ms)));
            each->announce();
          }
          break;
      }
      if (pick(4) == 0) settle();
    }
    settle();
    std::erase_if(publishing, [](const auto& each) { return each->over(); });
    ASSERT_LE(publishing.size(), 2U) << seed;
    while (publishing.size() > 1) publishing.erase(publishing.begin() + (publishing[0]->waiting() ? 0 : 1));
    settle();
    const bool live = !publishing.empty();
    if (live) {
      ms += 10;
      send(*publishing[0], {key(ms), inter(ms + 1)});
      settle();
    }
    for (const auto& each : viewers) {
      ASSERT_TRUE(each->in_order()) << "seed " << seed;
      ASSERT_EQ(each->source->stream()->published(), live) << "seed " << seed;
      if (live) {
        ASSERT_TRUE(each->got.ends_with("K v")) << "seed " << seed << ": " << each->got;
      }
    }
    publishing.clear();
    settle();
    for (const auto& each : viewers) ASSERT_FALSE(each->source->stream()->published()) << "seed " << seed;
    viewers.clear();
    settle();
    ASSERT_EQ(names.size(), 0U) << "seed " << seed;
    for (const auto& each : shards) {
      ASSERT_EQ(each->streams.facts().fed, 0U) << "seed " << seed;
      ASSERT_EQ(each->streams.facts().mirrored, 0U) << "seed " << seed;
      ASSERT_EQ(each->own.find("live/a"), nullptr) << "seed " << seed;
    }
  }
}

}  // namespace
}  // namespace millrace::server
