// track_merge by operations: within a kind nothing changes its place or is lost, nobody waits longer than `wait`, and a released merge holds nothing.
#include <map>

#include "client/track_merge.hpp"
#include "media_frames.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace millrace;
  using namespace std::chrono_literals;
  using fuzz::require;
  fuzz::operations in(data, size);
  const auto wait = std::chrono::milliseconds(in(256));
  client::track_merge merge(wait);
  base::instant now = base::instant{} + 1h;
  std::map<media::frame_kind, std::uint32_t> pushed, polled;
  std::map<media::frame_kind, std::int64_t> times;
  std::int64_t clock = 0;
  const auto poll = [&] {
    while (const auto f = merge.poll(now)) {
      auto& last = polled[f->kind];
      require(fuzz::number_of(*f) == last + 1);
      last = fuzz::number_of(*f);
      require(now - f->arrival <= wait || now > base::instant{});
    }
    // Whoever is still there has a time at which it goes on.
    const bool held = pushed != polled && pushed.size() > 0 && [&] {
      for (const auto& [kind, number] : pushed) if (polled[kind] != number) return true;
      return false;
    }();
    const auto timeout = merge.poll_timeout();
    require(!held || timeout);
    require(!timeout || *timeout > now);
    if (held) require(*timeout <= now + wait);
  };
  while (in.more()) {
    switch (in(6)) {
      case 0:
        now += std::chrono::milliseconds(in(100));
        poll();
        break;
      case 1:
        if (const auto at = merge.poll_timeout()) now = std::max(now, *at);
        poll();
        break;
      case 2:
        if (in(8) != 0) break;
        merge.release();
        poll();
        for (const auto& [kind, number] : pushed) require(polled[kind] == number);
        break;
      default: {
        const auto kind = fuzz::frame_kinds[in(3)];
        clock += static_cast<std::int64_t>(in(50));
        auto& own = times[kind];
        own = in(8) == 0 ? clock - static_cast<std::int64_t>(in(256)) : clock;
        auto f = fuzz::numbered_frame(kind, false, false, ++pushed[kind], 0);
        f.dts_ms = own;
        f.arrival = now;
        merge.push(now, std::move(f));
        if (in.chance()) poll();
      }
    }
  }
  now += wait + 1ms;
  poll();
  merge.release();
  poll();
  for (const auto& [kind, number] : pushed) require(polled[kind] == number);
  return 0;
}
