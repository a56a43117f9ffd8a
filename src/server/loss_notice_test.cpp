#include "server/loss_notice.hpp"

#include <gtest/gtest.h>

namespace millrace::server {
namespace {

using namespace std::chrono_literals;
using hub::loss;

base::instant at(std::chrono::milliseconds ms) { return base::instant{} + 1h + ms; }

struct losing {
  hub::cursor_stats stats;
  void lose(loss reason, std::uint64_t frames) { stats.lost[static_cast<std::size_t>(reason)] += frames; }
};

TEST(loss_notice, L10_every_reason_has_a_name_and_a_sentence) {
  for (std::size_t i = 0; i < static_cast<std::size_t>(loss::count); ++i) {
    EXPECT_NE(hub::name(static_cast<loss>(i)), "unknown");
    EXPECT_EQ(hub::sentence(static_cast<loss>(i)).back(), '.');
  }
}

TEST(loss_notice, L10_told_when_it_begins_and_then_every_ten_seconds_with_nothing_forgotten) {
  losing v;
  loss_notice n;
  EXPECT_FALSE(n.for_log(v.stats, at(0ms)));
  v.lose(loss::viewer_too_slow, 50);
  v.lose(loss::video_until_key_frame, 1);
  const auto first = n.for_log(v.stats, at(1ms));
  ASSERT_TRUE(first);
  EXPECT_TRUE(first->too_slow);
  EXPECT_EQ(first->what,
            "51 frames not sent: 50 viewer_too_slow, 1 video_until_key_frame. " + std::string(hub::sentence(loss::viewer_too_slow)));
  v.lose(loss::ring_overrun, 3);
  EXPECT_FALSE(n.for_log(v.stats, at(10'000ms)));
  const auto second = n.for_log(v.stats, at(10'001ms));
  ASSERT_TRUE(second);
  EXPECT_EQ(second->what, "3 frames not sent: 3 ring_overrun. " + std::string(hub::sentence(loss::ring_overrun)));
  EXPECT_FALSE(n.for_log(v.stats, at(60'000ms)));
  EXPECT_EQ(losses_text(v.stats), "54 frames not sent: 50 viewer_too_slow, 1 video_until_key_frame, 3 ring_overrun");
}

TEST(loss_notice, L10_a_player_is_told_only_that_it_is_too_slow) {
  losing v;
  loss_notice n;
  v.lose(loss::paused, 100);
  v.lose(loss::catching_up, 7);
  EXPECT_FALSE(n.for_player(v.stats, at(0ms)));
  const auto logged = n.for_log(v.stats, at(0ms));
  ASSERT_TRUE(logged);
  EXPECT_FALSE(logged->too_slow);
  v.lose(loss::viewer_too_slow, 1);
  EXPECT_EQ(n.for_player(v.stats, at(1ms)), "1 frame not sent: 1 viewer_too_slow. " + std::string(hub::sentence(loss::viewer_too_slow)));
  v.lose(loss::viewer_too_slow, 2);
  v.lose(loss::paused, 5);
  EXPECT_FALSE(n.for_player(v.stats, at(9'000ms)));
  EXPECT_EQ(n.for_player(v.stats, at(11'000ms)),
            "2 frames not sent: 2 viewer_too_slow. " + std::string(hub::sentence(loss::viewer_too_slow)));
}

}  // namespace
}  // namespace millrace::server
