// What keys allow beside a model of it: seats that are taken, moved and left in any order, rests, time; and a bit rate beside the arithmetic of it.
#include <map>
#include <vector>

#include "operations.hpp"
#include "server/allowance.hpp"

namespace {

using namespace millrace;
using fuzz::operations;
using fuzz::require;
using namespace std::chrono_literals;

struct taken {
  std::string holder, stream;
  server::allowance_register::seat seat;
};

void seats(operations& in) {
  server::allowance_register all;
  std::vector<taken> held;
  std::map<std::pair<std::string, std::string>, base::instant> rests;
  auto now = base::instant{} + 1h;
  const auto streams_of = [&](const std::string& holder) {
    std::map<std::string, int> streams;
    for (const auto& one : held) {
      if (one.holder == holder) ++streams[one.stream];
    }
    return streams;
  };
  while (in.more()) {
    const auto holder = std::string(1, static_cast<char>('a' + in(3))), stream = std::string(1, static_cast<char>('p' + in(4)));
    switch (in(5)) {
      case 0:
      case 1: {
        const server::allowance allows{.at_once = static_cast<std::uint32_t>(in(4)), .kbps = static_cast<std::uint32_t>(in(3))};
        const auto streams = streams_of(holder);
        const auto rest = rests.find({holder, stream});
        const bool resting = rest != rests.end() && now < rest->second;
        const bool full = allows.at_once != 0 && !streams.contains(stream) && streams.size() >= allows.at_once;
        auto seat = all.take(holder, stream, allows, now);
        require(seat.has_value() == (!resting && !full));
        if (seat) held.push_back({holder, stream, std::move(*seat)});
        if (!seat) require(seat.error().kind == base::error_kind::limit && !seat.error().text.empty());
        break;
      }
      case 2:
        // What an earlier seat took still counts, so that only "no limit" can be told from here.
        if (!held.empty()) static_cast<void>(held.back().seat.spend(in.number(2), now));
        if (!held.empty()) held.erase(held.begin() + static_cast<std::ptrdiff_t>(in(held.size())));
        break;
      case 3:
        all.rest(holder, stream, now);
        rests[{holder, stream}] = now + 60s;
        break;
      case 4: now += std::chrono::seconds(in(90)); break;
    }
  }
}

void rate(operations& in) {
  const auto kbps = static_cast<std::uint32_t>(1 + in.number(2));
  server::rate_meter meter(kbps);
  auto now = base::instant{} + 1h;
  double used = 0;
  const double per_second = kbps * 125.0;
  while (in.more()) {
    const auto passed = std::chrono::milliseconds(in(2'000));
    const auto bytes = static_cast<std::size_t>(in.number(3));
    now += passed;
    used = std::max(0.0, used - per_second * std::chrono::duration<double>(passed).count()) + static_cast<double>(bytes);
    const bool within = meter.take(bytes, now);
    // Not at the edge itself, where the last bit of the sum would decide.
    if (std::abs(used - 10 * per_second) > 1) require(within == (used < 10 * per_second));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  operations in(data, size);
  if (in.chance()) {
    seats(in);
  } else {
    rate(in);
  }
  return 0;
}
