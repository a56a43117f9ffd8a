#include "client/flv_opening.hpp"

#include <gtest/gtest.h>

#include "client/stream_heads.hpp"
#include "client/test_media.hpp"

namespace millrace::client {
namespace {

using media::frame_kind;
using std::chrono::milliseconds;
using std::chrono::seconds;

const base::instant t0 = base::instant{} + std::chrono::hours(1);

media::frame cue_point(std::size_t size, std::uint8_t mark) {
  return test::frame_of(frame_kind::data, 0, test::with_tail({2, 0, 10, 'o', 'n', 'C', 'u', 'e', 'P', 'o', 'i', 'n', 't'}, mark, size));
}

struct opening : testing::Test {
  std::size_t bytes() {
    std::size_t sum = 0;
    for (const auto& f : kept) sum += f.payload.size();
    return sum;
  }
  client_limits limits;
  flv_opening o{limits};
  std::deque<media::frame> kept;
};

TEST_F(opening, of_hours_of_data_the_metadata_and_the_newest_stay) {
  o.push(test::metadata(), t0);
  for (int i = 0; i < 10'000; ++i) {
    o.push(cue_point(1000, static_cast<std::uint8_t>(i)), t0 + seconds(i));
    ASSERT_FALSE(o.decided(t0 + seconds(i)));
  }
  const auto late = t0 + seconds(10'000);
  o.push(test::video(0, true), late);
  o.push(test::audio(0), late);
  ASSERT_TRUE(o.decided(late));
  kept = o.take();
  EXPECT_EQ(kept.size(), limits.early_data_frames + 2);
  EXPECT_TRUE(is_metadata(kept.front()));
  EXPECT_EQ(kept[kept.size() - 3].payload.view().back(), static_cast<std::uint8_t>(9'999)) << "the newest";
  EXPECT_EQ(kept.back().kind, frame_kind::audio);
}

TEST_F(opening, large_data_is_bounded_by_its_bytes) {
  for (int i = 0; i < 100; ++i) o.push(cue_point(60'000, 0), t0);
  kept = o.take();
  EXPECT_FALSE(kept.empty());
  EXPECT_LE(bytes(), limits.early_data_bytes);
}

TEST_F(opening, newer_metadata_replaces_what_came_before_any_media) {
  for (int i = 0; i < 10'000; ++i) o.push(test::metadata(), t0);
  kept = o.take();
  EXPECT_EQ(kept.size(), 1U);
}

TEST_F(opening, one_kind_waits_a_second_for_the_other_from_its_own_beginning) {
  o.push(test::metadata(), t0);
  o.push(test::audio(0), t0 + seconds(60));
  EXPECT_FALSE(o.decided(t0 + seconds(60) + milliseconds(999)));
  EXPECT_TRUE(o.decided(t0 + seconds(61)));
  EXPECT_TRUE(o.has_audio());
  EXPECT_FALSE(o.has_video());
}

TEST_F(opening, one_kind_waits_for_no_more_than_fits) {
  for (std::size_t i = 0; i + 1 < limits.opening_frames; ++i) o.push(test::video(0, true), t0);
  EXPECT_FALSE(o.decided(t0));
  o.push(test::video(0, true), t0);
  EXPECT_TRUE(o.decided(t0));
  flv_opening large{limits};
  large.push(test::video(0, true, limits.opening_bytes), t0);
  EXPECT_TRUE(large.decided(t0));
}

TEST_F(opening, both_kinds_decide_at_once) {
  o.push(test::audio(0), t0);
  EXPECT_FALSE(o.decided(t0));
  o.push(test::video(0, true), t0);
  EXPECT_TRUE(o.decided(t0));
  EXPECT_EQ(o.take().size(), 2U);
}

}  // namespace
}  // namespace millrace::client
