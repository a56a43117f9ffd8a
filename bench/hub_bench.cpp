// What one delivery to one viewer costs: the ring, the cursor and the shared wire image, without any socket.
#include <benchmark/benchmark.h>

#include <memory>
#include <vector>

#include "hub/stream.hpp"
#include "rtmp/wire_image.hpp"

namespace {

using namespace millrace;

struct silent_viewer final : hub::viewer {
  void on_frames() override {}
  void on_publisher_gone() override {}
  void on_publisher_back() override {}
};

// 30 pictures a second, a key frame every two seconds, 4 kB each: 1 Mb/s.
media::frame picture(std::int64_t number, base::instant now) {
  media::frame f;
  f.kind = media::frame_kind::video;
  f.key = number % 60 == 0;
  f.dts_ms = number * 1000 / 30;
  std::vector<std::uint8_t> body(4096, 0x5a);
  body[0] = f.key ? 0x17 : 0x27;
  body[1] = 1;
  f.payload = base::slice(std::move(body));
  f.arrival = now;
  return f;
}

void deliver(benchmark::State& state) {
  const auto stream = std::make_shared<hub::stream>("live/a", base::hub_limits{});
  auto publication = std::move(*stream->publish());
  silent_viewer owner;
  std::vector<std::unique_ptr<hub::cursor>> cursors;
  for (std::int64_t i = 0; i < state.range(0); ++i) cursors.push_back(std::make_unique<hub::cursor>(stream, owner, hub::cursor_policy{}));
  base::instant now{};
  std::int64_t number = 0;
  std::size_t bytes = 0;
  for (auto _ : state) {
    now += std::chrono::milliseconds(33);
    publication->append(picture(number++, now));
    publication->flush();
    for (const auto& c : cursors) {
      while (const auto d = c->next(now)) {
        bytes += d->item->image(hub::entry::format::rtmp_chunks, [](const media::frame& f) { return rtmp::encode_wire(f); }).size();
      }
    }
  }
  benchmark::DoNotOptimize(bytes);
  state.SetItemsProcessed(state.iterations() * state.range(0));
  state.counters["per_delivery"] =
      benchmark::Counter(static_cast<double>(state.iterations() * state.range(0)), benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}
BENCHMARK(deliver)->Arg(1)->Arg(100)->Arg(10'000);

}  // namespace
