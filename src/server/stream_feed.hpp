// The frames of a stream on their way to another shard.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "hub/stream.hpp"

namespace millrace::server {

// What one shard hands to another at once: everything new since the last time, whoever views it there.
struct frame_batch {
  std::vector<hub::entry_ptr> frames;  // of which the other shard reads the frame and nothing else
  std::size_t bytes = 0;
  bool begins = false;  // another publication, which followed the one before
  bool end = false;     // all after this comes from another shard, if at all
};

// A viewer like any other, with original times and every track, whose far end appends to a publication of the other shard. A shard that does not
// keep up gets no more until it has taken what is under way; its viewers lose what any viewer would lose that is so late. One thread: its stream's.
class stream_feed final : public hub::viewer {
 public:
  // `deliver` is called from inside the hub: it may post, and nothing else.
  stream_feed(std::shared_ptr<hub::stream> source, std::function<void(frame_batch&&)> deliver);

  // Hands over at once what there is, or that there is nothing yet.
  void start() { pull(false, true); }
  // The far end has appended so much.
  void taken(std::size_t bytes);
  // Hands over what is left, and the end. Nothing follows.
  void finish();
  [[nodiscard]] const std::shared_ptr<hub::stream>& source() const noexcept { return cursor_.source(); }
  [[nodiscard]] const hub::cursor_stats& stats() const noexcept { return cursor_.stats(); }

  void on_frames() override { pull(false); }
  void on_cleared(const hub::entry_ptr& clear) override;
  void on_publisher_gone() override { finish(); }
  void on_publisher_back() override {}

 private:
  void pull(bool all, bool even_nothing = false);
  void hand_over(frame_batch&& batch);

  const std::function<void(frame_batch&&)> deliver_;
  hub::cursor cursor_;
  std::size_t under_way_ = 0;  // bytes
  std::uint32_t publication_ = 0;
  bool ended_ = false;
};

}  // namespace millrace::server
