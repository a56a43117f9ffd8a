// Constant memory per viewer and bounded memory per stream, by counting what is allocated. Replaces operator new for this test program.
#include <gtest/gtest.h>
#include <malloc.h>

#include <cstdlib>
#include <new>

#include "hub/hub_fixture.hpp"
#include "media/ex_header_cases.hpp"

namespace {
std::size_t allocations = 0;
std::size_t held_bytes = 0;

void give_back(void* memory) {
  held_bytes -= memory ? malloc_usable_size(memory) : 0;
  std::free(memory);
}
}  // namespace

// Not inlined, or the compiler sees malloc and free behind new and delete and warns of a mismatch.
[[gnu::noinline]] void* operator new(std::size_t size) {
  ++allocations;
  void* memory = std::malloc(size == 0 ? 1 : size);
  if (!memory) throw std::bad_alloc();
  held_bytes += malloc_usable_size(memory);
  return memory;
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { give_back(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { give_back(memory); }

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

// Each of the small messages changes the set of what is kept, which has long names in it.
TEST(allocation, data_messages_cost_what_they_are_charged_for) {
  base::hub_limits limits;
  limits.ring_bytes = 4u << 20;
  auto s = std::make_shared<stream>("live/a", limits);
  auto p = std::move(*s->publish());
  const auto before = held_bytes;
  const auto data_of = [](const std::string& name, std::uint32_t value) {
    base::byte_writer out;
    out.u8(2).u16(static_cast<std::uint16_t>(name.size())).text(name).u32(value);
    return make(media::frame_kind::data, 0, 0, {out.view().begin(), out.view().end()});
  };
  std::size_t kept = 0;
  for (char i = 0; i < 31; ++i) {
    auto f = data_of(std::string(65'000, static_cast<char>('a' + i)), 0);
    kept += f.payload.size();
    p->append(std::move(f));
  }
  for (std::uint32_t value = 0; value < 5'000; ++value) p->append(data_of("n", value));
  EXPECT_LE(held_bytes - before, kept + limits.ring_bytes);
  EXPECT_GT(s->facts().ring_frames, 100u);
}

// A configuration of every track in one message, each kept as a message of its own, again and again.
TEST(allocation, configurations_cost_what_they_are_charged_for) {
  base::hub_limits limits;
  limits.ring_bytes = 4u << 20;
  auto s = std::make_shared<stream>("live/a", limits);
  auto p = std::move(*s->publish());
  const auto before = held_bytes;
  for (std::uint8_t mark = 0; mark < 250; ++mark) {
    auto m = media::ex_cases::multitrack(media::frame_kind::audio, media::ex_form::many_tracks, media::ex_packet::sequence_start, {});
    m.extensions.push_back({1, std::vector<std::uint8_t>(200)});
    for (int id = 0; id < 64; ++id) m.tracks.push_back({static_cast<std::uint8_t>(id), media::codecs::opus, {mark}});
    const auto payload = media::encode(m);
    p->append(make(m.kind, 0, 0, {payload.view().begin(), payload.view().end()}));
  }
  EXPECT_LE(held_bytes - before, limits.ring_bytes + (100u << 10)) << "and the set in effect";
  EXPECT_GT(s->facts().ring_frames, 50u);
}

}  // namespace
}  // namespace millrace::hub
