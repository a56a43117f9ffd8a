// Frames of one stream on their way from its shard to the disk thread. Shared, never copied; bounded by bytes and by age.
#pragma once
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "hub/stream.hpp"

namespace millrace::record {

struct queued_frame {
  hub::entry_ptr item;
  std::uint32_t publication = 0;  // of its stream
  bool clear = false;             // takes a kept data message away, and is no frame
};

// The lock is held for a look: nobody writes or allocates much under it.
class frame_queue {
 public:
  frame_queue(std::size_t bytes_max, base::duration age_max) : bytes_max_(bytes_max), age_max_(age_max) {}

  // ---- the stream's shard ----

  // How many bytes more make sense; 0: it is full.
  std::size_t room(base::instant now) const {
    const std::scoped_lock guard(lock_);
    return full(now) ? 0 : bytes_max_ - bytes_;
  }
  // `more`: there is more than there was room for. True if there is room for it by now; otherwise done() will say when.
  bool push(std::vector<queued_frame>& frames, std::size_t bytes, std::uint64_t lost, bool more, base::instant now) {
    const std::scoped_lock guard(lock_);
    lost_ = lost;
    if (!frames.empty()) {
      if (!oldest_) oldest_ = now;
      if (items_.empty()) items_since_ = now;
      bytes_ += bytes;
      for (auto& f : frames) items_.push_back(std::move(f));
    }
    if (!more) return false;
    wants_room_ = full(now);
    return !wants_room_;
  }
  // The publisher went, or is back.
  void set_gone(std::optional<base::instant> since) {
    const std::scoped_lock guard(lock_);
    gone_since_ = since;
  }

  // ---- the disk thread ----

  struct taken {
    std::vector<queued_frame> frames;
    std::size_t bytes = 0;
    std::optional<base::instant> gone_since;
  };
  // All there is. It counts as queued until it is done with.
  taken take() {
    const std::scoped_lock guard(lock_);
    taken out{std::move(items_), bytes_, gone_since_};
    items_.clear();
    return out;
  }
  // True once when the shard waits for room and has it again.
  bool done(std::size_t bytes, base::instant now) {
    const std::scoped_lock guard(lock_);
    bytes_ -= bytes;
    oldest_ = items_.empty() ? std::nullopt : std::optional(items_since_);
    return !full(now) && std::exchange(wants_room_, false);
  }

  // ---- any thread ----

  struct facts {
    std::size_t bytes = 0;
    base::duration age{0};
    std::uint64_t lost = 0;  // frames that did not get in here
    bool empty = true;
  };
  [[nodiscard]] facts look(base::instant now) const {
    const std::scoped_lock guard(lock_);
    return {bytes_, oldest_ && now > *oldest_ ? base::duration(now - *oldest_) : base::duration(0), lost_, items_.empty()};
  }

 private:
  [[nodiscard]] bool full(base::instant now) const { return bytes_ >= bytes_max_ || (oldest_ && now - *oldest_ >= age_max_); }

  const std::size_t bytes_max_;
  const base::duration age_max_;
  mutable std::mutex lock_;  // guards all below
  std::vector<queued_frame> items_;
  std::size_t bytes_ = 0;
  std::optional<base::instant> oldest_;  // when the oldest of what is not written came in
  base::instant items_since_{};          // the same for what nobody has taken
  bool wants_room_ = false;
  std::uint64_t lost_ = 0;
  std::optional<base::instant> gone_since_;
};

}  // namespace millrace::record
