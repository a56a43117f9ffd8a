// What one QUIC stream has to send: slices that stay in place until the peer acknowledged them.
#pragma once
#include <cstdint>

#include "base/fifo.hpp"
#include "base/send_chain.hpp"
#include "base/time.hpp"

namespace millrace::net {

// ngtcp2 keeps pointers to stream data, not copies (it needs them again for retransmissions), so a slice leaves only when
// acknowledged() has passed its end, or with the whole queue once the stream or the connection is gone. No clock, no socket.
class quic_send_queue {
 public:
  // Bytes [0, acknowledged) were freed, [acknowledged, sent) are in flight, [sent, end) wait.
  [[nodiscard]] std::uint64_t acknowledged_offset() const noexcept { return acknowledged_; }
  [[nodiscard]] std::uint64_t sent_offset() const noexcept { return sent_; }
  [[nodiscard]] std::uint64_t end_offset() const noexcept { return end_; }
  [[nodiscard]] std::size_t unsent_bytes() const noexcept { return static_cast<std::size_t>(end_ - sent_); }
  [[nodiscard]] std::size_t unacknowledged_bytes() const noexcept { return static_cast<std::size_t>(sent_ - acknowledged_); }
  [[nodiscard]] std::size_t held_slices() const noexcept { return entries_.size(); }
  // Zero when nothing waits.
  [[nodiscard]] base::duration oldest_unsent_age(base::instant now) const noexcept;

  void push(base::send_chain&& chain, base::instant now);  // the chain is empty then, with the room that it had
  void push(const base::send_chain& chain, base::instant now);
  // The next bytes to send as at most `most` (pointer, length) pairs of type V (`V{pointer, length}`); how many were written.
  template <class V>
  std::size_t peek(V* out, std::size_t most) const {
    std::size_t count = 0;
    std::size_t skip = static_cast<std::size_t>(sent_ - next_begin_);
    for (std::size_t i = next_; i < entries_.size() && count < most; ++i, skip = 0) {
      const auto part = entries_[i].bytes.view().subspan(skip);
      out[count].base = const_cast<std::uint8_t*>(part.data());
      out[count].len = part.size();
      ++count;
    }
    return count;
  }
  // `bytes` of what peek() offered are in a packet now. More than was offered is a bug of the caller and is clamped.
  void sent(std::uint64_t bytes) noexcept;
  // All bytes below `offset` are acknowledged. Never goes back; clamped to what was sent.
  void acknowledged(std::uint64_t offset) noexcept;
  // Nothing more will be sent: frees what no packet has had any of. Nothing may be pushed from then on.
  void drop_unsent() noexcept;
  // The stream is gone: frees everything.
  void clear() noexcept;

 private:
  struct entry {
    base::slice bytes;
    base::instant queued_at;
  };
  base::fifo<entry, true> entries_;
  std::uint64_t front_begin_ = 0;  // stream offset of entries_[0]
  std::uint64_t acknowledged_ = 0, sent_ = 0, end_ = 0;
  std::size_t next_ = 0;          // entry that holds sent_
  std::uint64_t next_begin_ = 0;  // its stream offset
};

}  // namespace millrace::net
