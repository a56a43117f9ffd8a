// One ngtcp2 connection, the same for both ends: packets and time in, packets out. What the streams mean is the
// application's business (quic_stream_transport), sockets and the loop are the host's (quic_endpoint). Internal to quic_*.cpp.
#pragma once
#include <ngtcp2/ngtcp2.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "net/queue_guard.hpp"
#include "net/quic_crypto.hpp"
#include "net/quic_options.hpp"
#include "net/quic_repeats.hpp"
#include "net/quic_timer.hpp"
#include "net/quic_udp_socket.hpp"
#include "net/transport.hpp"
#include "net/work_budget.hpp"

namespace millrace::net {

class quic_connection;

// Length of the connection ids that we choose: random, but for what a server with several sockets needs (port_group).
inline constexpr std::size_t quic_id_bytes = 8;

// What a connection needs from its endpoint. It outlives the connection or detaches it.
class quic_connection_host {
 public:
  virtual boost::asio::io_context& io() = 0;
  // All time and all randomness that decides anything come from here. The machine's, but for a simulation.
  [[nodiscard]] virtual quic_time now() const { return quic_now(); }
  virtual void random(std::span<std::uint8_t> into) { quic_random(into); }
  // A connection id of our own.
  virtual void choose_id(std::span<std::uint8_t> id) { random(id); }
  // The connection wants write() in this loop turn or in the next one, and deliver() before it if touched_again is set.
  virtual void touch(quic_connection& which) = 0;
  virtual void add_id(const ngtcp2_cid& id, quic_connection& which) = 0;
  virtual void remove_id(const ngtcp2_cid& id) = 0;
  // Sends, or keeps a copy until the socket is writable again; then blocked() is true and nothing more must be built.
  virtual void send(const udp_batch& batch) = 0;
  [[nodiscard]] virtual bool blocked() const = 0;
  virtual void retime(quic_connection& which, quic_time due) = 0;
  // The connection needs no datagrams and no time any more: the host drops it (after the current call).
  virtual void on_ended(quic_connection& which) = 0;
  virtual void on_handshake_over(quic_connection& which) = 0;  // completed, or ended before that; once
  virtual void on_path_change() = 0;
  virtual void on_over_budget() {}  // a peer was cut off for asking too much that brings nothing
  virtual void make_reset_token(const ngtcp2_cid& id, ngtcp2_stateless_reset_token& token) = 0;
  // Server: a token with which this address needs no Retry next time. Client: keeps the token that the server gave.
  virtual std::vector<std::uint8_t> make_address_token(const udp_address& remote) = 0;
  virtual void keep_address_token(base::bytes_view token) = 0;
  // Client: a fresh local socket; the connection moves there.
  virtual base::result<void> move_to_fresh_socket(quic_connection& which) = 0;

 protected:
  ~quic_connection_host() = default;
};

// Stream data on offer to the packet that is being built. `stream` -1: nothing.
struct quic_offer {
  std::int64_t stream = -1;
  const ngtcp2_vec* parts = nullptr;  // valid until the next offer()
  std::size_t count = 0;
  bool fin = false;
  bool urgent = false;  // small and worth more than the rest: sound, and what the session itself says
};

// Room for the parts of an offer, which need not outlive the next one: one for all connections of a thread.
std::span<ngtcp2_vec> offer_space();

// The owner of the streams. The first group is called from inside ngtcp2: it may only take notes.
class quic_application {
 public:
  virtual bool on_stream_open(std::int64_t stream) = 0;  // false: no such stream in this mapping, the connection is closed
  virtual void on_stream_bytes(std::int64_t stream, base::bytes_view bytes, bool fin) = 0;
  virtual void on_stream_acknowledged(std::int64_t stream, std::uint64_t below) = 0;
  virtual void on_stream_reset(std::int64_t stream, std::uint64_t code) = 0;
  virtual void on_stop_sending(std::int64_t stream, std::uint64_t code) = 0;
  virtual void on_stream_close(std::int64_t stream) = 0;

  virtual void begin_write() = 0;
  // `fresh`: nothing of the application is in the packet yet. Only then may a stream be opened from inside this.
  virtual quic_offer offer(bool fresh) = 0;
  virtual void on_taken(std::int64_t stream, std::uint64_t bytes, bool fin) = 0;
  virtual void on_blocked(std::int64_t stream) = 0;        // flow control: no more of this stream in this write pass
  virtual void on_write_refused(std::int64_t stream) = 0;  // the stream takes no more data for ever

  virtual void on_handshake_completed() = 0;
  // Of a server: the peer has proved that it is at this address.
  virtual void on_path_changed(std::string remote, std::chrono::milliseconds gap) = 0;
  virtual void after_write() = 0;
  virtual void on_deadline(quic_time now) = 0;
  [[nodiscard]] virtual bool finishing() const = 0;  // was told to end, and is still flushing
  virtual void deliver() = 0;                        // the one place from which user code is called
  virtual void on_end(close_info info) = 0;          // last call; never calls user code directly

 protected:
  ~quic_application() = default;
};

// How a server came to accept a first packet.
struct quic_server_hello {
  ngtcp2_pkt_hd header{};
  ngtcp2_cid original_dcid{};                                // of the client's very first packet, before a Retry
  ngtcp2_token_type token_type = NGTCP2_TOKEN_TYPE_UNKNOWN;  // of a token that was verified
};

class quic_connection final : public std::enable_shared_from_this<quic_connection>, public quic_timer::entry {
 public:
  static base::result<std::shared_ptr<quic_connection>> make_server(quic_connection_host& host, std::unique_ptr<quic_tls> tls,
                                                                    const quic_server_options& options, const quic_server_hello& hello,
                                                                    const udp_address& local, const udp_address& remote);
  static base::result<std::shared_ptr<quic_connection>> make_client(quic_connection_host& host, std::unique_ptr<quic_tls> tls,
                                                                    const quic_client_options& options, base::bytes_view address_token,
                                                                    const udp_address& local, const udp_address& remote);
  ~quic_connection();

  void set_application(std::shared_ptr<quic_application> application) { application_ = std::move(application); }
  // The host is going away: no call to it any more.
  // Connection and application keep each other alive while the host runs them; without a host nothing else would ever part them.
  void detach() {
    host_ = nullptr;
    const auto last = std::exchange(application_, nullptr);
  }

  // --- for the host, never from inside ngtcp2
  void read(const udp_datagram& datagram);
  void on_timer(quic_time now);
  void deliver();
  void write();
  // Client: all traffic goes from this local address on: at once, or, where the present path still works, when the new one is known to.
  enum class migration : unsigned char { immediate, validated };
  base::result<void> migrate(const udp_address& local, migration how);
  [[nodiscard]] const udp_address& local() const noexcept { return local_; }
  // An ICMP error or a failed send; `number` is an errno.
  void on_socket_error(int number);

  // --- for the application, never from inside ngtcp2 unless noted
  // CONNECTION_CLOSE with an application code, now. The application's on_end follows with by_peer false.
  void close(std::uint64_t code, std::string_view reason);
  // Without the closing period: for a loser of the dialling race and for a host that goes away.
  void close_for_good(std::uint64_t code, std::string_view reason);
  // Likewise close(), but with the transport's CONNECTION_REFUSED: of a server that learns only behind the handshake that this peer is one too many.
  void refuse(std::string_view reason);
  void touch();                                           // there is something to write
  void wake();                                            // there is something to deliver
  std::int64_t open_stream();                             // -1: the peer allows none; also from inside ngtcp2
  std::int64_t open_unidirectional_stream();              // likewise
  void reset_stream(std::int64_t stream, std::uint64_t code);
  void stop_reading(std::int64_t stream, std::uint64_t code);
  void credit(std::int64_t stream, std::uint64_t bytes);  // the application consumed so much
  void allow_another(std::int64_t stream);                // it is through with this one of the peer's; also from inside ngtcp2
  void allow_media();                                     // the peer is to send some: it is no longer held to what a stranger may
  void set_deadline(quic_time when);                      // on_deadline then; quic_never cancels
  void guard_queue();                                     // from now on room_for_bulk() is watched over
  base::result<void> move_to_fresh_socket();

  // Without a host time stands still: nothing waits for it any more.
  [[nodiscard]] quic_time now() const { return host_ != nullptr ? std::max(last_ts_, host_->now()) : last_ts_; }
  [[nodiscard]] bool alive() const noexcept { return conn_ != nullptr; }
  [[nodiscard]] bool finishing() const { return conn_ != nullptr && application_ && application_->finishing(); }
  [[nodiscard]] bool is_server() const noexcept { return server_; }
  [[nodiscard]] bool is_peers(std::int64_t stream) const noexcept { return ((stream & 1) == 0) == server_; }  // opened by the peer
  [[nodiscard]] bool handshake_completed() const noexcept { return handshake_completed_; }
  [[nodiscard]] const std::string& alpn() const noexcept { return terms_.alpn; }  // once it is
  [[nodiscard]] const udp_address& proven_remote() const noexcept { return proven_remote_; }
  [[nodiscard]] ngtcp2_conn* native() noexcept { return conn_; }  // null once ended
  [[nodiscard]] std::uint64_t congestion_window() const;
  // More stream data than a path can have under way: the peer leaves something unacknowledged, and all that was sent since stays in memory.
  [[nodiscard]] bool is_too_much(std::uint64_t unacknowledged) const;
  [[nodiscard]] quic_time probe_timeout() const;
  [[nodiscard]] bool room_for_bulk() const noexcept { return bulk_room_ > 0; }  // for what is not urgent, in this write pass
  [[nodiscard]] std::optional<std::chrono::microseconds> round_trip() const;
  void fill(transport_facts& facts) const;

  // Shakes hands, or has never yet had all that was there for it: a viewer's first key frame takes several round trips, each of which
  // would wait for all others. Not for longer than two seconds: what is slow then always will be.
  [[nodiscard]] bool starting() const noexcept { return starting_; }

  // Bookkeeping of the host's list of touched connections; `touched_again`: deliver() even if that was done in this turn.
  bool touched = false, touched_again = false;
  std::shared_ptr<void> ticket;  // a server's: the place that the peer's address has given to this connection

 private:
  friend struct quic_callbacks;  // quic_callbacks.cpp: the C functions that ngtcp2 calls
  enum class state : unsigned char { open, closing, draining, ended };

  quic_connection(quic_connection_host& host, std::unique_ptr<quic_tls> tls, bool server, const udp_address& local,
                  const udp_address& remote);
  base::result<void> adopt(int rv, ngtcp2_conn* made);
  void settle(const quic_common_options& options, std::chrono::milliseconds handshake_timeout, ngtcp2_settings& settings,
              ngtcp2_transport_params& params);
  quic_time clock();
  static ngtcp2_ssize write_one(ngtcp2_conn* conn, ngtcp2_path* path, ngtcp2_pkt_info* info, std::uint8_t* into, std::size_t size,
                                ngtcp2_tstamp now, void* user);
  void look_at_path(quic_time now);
  void keep_for_repeat(const udp_batch& batch, quic_time now);
  void send_repeats(quic_time now);
  void after_read(int rv, std::size_t size, quic_time now, quic_time silent_since);
  bool learn_where();
  bool within_budget(std::size_t size, quic_time now);
  void fail(int rv);
  [[nodiscard]] close_info why_draining() const;
  void send_close(const ngtcp2_ccerr& error);
  void end(close_info info, state next);
  void answer_in_closing();
  void retime();
  void drop_ids();

  quic_connection_host* host_;
  std::unique_ptr<quic_tls> tls_;  // a server's goes with the handshake: 10 kB
  quic_terms terms_;               // from then on
  ngtcp2_conn* conn_ = nullptr;
  std::shared_ptr<quic_application> application_;
  const bool server_;
  state state_ = state::open;
  congestion_control congestion_ = congestion_control::bbr;
  std::chrono::milliseconds handshake_timeout_{0}, idle_timeout_{0};
  udp_address local_, remote_, previous_remote_;  // where packets go
  // Of a server: where the peer is. A source address is easily written into a packet, so rules and limits go by the last one that proved itself: the
  // handshake's, or one to which a path validation succeeded (RFC 9000 section 8.2). Media is not held up by that.
  udp_address proven_remote_;
  std::optional<udp_address> validating_;      // not yet proven
  bool unprovable_ = false;                    // it never will be: its validation was given up while the peer stays there
  std::optional<quic_time> silence_at_move_;   // of a change of address that the application has not been told of
  unsigned validations_begun_ = 0;             // since it was last known where the peer is
  std::vector<ngtcp2_cid> ids_;  // under which the host knows us

  quic_time last_ts_ = 0, last_received_ = 0, last_path_change_ = 0, refused_since_ = 0;
  quic_time application_deadline_ = quic_never, linger_until_ = quic_never;
  bool media_allowed_ = false;
  bool handshake_completed_ = false, handshake_announced_ = false, handshake_over_told_ = false;
  bool foreign_stream_ = false, no_alpn_ = false, stateless_reset_ = false;
  std::uint32_t path_changes_ = 0;
  bool progressed_ = false;            // by the datagram that is being read: stream data was handed on, or acknowledged
  std::uint64_t handed_on_ = 0;        // by it: bytes of streams, those included that had waited behind a hole
  std::uint64_t received_known_ = 0;   // packets that counted when the budget was asked last
  work_budget budget_;                 // of a server's peer

  std::unique_ptr<queue_guard> guard_;                // where something may be held back
  std::uint64_t bulk_room_ = queue_guard::no_limit;    // bytes, in this write pass
  std::optional<quic_repeats> repeats_;               // unless redundancy is off
  bool batch_carries_ = false, batch_urgent_ = false;  // stream data is in the batch that is being built; urgent data is
  bool left_waiting_ = false;                         // the write pass ended with data still on offer
  bool starting_ = true;
  quic_time began_ = 0;
  std::uint64_t stream_bytes_ = 0;                    // written so far
  std::uint64_t discarded_in_handshake_ = 0;

  std::vector<std::uint8_t> close_packet_;  // closing: sent again when packets keep coming
  std::uint64_t closing_datagrams_ = 0;
  std::unique_ptr<const transport_facts> last_facts_;  // once conn_ is gone
};

// Fills in every callback that ngtcp2 wants (quic_callbacks.cpp).
ngtcp2_callbacks quic_callback_table(bool server);

}  // namespace millrace::net
