#include "hub/directory.hpp"

#include <gtest/gtest.h>

#include "hub/hub_fixture.hpp"

namespace millrace::hub {
namespace {

TEST(directory, a_stream_lives_as_long_as_somebody_holds_it) {
  directory names{base::hub_limits{}};
  EXPECT_EQ(names.find("live/a"), nullptr);
  auto held = names.open("live/a");
  EXPECT_EQ(names.open("live/a"), held);
  EXPECT_EQ(names.find("live/a"), held);
  EXPECT_EQ(held->name(), "live/a");
  held.reset();
  EXPECT_EQ(names.find("live/a"), nullptr);
  EXPECT_TRUE(names.all().empty());
}

TEST(directory, a_waiting_viewer_and_a_publication_keep_it) {
  directory names{base::hub_limits{}};
  auto viewer = std::make_unique<testing::watcher>(names.open("live/a"));
  auto publication = std::move(*names.open("live/a")->publish());
  publication->append(testing::key(5));
  EXPECT_EQ(viewer->read(5), "K@5");
  viewer.reset();
  EXPECT_NE(names.find("live/a"), nullptr);
  publication.reset();
  EXPECT_EQ(names.find("live/a"), nullptr);
}

TEST(directory, all_is_sorted) {
  directory names{base::hub_limits{}};
  const auto b = names.open("live/b"), c = names.open("live/c"), a = names.open("live/a");
  EXPECT_EQ(names.all(), (std::vector{a, b, c}));
}

TEST(directory, ten_thousand_names_leave_nothing_behind) {
  directory names{base::hub_limits{}};
  for (int i = 0; i < 10'000; ++i) names.open("live/" + std::to_string(i));
  EXPECT_TRUE(names.all().empty());
}

TEST(directory, streams_may_outlive_it) {
  std::shared_ptr<stream> held;
  {
    directory names{base::hub_limits{}};
    held = names.open("live/a");
  }
  EXPECT_TRUE(held->publish());
}

}  // namespace
}  // namespace millrace::hub
