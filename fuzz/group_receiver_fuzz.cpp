// Operations on group_receiver, chosen by the input and checked against a model; and, with an odd first byte, any bytes on any streams.
#include <cstdint>
#include <cstdlib>

#include "rtmp/group_receiver_model.hpp"

namespace {

using namespace millrace;

struct input {
  const std::uint8_t* at;
  const std::uint8_t* end;
  std::size_t operator()(std::size_t below) {
    if (at != end) return *at++ % below;
    return 0;
  }
};

void require(bool holds) {
  if (!holds) std::abort();
}

void any_bytes(input in) {
  rtmp::group_receiver_config config;
  if (in(2) == 0) config.hold = std::chrono::milliseconds(600);
  config.bytes_max = 4096;
  config.streams_max = 16;
  rtmp::group_receiver receiver(config);
  base::instant now{};
  bool failed = false;
  while (in.at != in.end && !failed) {
    const auto what = in(16);
    const auto stream = static_cast<std::int64_t>(in(8) == 0 ? in(256) : 2 + 4 * in(20));
    base::result<void> outcome;
    if (what == 0) {
      now += std::chrono::milliseconds(10 * in(256));
      outcome = receiver.on_timer(now);
    } else if (what == 1) {
      outcome = receiver.on_reset(now, stream);
    } else {
      const std::size_t count = std::min<std::size_t>(in(64), static_cast<std::size_t>(in.end - in.at));
      outcome = receiver.receive(now, stream, {in.at, count}, what == 2);
      in.at += count;
    }
    failed = !outcome;
    while (const auto m = receiver.poll_message()) require(!m->payload.empty());
    while (const auto stop = receiver.poll_stop()) require(stop->stream % 4 == 2);
    if (failed) break;
    require(receiver.bytes_held() <= config.bytes_max + 41 * config.streams_max && receiver.streams_open() <= config.streams_max);
    require(!receiver.poll_timeout() || *receiver.poll_timeout() > now);
  }
  if (failed) require(!receiver.on_timer(now) && !receiver.receive(now, 2, {}, false));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const input in{data + 1, data + size};
  if (data[0] % 2 != 0) {
    any_bytes(in);
  } else {
    rtmp::group_receiver_model(in, data[0] % 4 == 2).run(std::min<std::size_t>(size, 400));
  }
  return 0;
}
