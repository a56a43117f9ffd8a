// The containers that hold what peers send, beside those of the standard library: fifo in both of its forms, slice_buffer, slice and send_chain.
#include <deque>
#include <memory>

#include "base/fifo.hpp"
#include "base/send_chain.hpp"
#include "base/slice_buffer.hpp"
#include "operations.hpp"

namespace {

using namespace millrace;
using fuzz::operations;
using fuzz::require;

// Elements with memory of their own, so that the sanitizer sees each that is lost or used after its end.
template <bool shared_room>
void queues(operations& in) {
  using element = std::shared_ptr<unsigned>;
  base::fifo<element, shared_room> queue;
  std::deque<element> model;
  unsigned made = 0;
  while (in.more()) {
    switch (in(8)) {
      case 0:
      case 1:
      case 2: {
        for (auto count = in(in(16) == 0 ? 200 : 4); count > 0; --count) {
          model.push_back(std::make_shared<unsigned>(++made));
          queue.push_back(model.back());
        }
        break;
      }
      case 3:
        model.emplace_back();
        queue.emplace_back();
        break;
      case 4:
        for (auto count = in(64); count > 0 && !model.empty(); --count) {
          model.pop_front();
          queue.pop_front();
        }
        break;
      case 5:
        if (model.empty()) break;
        if (const auto at = static_cast<std::ptrdiff_t>(in(model.size())); true) {
          model.erase(model.begin() + at);
          queue.erase(queue.begin() + at);
        }
        break;
      case 6: {
        const auto what = static_cast<unsigned>(2 + in(4));
        const auto is = [what](const element& e) { return e && *e % what == 0; };
        std::erase_if(model, is);
        queue.erase_if(is);
        break;
      }
      default:
        if (in(4) != 0) break;
        model.clear();
        queue.clear();
        require(queue.memory() == 0);
    }
    require(queue.size() == model.size() && queue.empty() == model.empty());
    require(std::equal(queue.begin(), queue.end(), model.begin(), model.end()));
    if (model.empty()) continue;
    require(queue.front() == model.front() && queue.back() == model.back() && queue[model.size() / 2] == model[model.size() / 2]);
    // What has gone holds nothing any more.
    for (const auto& each : model) require(!each || each.use_count() == 2);
  }
}

void buffers(operations& in) {
  base::slice_buffer buffer;
  std::vector<std::uint8_t> model;
  base::send_chain chain;
  std::vector<std::uint8_t> whole;
  while (in.more()) {
    switch (in(4)) {
      case 0:
      case 1: {
        const auto more = in.some(100);
        buffer.append(more, in(1000));
        model.insert(model.end(), more.begin(), more.end());
        break;
      }
      case 2: {
        const auto taken = buffer.take();
        require(base::as_text(taken) == base::as_text(model));
        const auto from = in(128), count = in(128);
        const auto part = taken.sub(from, count);
        require(part.size() == std::min(count, model.size() - std::min(from, model.size())));
        whole.insert(whole.end(), part.view().begin(), part.view().end());
        base::send_chain more(part);
        if (in.chance()) chain.append(more); else chain.append(std::move(more));
        model.clear();
        break;
      }
      default:
        if (in(8) != 0) break;
        buffer.clear();
        model.clear();
    }
    require(buffer.size() == model.size() && chain.size() == whole.size() && chain.flatten() == whole);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  operations in(data, size);
  switch (in(3)) {
    case 0: queues<false>(in); break;
    case 1: queues<true>(in); break;
    default: buffers(in);
  }
  return 0;
}
