#include "load/media_source.hpp"

#include <gtest/gtest.h>

#include <map>

#include "media/tag_header.hpp"

namespace millrace::load {
namespace {

using namespace std::chrono_literals;
using media::frame_kind;

const base::instant begin{1'000s};

TEST(media_source, begins_with_a_key_frame_and_has_one_every_two_seconds) {
  media_source source({}, begin);
  std::vector<std::int64_t> keys;
  while (source.next_due() < begin + 7s) {
    if (const auto f = source.next(); f.key) keys.push_back(f.dts_ms);
  }
  EXPECT_EQ(keys, (std::vector<std::int64_t>{0, 2000, 4000, 6000}));
}

TEST(media_source, is_as_fast_as_it_says) {
  const media_settings settings;
  media_source source(settings, begin);
  std::map<frame_kind, std::uint64_t> bytes;
  while (source.next_due() < begin + 10s) {
    const auto f = source.next();
    bytes[f.kind] += f.payload.size();
  }
  EXPECT_NEAR(static_cast<double>(bytes[frame_kind::video]) * 8 / 10, static_cast<double>(settings.video_bits_per_second), 10'000);
  EXPECT_NEAR(static_cast<double>(bytes[frame_kind::audio]) * 8 / 10, static_cast<double>(settings.audio_bits_per_second), 2'000);
  const auto sum = static_cast<double>(bytes[frame_kind::video] + bytes[frame_kind::audio]);
  EXPECT_NEAR(media_source::bytes_per_second(settings) * 10, sum, sum / 500);
}

TEST(media_source, every_frame_says_its_number_and_when_it_was_due) {
  media_source source({}, begin);
  std::map<frame_kind, std::uint32_t> numbers;
  for (int i = 0; i < 500; ++i) {
    const auto due = source.next_due();
    auto f = source.next();
    f.payload = f.payload.sub(0, std::min<std::size_t>(f.payload.size(), marked_bytes));  // as a player keeps it
    const auto seen = mark_of(f);
    ASSERT_TRUE(seen);
    EXPECT_EQ(seen->due, due);
    EXPECT_EQ(seen->number, numbers[f.kind]++);
  }
}

TEST(media_source, frames_come_in_order_and_look_like_avc_and_aac) {
  media_source source({}, begin);
  for (const auto& head : source.heads()) {
    EXPECT_FALSE(mark_of(head));
    EXPECT_EQ(head.config, head.kind != frame_kind::data);
  }
  std::int64_t last = 0;
  for (int i = 0; i < 300; ++i) {
    const auto f = source.next();
    EXPECT_GE(f.dts_ms, last);
    last = f.dts_ms;
    EXPECT_TRUE(media::inspect(f.kind, f.payload).valid);
  }
}

TEST(media_source, somebody_elses_frame_has_no_mark) {
  media::frame f;
  f.kind = frame_kind::video;
  f.payload = base::slice(std::vector<std::uint8_t>{0x27, 1, 0, 0, 0, 'm', 'L', 'd', '1', 0, 0});
  EXPECT_FALSE(mark_of(f)) << "the mark is cut short";
}

}  // namespace
}  // namespace millrace::load
