// quic_send_queue by operations, beside the bytes that it was given: what it offers is the stream from where it was sent, in memory that stays while it
// is not acknowledged, and what is acknowledged goes.
#include <array>
#include <deque>

#include "net/quic_send_queue.hpp"
#include "operations.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace millrace;
  using fuzz::require;
  struct vec {
    std::uint8_t* base;
    std::size_t len;
  };
  fuzz::operations in(data, size);
  net::quic_send_queue queue;
  std::vector<std::uint8_t> stream;
  std::uint64_t sent = 0, acknowledged = 0;
  std::deque<std::pair<std::uint64_t, base::instant>> ends;  // of slices that are not all sent, with their time
  base::instant now{std::chrono::hours(1)};
  std::deque<std::pair<std::uint64_t, vec>> offered;  // what a transport points to: stays readable until acknowledged
  while (in.more()) {
    switch (in(8)) {
      case 0:
      case 1: {
        base::send_chain chain;
        for (auto count = in(4); count > 0; --count) {
          const auto part = in.some(30);
          if (part.empty()) continue;
          chain.push_back(base::slice::copy_of(part));
          stream.insert(stream.end(), part.begin(), part.end());
          ends.emplace_back(stream.size(), now);
        }
        if (in.chance()) {
          queue.push(chain, now);
        } else {
          queue.push(std::move(chain), now);
          require(chain.empty());
        }
        break;
      }
      case 2: now += std::chrono::milliseconds(in(100)); break;
      case 3:
      case 4: {
        std::array<vec, 4> parts{};
        const auto count = queue.peek(parts.data(), 1 + in(4));
        require((count == 0) == (sent == stream.size()));
        std::uint64_t at = sent;
        for (std::size_t i = 0; i < count; ++i) {
          require(parts[i].len > 0 && at + parts[i].len <= stream.size());
          require(std::equal(parts[i].base, parts[i].base + parts[i].len, stream.begin() + static_cast<std::ptrdiff_t>(at)));
          offered.emplace_back(at, parts[i]);
          at += parts[i].len;
        }
        const auto part = in(64);
        const auto most = in(16) == 0 ? stream.size() + 10 : std::min<std::uint64_t>(part, at - sent);  // now and then more than there is
        queue.sent(most);
        sent = std::min<std::uint64_t>(stream.size(), sent + most);
        break;
      }
      case 5:
      case 6: {
        const auto offset = in(8) == 0 ? in.number(8) : acknowledged + in(100);
        queue.acknowledged(offset);
        acknowledged = std::max(acknowledged, std::min(sent, offset));
        break;
      }
      default:
        if (in(32) != 0) break;
        queue.clear();
        require(queue.held_slices() == 0 && queue.unsent_bytes() == 0);
        return 0;
    }
    while (!ends.empty() && ends.front().first <= sent) ends.pop_front();
    require(queue.end_offset() == stream.size() && queue.sent_offset() == sent && queue.acknowledged_offset() == acknowledged);
    require(queue.unsent_bytes() == stream.size() - sent);
    require(queue.oldest_unsent_age(now) == (ends.empty() ? base::duration::zero() : base::duration(now - ends.front().second)));
    // Memory that a packet may still be made of again.
    while (!offered.empty() && offered.front().first < acknowledged) offered.pop_front();
    if (!offered.empty()) require(*offered.front().second.base == stream[static_cast<std::size_t>(offered.front().first)]);
    if (acknowledged == stream.size()) require(queue.held_slices() == 0);
  }
  return 0;
}
