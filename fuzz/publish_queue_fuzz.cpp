// publish_queue by operations: what comes out is in order, goes on behind a cut or an interruption with a key frame, and what does not come out is
// counted.
#include <map>

#include "client/publish_queue.hpp"
#include "media_frames.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace millrace;
  using namespace std::chrono_literals;
  using fuzz::require;
  using media::frame_kind;
  fuzz::operations in(data, size);
  client::publish_queue::limits limits;
  limits.age_max = std::chrono::milliseconds(10 * in(256));
  limits.bytes_max = 20 + 10 * in(256);
  client::publish_queue queue(limits);
  base::instant now = base::instant{} + 1h;
  std::uint32_t numbers = 0, last = 0;
  std::uint64_t pushed = 0, popped = 0;
  bool suspended = false;
  std::map<std::uint32_t, std::uint32_t> pictures;  // number to which picture it is
  std::uint32_t last_picture = 0;
  std::map<frame_kind, std::uint32_t> config;  // the newest that was pushed, by kind
  while (in.more()) {
    switch (in(8)) {
      case 0: now += std::chrono::milliseconds(in(256)); break;
      case 1:
        queue.suspend();
        suspended = true;
        break;
      case 2:
        queue.resume(now);
        suspended = false;
        break;
      case 3:
      case 4:
      case 5: {
        const auto kind = fuzz::frame_kinds[in(3)];
        const auto what = in(8);
        const bool head = what == 0 || kind == frame_kind::data;
        auto f = fuzz::numbered_frame(kind, kind == frame_kind::video && what == 1, what == 0 && kind != frame_kind::data, ++numbers, in(100));
        f.arrival = now;
        if (head) config[kind] = numbers;
        pushed += head ? 0 : 1;
        if (kind == frame_kind::video && !head) pictures.emplace(numbers, static_cast<std::uint32_t>(pictures.size() + 1));
        queue.push(std::move(f), now);
        break;
      }
      default: {
        const auto before = queue.cuts();
        const auto f = queue.pop();
        require(queue.cuts() == before);
        if (!f) {
          require(queue.empty());
          break;
        }
        require(!suspended);
        const auto number = fuzz::number_of(*f);
        if (f->config || f->kind == frame_kind::data) {
          require(config.contains(f->kind) && number <= config[f->kind]);
          break;
        }
        require(number > last);
        if (f->kind == frame_kind::video) {
          require(f->key || pictures[number] == last_picture + 1);
          last_picture = pictures[number];
        }
        last = number;
        ++popped;
      }
    }
    require(popped + queue.frames_dropped() <= pushed);
    require(queue.age(now) >= base::duration::zero());
    require(!queue.empty() || queue.bytes() == 0);
  }
  while (const auto f = queue.pop()) popped += f->config || f->kind == frame_kind::data ? 0 : 1;
  require(popped + queue.frames_dropped() == pushed && queue.bytes() == 0);
  return 0;
}
