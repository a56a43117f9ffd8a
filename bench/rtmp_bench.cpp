// The two ends of the byte seam: chunks in, chunks out.
#include <benchmark/benchmark.h>

#include <vector>

#include "rtmp/chunk_reader.hpp"
#include "rtmp/wire_image.hpp"

namespace {

using namespace millrace;

media::frame picture(std::size_t size) {
  media::frame f;
  f.kind = media::frame_kind::video;
  f.dts_ms = 1000;
  f.payload = base::slice(std::vector<std::uint8_t>(size, 0x5a));
  return f;
}

void encode(benchmark::State& state) {
  const auto f = picture(static_cast<std::size_t>(state.range(0)));
  for (auto _ : state) benchmark::DoNotOptimize(rtmp::encode_wire(f));
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(encode)->Arg(1000)->Arg(4096)->Arg(500'000);

void read(benchmark::State& state) {
  const auto one = rtmp::encode_wire(picture(static_cast<std::size_t>(state.range(0)))).flatten();
  // Set Chunk Size first: a reader starts at 128.
  std::vector<std::uint8_t> set_size{2, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0, 0, 0, 0, (rtmp::wire_chunk_size >> 8) & 0xff, rtmp::wire_chunk_size & 0xff};
  rtmp::chunk_reader reader(base::rtmp_limits{}, 20u << 20);
  base::bytes_view head = set_size;
  if (auto none = reader.next(head); !none || *none || reader.chunk_size() != rtmp::wire_chunk_size) state.SkipWithError("no chunk size");
  for (auto _ : state) {
    base::bytes_view bytes = one;
    auto message = reader.next(bytes);
    if (!message || !*message) state.SkipWithError("no message");
    benchmark::DoNotOptimize(message);
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(read)->Arg(1000)->Arg(4096)->Arg(500'000);

}  // namespace
