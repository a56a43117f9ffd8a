// The ring of a stream: slots numbered for ever, the newest ones kept.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/fifo.hpp"
#include "hub/records.hpp"
#include "media/track.hpp"

namespace millrace::hub {

// A cache line on the usual machines: a viewer that reads touches one per frame.
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
  std::uint32_t records_bytes = 0;  // that its records take beside its payload
  std::unique_ptr<const media::track_set> tracks;  // that a multitrack message has something for; null: it is of track 0
  [[nodiscard]] bool has_track(std::uint8_t id) const { return tracks ? (*tracks)[id] : id == 0; }
};
static_assert(sizeof(void*) != 8 || sizeof(slot) == 64);

// Slots live in blocks that come and go with them, since a stream has few frames after a key frame and many before the next; the table of blocks is a
// power of two under their number, so a viewer's position is found by two masks.
class ring {
 public:
  [[nodiscard]] std::uint64_t first() const noexcept { return first_; }
  [[nodiscard]] std::uint64_t end() const noexcept { return end_; }  // the number that the next slot gets
  [[nodiscard]] std::size_t size() const noexcept { return static_cast<std::size_t>(end_ - first_); }
  [[nodiscard]] bool empty() const noexcept { return first_ == end_; }
  // `sequence` is in [first, end).
  [[nodiscard]] const slot& at(std::uint64_t sequence) const noexcept { return (*block_of(sequence))[sequence % per_block]; }

  void push(slot&& added) {
    if (blocks_.empty() || end_ / per_block - first_ / per_block == blocks_.size()) grow();
    auto& into = blocks_[place(end_)];
    if (!into) into = std::make_unique<block>();
    (*into)[end_ % per_block] = std::move(added);
    ++end_;
  }
  void pop() {
    (*block_of(first_))[first_ % per_block] = {};
    ++first_;
    if (first_ % per_block == 0) blocks_[place(first_ - 1)].reset();
  }
  // Numbers go on; the memory goes back.
  void clear() {
    first_ = end_;
    base::give_back(blocks_);
  }

 private:
  static constexpr std::uint64_t per_block = 32;
  using block = std::array<slot, per_block>;

  [[nodiscard]] std::size_t place(std::uint64_t sequence) const noexcept { return static_cast<std::size_t>(sequence / per_block) & (blocks_.size() - 1); }
  [[nodiscard]] const std::unique_ptr<block>& block_of(std::uint64_t sequence) const noexcept { return blocks_[place(sequence)]; }
  void grow() {
    std::vector<std::unique_ptr<block>> more(blocks_.empty() ? 4 : blocks_.size() * 2);
    const auto held = blocks_.size();
    for (std::uint64_t i = 0, number = first_ / per_block; i < held; ++i, ++number) {
      more[static_cast<std::size_t>(number) & (more.size() - 1)] = std::move(blocks_[static_cast<std::size_t>(number) & (held - 1)]);
    }
    blocks_ = std::move(more);
  }
  std::vector<std::unique_ptr<block>> blocks_;
  std::uint64_t first_ = 0;
  std::uint64_t end_ = 0;
};

}  // namespace millrace::hub
