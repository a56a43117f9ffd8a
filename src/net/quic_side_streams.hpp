// The streams of a RoQR connection beside the session's own: what the peer opened, and the groups that we send. Internal to quic_*.cpp.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/fifo.hpp"
#include "base/group_source.hpp"
#include "net/quic_connection.hpp"
#include "net/quic_send_queue.hpp"

namespace millrace::net {

// A part of quic_stream_transport, which passes on what ngtcp2 says of streams other than stream 0. What is called from inside ngtcp2 takes
// notes only; deliver() calls user code.
class quic_side_streams {
 public:
  explicit quic_side_streams(std::shared_ptr<quic_connection> connection) : connection_(std::move(connection)) {}

  // --- for the user of the transport
  [[nodiscard]] std::size_t queued_bytes() const;  // handed out by the source and not in a packet yet
  [[nodiscard]] std::uint64_t unacknowledged_bytes() const;    // also of groups that are given up
  [[nodiscard]] base::duration oldest_queued_age(base::instant now) const;
  [[nodiscard]] std::uint64_t bytes_sent() const noexcept { return bytes_sent_; }
  [[nodiscard]] std::uint64_t bytes_received() const noexcept { return bytes_received_; }
  void pull_from(base::group_source* source);
  void stop(std::int64_t stream, std::uint64_t code);
  // Nothing of ours is under way any more.
  [[nodiscard]] bool flushed() const { return groups_.empty() && !waiting_; }
  // It came to that since the last call.
  bool take_flushed() { return std::exchange(flushed_, false); }
  [[nodiscard]] bool flushed_since() const noexcept { return flushed_; }
  // The source has given all it had since the last call: its user may have held more back.
  bool take_dry() { return std::exchange(dry_, false); }
  // The source has something new, or wants to know when it is through.
  void pulled() { pulled_ = true; }

  // --- from inside ngtcp2
  void on_bytes(std::int64_t stream, base::bytes_view bytes, bool fin);
  void on_reset(std::int64_t stream, std::uint64_t code);
  void on_acknowledged(std::int64_t stream, std::uint64_t below);
  void on_stopped(std::int64_t stream);
  void on_close(std::int64_t stream);

  // --- while packets are built
  void begin_write();
  // `fresh` as in quic_application::offer().
  quic_offer offer(bool fresh);
  void on_taken(std::int64_t stream, std::uint64_t bytes, bool fin);
  void on_blocked(std::int64_t stream);
  void on_refused(std::int64_t stream);

  // User code may do anything from inside this, also end the transport: `handler` is looked at afresh for every call.
  void deliver(transport_handler*& handler);
  // The reader is gone: what arrives is thrown away, and the peer's windows stay open.
  void discard_received();
  [[nodiscard]] bool anything_received() const noexcept { return !arrived_.empty(); }
  // The ngtcp2 connection is deleted.
  void clear();

 private:
  struct group {
    std::int64_t stream = -1;
    std::uint64_t number = 0;
    unsigned urgency = 0;
    quic_send_queue queue;
    bool end = false, fin_sent = false;
    bool blocked = false;  // by flow control, in this write pass
    bool refused = false;  // takes no more data for ever
    void refuse() {
      refused = true;
      queue.drop_unsent();
    }
  };
  struct incoming {
    std::int64_t stream = 0;
    std::vector<std::uint8_t> bytes;
    bool fin = false;
    std::optional<std::uint64_t> reset;
    bool closed = false;  // ngtcp2 is through with it
  };
  [[nodiscard]] group* find(std::int64_t stream);
  [[nodiscard]] group* find_number(std::uint64_t number);
  group* open(std::uint64_t number, unsigned urgency);
  // Of those with an urgency below that which want to send.
  group* most_urgent(unsigned below, bool blocked_too = true);
  bool take(const base::group_piece& piece, bool may_open);
  incoming* find_arrival(std::int64_t stream);
  incoming& arrival_of(std::int64_t stream);
  void release(const incoming& each);

  std::shared_ptr<quic_connection> connection_;
  base::group_source* source_ = nullptr;
  // Those whose streams live. There are a few: one or two of each flow, and what is not acknowledged. Ascending in both numbers.
  std::vector<group> groups_;
  std::optional<base::group_piece> waiting_;      // for a stream that the peer does not allow yet
  base::fifo<incoming> arrived_;                  // in the order of their first bytes of this turn; no more than the peer may have streams
  bool flushed_ = false;
  bool pulled_ = false;  // since something was under way last
  bool handed_ = false;  // by the source, since it was dry last
  bool dry_ = false;
  bool full_ = false;  // in this write pass: nothing is pulled before the peer acknowledges something
  std::uint64_t bytes_sent_ = 0, bytes_received_ = 0;
};

}  // namespace millrace::net
