// A reliable byte pipe to one peer, whatever carries it: TCP, TLS on TCP, or stream 0 of a QUIC connection; in RoQR further streams beside it.
#pragma once
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/error.hpp"
#include "base/group_source.hpp"
#include "base/send_chain.hpp"
#include "base/time.hpp"

namespace millrace::net {

enum class transport_kind : unsigned char { tcp, tls, quic };
std::string_view name(transport_kind kind);         // "tcp", "tls", "quic"
std::string_view rtmp_scheme(transport_kind kind);  // "rtmp", "rtmps", "rtmpq"

// What the two ends of a close tell each other: the code of a QUIC CONNECTION_CLOSE (protocol.md 4; on TCP it is only logged).
enum class close_code : std::uint64_t { no_error = 0, general_error = 1, internal_error = 2 };

struct close_info {
  base::error reason;               // kind closed for an end in order
  bool by_peer = false;
  std::optional<std::uint64_t> code;  // QUIC application or transport code
};

// Numbers for progress lines, metrics and `probe`. Everything that a transport cannot know is empty.
struct transport_facts {
  transport_kind kind = transport_kind::tcp;
  std::string local, remote;                       // "127.0.0.1:1935", "[::1]:1935"
  std::string alpn, tls;                           // "rtmp"; "TLS1.3 AES-128-GCM"
  std::uint32_t quic_version = 0;
  std::string congestion_control;                  // "bbr", "cubic"
  std::optional<std::chrono::microseconds> rtt, rtt_min;
  std::uint64_t bytes_sent = 0, bytes_received = 0;      // of the pipe, not of packets
  std::optional<std::uint64_t> packets_sent, packets_lost;
  std::optional<std::uint64_t> congestion_window;  // bytes
  // QUIC, datagrams: sent twice, their bytes, and of how many the first copy was lost and the second not, by the loss of the path; and
  // those that came to us twice (or damaged: they are not told apart).
  std::optional<std::uint64_t> repeats_sent, repeat_bytes, repeats_useful, repeats_received;
  std::uint32_t path_changes = 0;                  // NAT rebinding or migration of the peer, or ours
  std::string peer_certificate_pin;                // clients: SHA-256 of the peer's SPKI, hex
  std::string peer_certificate;                    // clients: subject, names, validity, one line
};

// Bytes of the pipe so far.
struct traffic {
  std::uint64_t sent = 0, received = 0;
};

// Called on the shard's thread, never from inside a call into the transport, and never after close() or abort().
// A handler may call close/abort and drop its shared_ptr from inside any of these.
class transport_handler {
 public:
  virtual ~transport_handler() = default;
  // The bytes are only valid during the call.
  virtual void on_receive(base::bytes_view bytes) = 0;
  // A whole burst of on_receive is over: answer, flush. ("Drain, process, flush once per turn.")
  virtual void on_receive_done() = 0;
  // send_budget() became positive after it was 0; or everything that a source of groups had is handed out.
  virtual void on_writable() = 0;
  // TCP and TLS: queued_bytes() became 0, so close() would have nothing to flush. Nobody waits for it over QUIC.
  virtual void on_drained() {}
  // The pipe is gone, for whatever reason that is not our own close(). Called once.
  virtual void on_closed(const close_info& info) = 0;
  // RoQR: bytes of another QUIC stream of the peer than the session's own, in order within the stream, and its end in order or by a reset.
  virtual void on_stream_receive(std::int64_t /*stream*/, base::bytes_view /*bytes*/, bool /*fin*/) {}
  virtual void on_stream_reset(std::int64_t /*stream*/, std::uint64_t /*code*/) {}
  // Every group that was pulled has reached the peer, or never will.
  virtual void on_groups_flushed() {}
  // The peer's address changed (QUIC); `gap` is the silence before it.
  virtual void on_path_changed(const std::string& /*remote*/, std::chrono::milliseconds /*gap*/) {}
};

// Life: make -> start(handler) -> … -> close() or abort(), or on_closed. Owned through shared_ptr: it keeps itself alive
// while operations are under way, so dropping the last outside reference after close() still flushes what is queued.
// One thread: its shard's.
class transport {
 public:
  virtual ~transport() = default;

  [[nodiscard]] virtual transport_kind kind() const = 0;
  [[nodiscard]] virtual transport_facts facts() const = 0;
  // Of facts(), cheap enough to ask thousands of transports once a second.
  [[nodiscard]] virtual traffic traffic_so_far() const {
    const auto all = facts();
    return {all.bytes_sent, all.bytes_received};
  }
  // What tells a slow peer from one that takes nothing. TCP: bytes that were acknowledged, TLS's own among them, since the kernel takes none of ours
  // while it sends the much that it has; elsewhere, and where the kernel does not say, bytes sent.
  [[nodiscard]] virtual std::uint64_t delivered_bytes() const { return traffic_so_far().sent; }
  [[nodiscard]] virtual std::optional<std::chrono::microseconds> round_trip() const { return facts().rtt; }  // smoothed
  // Bytes taken by send() and not yet handed to the kernel (TCP) or put into a packet (QUIC).
  [[nodiscard]] virtual std::size_t queued_bytes() const = 0;
  // queued_bytes(), and what QUIC keeps besides since the peer acknowledges less than is usually under way.
  [[nodiscard]] virtual std::size_t held_bytes() const { return queued_bytes(); }
  // Age of the oldest of the queued ones; zero when there are none.
  [[nodiscard]] virtual base::duration oldest_queued_age(base::instant now) const = 0;
  // How many more bytes it makes sense to hand over now, so that everything else can still be dropped as whole messages: about one
  // congestion window. 0: wait for on_writable. send() beyond it is allowed (control messages) and queues.
  [[nodiscard]] virtual std::size_t send_budget() const = 0;

  // The handler must live until close(), abort() or on_closed. Nothing is read before start.
  virtual void start(transport_handler& handler) = 0;
  // Takes the slices; the chain is empty then and keeps its memory for the next time.
  virtual void send(base::send_chain&& chain) = 0;
  // RoQR: media of which each group becomes a QUIC stream is pulled from `source` while packets are built, behind everything that send()
  // took; null: from nowhere any more. The source lives until then, or until close(), abort() or on_closed. Others never ask it.
  virtual void pull_from(base::group_source* /*source*/) {}
  // The source has something new, or its user waits for on_groups_flushed. Not to be called otherwise: the answer may be just that.
  virtual void pull() {}
  // RoQR: the peer may publish. From now on it has as many streams and bytes at once as that takes; before, a server keeps it short.
  virtual void expect_media() {}
  // RoQR: STOP_SENDING for a stream of the peer.
  virtual void stop_stream(std::int64_t /*stream*/, std::uint64_t /*code*/) {}
  // Stops reading (the peer's window closes) / goes on.
  virtual void pause_receive(bool paused) = 0;
  // From now on what comes is counted in facts() and thrown away, which spares copying it: no on_receive any more. False: this transport
  // has to see its bytes, and goes on as before.
  virtual bool count_only() { return false; }
  // What comes may be fetched in the rounds of this io_context (receive_rounds.hpp) while there are some, so a window later: for peers that send media,
  // and not while one waits for an answer. A transport that cannot goes on as before.
  virtual void receive_in_rounds(bool /*may*/) {}
  // No more callbacks. Flushes what is queued for at most 2 s, then ends the pipe with the code and reason.
  virtual void close(close_code code, std::string reason) = 0;
  // No more callbacks, ends at once, queued bytes are lost.
  virtual void abort() = 0;
};

using transport_ptr = std::shared_ptr<transport>;

}  // namespace millrace::net
