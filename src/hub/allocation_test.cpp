// Constant memory per viewer, by counting what is allocated. Replaces operator new for this test program.
#include <gtest/gtest.h>

#include <cstdlib>
#include <new>

#include "hub/hub_fixture.hpp"

namespace {
std::size_t allocations = 0;
}

// Not inlined, or the compiler sees malloc and free behind new and delete and warns of a mismatch.
[[gnu::noinline]] void* operator new(std::size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size == 0 ? 1 : size)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace millrace::hub {
namespace {

using namespace testing;

TEST(allocation, reading_allocates_nothing_per_viewer_and_frame) {
  auto s = std::make_shared<stream>("live/a", base::hub_limits{});
  auto p = std::move(*s->publish());
  append(*p, {data(0, "onMetaData"), video_config(0), audio_config(0), key(0)});
  std::vector<std::unique_ptr<watcher>> viewers;
  for (int i = 0; i < 100; ++i) viewers.push_back(std::make_unique<watcher>(s));
  const auto read_all = [&viewers](std::int64_t now_ms) {
    std::size_t count = 0;
    for (auto& w : viewers) {
      while (w->place.next(at_ms(now_ms))) ++count;
    }
    return count;
  };
  EXPECT_NE(viewers[0]->place.next(at_ms(0)), std::nullopt);  // makes what all share at this key frame
  const auto after_first = allocations;
  EXPECT_EQ(read_all(0), 399u);
  EXPECT_EQ(allocations, after_first) << "joining";

  for (int ms = 40; ms < 2000; ms += 40) append(*p, {ms % 400 == 0 ? key(ms) : inter(ms), audio(ms)});
  const auto after_append = allocations;
  EXPECT_EQ(read_all(2000), 100u * 98u);
  EXPECT_EQ(allocations, after_append) << "reading";

  for (int ms = 2000; ms < 9000; ms += 40) append(*p, {ms % 400 == 0 ? key(ms) : inter(ms), audio(ms)});
  const auto after_stall = allocations;
  EXPECT_GT(read_all(9000), 0u);
  EXPECT_EQ(viewers[7]->place.stats().jumps, 1u);
  EXPECT_EQ(allocations, after_stall) << "jumping";
}

TEST(allocation, viewers_that_catch_up_together_share_what_that_takes) {
  auto s = std::make_shared<stream>("live/a", base::hub_limits{});
  auto p = std::move(*s->publish());
  append(*p, {data(0, "onMetaData"), video_config(0), audio_config(0), key(0)});
  for (int ms = 40; ms < 2000; ms += 40) append(*p, {inter(ms), audio(ms)});
  cursor_policy policy;
  policy.wanted_delay = std::chrono::milliseconds(200);
  policy.video_track = policy.audio_track = 0;
  std::vector<std::unique_ptr<watcher>> viewers;
  for (int i = 0; i < 100; ++i) viewers.push_back(std::make_unique<watcher>(s, policy));
  while (viewers[0]->place.next(at_ms(2000))) {
  }
  const auto after_first = allocations;
  for (std::size_t i = 1; i < viewers.size(); ++i) {
    while (viewers[i]->place.next(at_ms(2000))) {
    }
    EXPECT_EQ(viewers[i]->place.stats().delivered, viewers[0]->place.stats().delivered);
  }
  EXPECT_EQ(allocations, after_first);
}

}  // namespace
}  // namespace millrace::hub
