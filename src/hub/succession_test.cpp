// Conformance Q3: a publisher that was asked to reconnect is followed by its own new connection.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <optional>

#include "hub/directory.hpp"
#include "hub/hub_fixture.hpp"

namespace millrace::hub {
namespace {

using namespace testing;

struct succession : ::testing::Test {
  base::hub_limits limits;
  directory names{limits};
  std::shared_ptr<stream> s = names.open("live/a");
  std::unique_ptr<publication> first = std::move(*s->publish());
  int told = 0;

  std::unique_ptr<publication> successor() {
    first->yield([this] { ++told; });
    auto made = s->publish();
    EXPECT_TRUE(made.has_value());
    return std::move(*made);
  }
};

TEST_F(succession, Q3_takes_over_at_its_first_key_frame_and_viewers_notice_nothing) {
  watcher w(s);
  append(*first, {video_config(0), audio_config(0), key(0), inter(40)});
  EXPECT_EQ(w.read(40), "*V1@0 *A1@0 K@0 v@40");
  auto second = successor();
  // Both publish: the old one's media counts.
  append(*second, {data(0, "onMetaData"), video_config(0, 2), audio_config(0, 1), audio(0), inter(0)});
  append(*first, {inter(80), audio(90)});
  EXPECT_EQ(w.read(90), "v@80 a@90");
  EXPECT_EQ(told, 0);
  append(*second, {make(media::frame_kind::video, 40, 120, {0x17, 1, 0, 0, 0, 1})});
  EXPECT_EQ(told, 1);
  EXPECT_EQ(w.read(120), "onMetaData@123 V2@123 A1@123 K@123") << "time goes on, with the configuration of the new one";
  append(*first, {key(160)});
  first.reset();
  EXPECT_EQ(w.read(160), "") << "the old one is over";
  append(*second, {make(media::frame_kind::video, 80, 160, {0x27, 1, 0, 0, 0, 1})});
  EXPECT_EQ(w.read(160), "v@163");
  EXPECT_EQ(w.gone, 0);
  EXPECT_EQ(w.back, 0);
  EXPECT_TRUE(s->published());
  second.reset();
  EXPECT_EQ(w.gone, 1);
  EXPECT_FALSE(s->published());
}

TEST_F(succession, Q3_goes_on_at_once_when_the_old_one_leaves_before) {
  watcher w(s);
  append(*first, {video_config(0), key(0)});
  EXPECT_EQ(w.read(0), "*V1@0 K@0");
  auto second = successor();
  append(*second, {video_config(0, 2)});
  first.reset();
  EXPECT_EQ(w.gone, 0);
  append(*second,
         {make(media::frame_kind::video, 0, 100, {0x27, 1, 0, 0, 0, 1}), make(media::frame_kind::video, 40, 140, {0x17, 1, 0, 0, 0, 1})});
  const auto got = w.read(140);
  EXPECT_NE(got.find("V2@"), std::string::npos) << got;
  EXPECT_EQ(got.find(" v@"), std::string::npos) << "nothing that cannot be decoded: " << got;
  EXPECT_NE(got.find("K@"), std::string::npos) << got;
}

TEST_F(succession, without_video_the_first_audio_takes_over) {
  watcher w(s);
  append(*first, {audio_config(0), audio(0)});
  EXPECT_EQ(w.read(0), "A1@0 a@0");
  auto second = successor();
  append(*second, {audio_config(0, 2), make(media::frame_kind::audio, 7, 20, {0xaf, 1, 1})});
  EXPECT_EQ(told, 1);
  EXPECT_EQ(w.read(20), "A2@33 a@33");
}

TEST_F(succession, a_name_that_does_not_yield_stays_taken_and_there_is_one_successor) {
  EXPECT_EQ(s->publish().error().kind, base::error_kind::busy);
  auto second = successor();
  EXPECT_EQ(s->publish().error().kind, base::error_kind::busy);
  second.reset();
  EXPECT_TRUE(s->published()) << "a successor that gave up changes nothing";
  EXPECT_TRUE(s->publish().has_value());
}

TEST_F(succession, what_a_waiting_one_sends_is_bounded) {
  auto second = successor();
  for (int i = 0; i < 1000; ++i) second->append(make(media::frame_kind::data, 0, 0, std::vector<std::uint8_t>(4096, 2)));
  append(*second, {key(0)});
  EXPECT_EQ(told, 1);
  EXPECT_LE(s->facts().ring_bytes, limits.kept_record_bytes + 100);
}

TEST_F(succession, of_what_a_waiting_one_sends_the_newest_is_in_effect) {
  auto second = successor();
  append(*second, {audio_config(0, 7), data(0, "onMetaData", 1)});
  for (int i = 0; i < 200; ++i) append(*second, {video_config(0, static_cast<std::uint8_t>(i % 2 + 1)), data(0, "onTextData", static_cast<std::uint8_t>(i))});
  append(*second, {video_config(0, 9), key(0)});
  watcher w(s);
  EXPECT_NE(w.read(0).find("*V9@0 *A7@0 K@0"), std::string::npos);
}

TEST_F(succession, no_metadata_takes_the_place_of_a_configuration) {
  auto second = successor();
  append(*second, {audio_config(0, 7)});
  for (int i = 0; i < 1000; ++i) append(*second, {data(0, "name" + std::to_string(i))});
  append(*second, {video_config(0, 8)});
  for (int i = 0; i < 100; ++i) second->append(make(media::frame_kind::data, 0, 0, {2, 0, 1, static_cast<std::uint8_t>(i)}));
  append(*second, {key(0)});
  watcher w(s);
  const auto got = w.read(0);
  EXPECT_NE(got.find("*V8@0 *A7@0 K@0"), std::string::npos) << got;
}

TEST_F(succession, of_too_much_configuration_the_largest_goes) {
  auto second = successor();
  const auto of_track = [](std::uint8_t track, std::size_t bytes) {
    std::vector<std::uint8_t> all(bytes);
    const std::array<std::uint8_t, 8> head{0x96, 0x00, 'a', 'v', 'c', '1', track, track};
    std::copy(head.begin(), head.end(), all.begin());
    all.back() = track;
    return make(media::frame_kind::video, 0, 0, std::move(all));
  };
  append(*second, {audio_config(0, 7), of_track(1, 110'000), of_track(2, 100'000), of_track(3, 90'000), key(0)});
  watcher w(s);
  EXPECT_EQ(w.read(0), "*V2@0 *V3@0 *A7@0 K@0");
  EXPECT_LE(s->facts().ring_bytes, limits.kept_record_bytes + 100);
}

TEST_F(succession, a_successor_yields_in_its_turn) {
  auto second = successor();
  append(*second, {key(0)});
  int second_told = 0;
  second->yield([&] { ++second_told; });
  auto third = s->publish();
  ASSERT_TRUE(third.has_value());
  append(**third, {key(0)});
  EXPECT_EQ(told, 1);
  EXPECT_EQ(second_told, 1);
  first.reset();
  second.reset();
  EXPECT_TRUE(s->published());
}

}  // namespace
}  // namespace millrace::hub
