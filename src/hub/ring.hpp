// The ring of a stream: slots numbered for ever, the newest ones kept.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/fifo.hpp"
#include "hub/records.hpp"
#include "media/track.hpp"

namespace millrace::hub {

struct slot {
  entry_ptr item;
  record_set_ptr before;  // configurations and data in effect ahead of this frame
  base::instant arrival{};
  std::uint32_t publication = 0;  // which publication of the stream it came by
  media::frame_kind kind = media::frame_kind::data;
  bool config = false;
  bool key = false;
  bool gop_start = false;   // a key frame of the track that viewers without a picked track wait for
  bool multitrack = false;
  media::track_set tracks;  // that the message has something for
};

// Slots live in a power-of-two array under their number, so a viewer's position is found by one mask.
class ring {
 public:
  [[nodiscard]] std::uint64_t first() const noexcept { return first_; }
  [[nodiscard]] std::uint64_t end() const noexcept { return end_; }  // the number that the next slot gets
  [[nodiscard]] std::size_t size() const noexcept { return static_cast<std::size_t>(end_ - first_); }
  [[nodiscard]] bool empty() const noexcept { return first_ == end_; }
  // `sequence` is in [first, end).
  [[nodiscard]] const slot& at(std::uint64_t sequence) const noexcept { return slots_[static_cast<std::size_t>(sequence) & mask()]; }

  void push(slot&& added) {
    if (size() == slots_.size()) grow();
    slots_[static_cast<std::size_t>(end_++) & mask()] = std::move(added);
  }
  void pop() { slots_[static_cast<std::size_t>(first_++) & mask()] = {}; }
  // Numbers go on; the memory goes back.
  void clear() {
    first_ = end_;
    base::give_back(slots_);
  }

 private:
  [[nodiscard]] std::size_t mask() const noexcept { return slots_.size() - 1; }
  void grow() {
    std::vector<slot> larger(slots_.empty() ? 64 : slots_.size() * 2);
    for (auto sequence = first_; sequence != end_; ++sequence) {
      larger[static_cast<std::size_t>(sequence) & (larger.size() - 1)] = std::move(slots_[static_cast<std::size_t>(sequence) & mask()]);
    }
    slots_ = std::move(larger);
  }
  std::vector<slot> slots_;
  std::uint64_t first_ = 0;
  std::uint64_t end_ = 0;
};

}  // namespace millrace::hub
