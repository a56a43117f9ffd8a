// What one delivery to one viewer costs the hub: finding the next frame and holding it, wire image included, without
// any socket. One iteration appends one 40 ms frame, tells the viewers, and lets each of them read until dry.
#include <benchmark/benchmark.h>

#include <memory>
#include <vector>

#include "hub/stream.hpp"
#include "media/tag_header.hpp"

namespace {

using namespace millrace;

struct reading_viewer final : hub::viewer {
  explicit reading_viewer(const std::shared_ptr<hub::stream>& s) : place(s, *this, hub::cursor_policy{}) {}
  void on_frames() override { told = true; }
  void on_publisher_gone() override {}
  void on_publisher_back() override {}
  bool told = false;
  hub::cursor place;
};

media::frame make(std::int64_t ms, std::vector<std::uint8_t> payload) {
  media::frame f;
  f.kind = media::frame_kind::video;
  f.dts_ms = ms;
  f.arrival = base::instant(std::chrono::milliseconds(ms));
  f.payload = base::slice(std::move(payload));
  media::classify(f);
  return f;
}

void fanout(benchmark::State& run) {
  auto s = std::make_shared<hub::stream>("live/a", base::hub_limits{});
  auto p = std::move(*s->publish());
  p->append(make(0, {0x17, 0, 0, 0, 0, 1}));
  std::vector<std::unique_ptr<reading_viewer>> viewers;
  for (std::int64_t i = 0; i < run.range(0); ++i) viewers.push_back(std::make_unique<reading_viewer>(s));

  std::int64_t ms = 0;
  std::uint64_t deliveries = 0;
  std::size_t bytes = 0;
  const auto encode = [](const media::frame& f) { return base::send_chain(f.payload); };
  for (auto step : run) {
    (void)step;
    ms += 40;
    const bool key = ms % 2000 == 40;
    p->append(make(ms, {static_cast<std::uint8_t>(key ? 0x17 : 0x27), 1, 0, 0, 0, 1}));
    p->flush();
    const auto now = base::instant(std::chrono::milliseconds(ms));
    for (auto& v : viewers) {
      if (!v->told) continue;
      v->told = false;
      while (const auto got = v->place.next(now)) {
        bytes += got->item->image(hub::entry::format::rtmp_chunks, encode).size();
        ++deliveries;
      }
    }
  }
  benchmark::DoNotOptimize(bytes);
  if (deliveries < static_cast<std::uint64_t>(run.iterations()) * static_cast<std::uint64_t>(run.range(0))) run.SkipWithError("frames were lost");
  run.SetItemsProcessed(static_cast<std::int64_t>(deliveries));
  run.counters["delivery"] = benchmark::Counter(static_cast<double>(deliveries), benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}
BENCHMARK(fanout)->Arg(1)->Arg(100)->Arg(10'000);

}  // namespace
