#include "client/splice.hpp"

#include <gtest/gtest.h>

#include "client/test_media.hpp"

namespace millrace::client {
namespace {

using media::frame;
using media::frame_kind;

std::vector<std::int64_t> delivered(splice& s, const std::vector<frame>& frames, frame_kind kind = frame_kind::video) {
  std::vector<std::int64_t> out;
  for (const auto& f : frames) {
    for (const auto& got : s.follow(f)) {
      if (got.kind == kind && !got.config) out.push_back(got.dts_ms);
    }
  }
  return out;
}

TEST(splice, Q4_the_same_stream_goes_on_frame_by_frame) {
  const auto clip = test::clip(12, 5);  // 3 heads, then pairs of video and audio; key frames at 0, 200, 400
  splice s;
  for (std::size_t i = 0; i < 3 + 2 * 8; ++i) s.note(clip[i]);  // up to 280
  std::vector<frame> fresh(clip.begin(), clip.begin() + 3);
  fresh.insert(fresh.end(), clip.begin() + 3 + 2 * 5, clip.end());  // from the key frame at 200
  EXPECT_EQ(delivered(s, fresh), (std::vector<std::int64_t>{320, 360, 400, 440}));
  EXPECT_TRUE(s.joined() && s.continuous());
}

TEST(splice, Q4_another_timeline_begins_at_its_key_frame_with_its_heads) {
  const auto clip = test::clip(8, 5);
  splice s;
  for (const auto& f : clip) s.note(f);
  const auto other = test::clip(10, 5, 1'000'000);
  std::vector<frame> got;
  bool began = false;
  for (const auto& f : std::vector<frame>{other[0], other[1], other[2], other[6], other[5]}) {
    for (auto& g : s.follow(f)) got.push_back(std::move(g));
    EXPECT_EQ(s.joined(), false) << "neither audio nor a frame in between is a start";
  }
  for (std::size_t i = 3 + 2 * 5; i < other.size(); ++i) {
    for (auto& g : s.follow(other[i])) got.push_back(std::move(g));
    if (!began) {
      ASSERT_EQ(got.size(), 4U);
      EXPECT_EQ(got[0].kind, frame_kind::data);
      EXPECT_TRUE(got[1].config && got[2].config);
      EXPECT_TRUE(got[3].key);
      for (const auto& f : got) EXPECT_EQ(f.dts_ms, 1'000'200);
    }
    began = true;
  }
  EXPECT_TRUE(s.joined());
  EXPECT_FALSE(s.continuous());
  EXPECT_EQ(got.size(), 3U + 10U);
}

TEST(splice, equal_times_alone_prove_nothing) {
  splice s;
  s.note(test::video(0, true, 400));
  s.note(test::video(40, false));
  EXPECT_EQ(delivered(s, {test::video(0, true, 401), test::video(40, false)}), (std::vector<std::int64_t>{0, 40}));
  EXPECT_FALSE(s.continuous());
}

TEST(splice, a_new_key_frame_that_the_old_session_has_not_delivered) {
  splice s;
  for (const auto& f : {test::video(0, true), test::video(40, false)}) s.note(f);
  EXPECT_EQ(delivered(s, {test::video(200, true), test::video(240, false)}), (std::vector<std::int64_t>{200, 240}));
}

TEST(splice, without_video_any_audio_is_a_start) {
  splice s;
  s.note(test::audio_config());
  s.note(test::audio(0));
  EXPECT_EQ(delivered(s, {test::audio_config(), test::audio(900), test::audio(920)}, frame_kind::audio),
            (std::vector<std::int64_t>{900, 920}));
}

// A server may send them without end and never a key frame.
TEST(splice, keeps_the_newest_heads_of_a_new_session_within_limits) {
  client_limits limits;
  limits.splice_head_bytes = 10'000;
  for (const auto& [size, kept] : std::vector<std::pair<std::size_t, std::size_t>>{{24, limits.splice_heads}, {3'000, 3}, {10'001, 0}}) {
    splice s(limits);
    for (int round = 0; round < 2; ++round) {
      for (std::uint8_t i = 0; i < 100; ++i) EXPECT_TRUE(s.follow(test::frame_of(frame_kind::video, 0, test::with_tail({0x17, 0}, i, size))).empty());
      const auto got = s.follow(test::video(400, true));
      ASSERT_EQ(got.size(), kept + 1) << size;
      for (std::size_t i = 0; i < kept; ++i) EXPECT_EQ(got[i].payload.view().back(), 100 - kept + i);
      s.restart();
    }
  }
}

// Where it has no key frame to begin with, metadata, configurations and then data go on until one comes.
TEST(splice, data_takes_no_configuration_s_place_nor_metadata_s) {
  client_limits limits;
  limits.splice_head_bytes = 10'000;
  for (const std::size_t size : {24U, 9'000U, 20'000U}) {
    splice s(limits);
    EXPECT_TRUE(s.follow(test::metadata()).empty());
    EXPECT_TRUE(s.follow(test::video_config()).empty());
    EXPECT_TRUE(s.follow(test::audio_config()).empty());
    for (std::uint8_t i = 0; i < 200; ++i) EXPECT_TRUE(s.follow(test::frame_of(frame_kind::data, i, test::with_tail({2, 0, 3, 'c', 'u', 'e'}, i, size))).empty());
    const auto got = s.follow(test::video(400, true));
    ASSERT_GE(got.size(), 4U) << size;
    EXPECT_EQ(got[0].kind, frame_kind::data);
    EXPECT_TRUE(got[1].config && got[2].config) << size;
    EXPECT_EQ(got.size() > 4, size < 10'000) << "what has room stays";
    EXPECT_TRUE(got.back().key);
  }
}

TEST(splice, can_be_used_again) {
  splice s;
  s.note(test::video(0, true));
  EXPECT_FALSE(s.follow(test::video_config()).size());
  s.restart();
  EXPECT_FALSE(s.joined());
  EXPECT_EQ(s.follow(test::video(400, true)).size(), 1U) << "the configuration of the attempt before is gone";
}

}  // namespace
}  // namespace millrace::client
