// One RTMP session over one dialled transport, from the client's side: the only place here that knows both net and rtmp.
#pragma once
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <limits>
#include <memory>
#include <optional>
#include <string>

#include "client/limits.hpp"
#include "client/stall_watch.hpp"
#include "client/track_merge.hpp"
#include "net/dialer.hpp"
#include "net/transport.hpp"
#include "rtmp/auth_dialogue.hpp"
#include "rtmp/redirect.hpp"
#include "rtmp/session.hpp"
#include "rtmp/uri.hpp"

namespace millrace::client {

// What all commands let a person choose about a connection.
struct link_settings {
  net::verify_options verify;
  net::quic_client_options quic;
  std::chrono::milliseconds dial_timeout{10'000};
  std::chrono::milliseconds start_timeout{10'000};  // from the transport's handshake to the accepted publish or play
  bool pipeline = true;
  std::uint32_t media_kept = std::numeric_limits<std::uint32_t>::max();  // bytes of a message in chunks: for who only looks at its beginning
  bool reliable = false;                            // live profile: nothing is given up for being late
  net::dial_memory* memory = nullptr;               // outlives every link
  rtmp::redirect_rules redirects;                   // for those who follow them
  rtmp::credentials login;                          // for servers that ask; no user: there is none
  client_limits limits;
};

struct link_target {
  rtmp::uri uri;
  rtmp::client_role role = rtmp::client_role::publish;
  std::string app_query;  // goes with the application into connect; without '?'
  rtmp::peer_capabilities capabilities = rtmp::own_capabilities();
  std::string resume = {};  // token of the publication that is to go on
};

// Since open(); empty until it happened.
struct link_times {
  using stamp = std::optional<std::chrono::microseconds>;
  stamp resolved, transport, rtmp_handshake, connected, started, first_frame;
  unsigned handshake_round_trips = 0;  // RTMP's own, as counted: a flight of ours followed by bytes of the peer
  unsigned connect_round_trips = 0;    // from the transport's handshake to the answer to connect
  unsigned start_round_trips = 0;      // … and to the accepted publish or play
};

struct link_end {
  base::error reason;
  std::optional<rtmp::status> refused;  // the server's own words when it said no
  bool was_running = false;             // publish or play had been accepted
  std::string redirect;                 // where the server sends us instead, as it wrote it
  bool by_peer = false;                 // the server ended the connection: the reason may have its words
};

// Called on the io_context's thread, never from inside a call into the link, and not after close(). A handler may call
// anything of the link, and drop its share of it, from inside any of these.
class link_handler {
 public:
  virtual ~link_handler() = default;
  virtual void on_link_dialed() {}                             // transport up; facts() and story() are there
  virtual void on_link_connected() {}                          // NetConnection.Connect.Success
  virtual void on_link_started(const rtmp::status& /*info*/) {}  // Publish.Start, Play.Start
  virtual void on_link_frame(media::frame /*f*/) {}
  virtual void on_link_frames_done() {}                        // a burst of frames is over
  virtual void on_link_status(const rtmp::status& /*info*/) {}
  virtual void on_link_stream_ended() {}                       // the publisher left
  // The server asks for a new connection in place of this one; at any time after on_link_dialed.
  virtual void on_link_reconnect(const rtmp::reconnect_requested& /*wish*/) {}
  virtual void on_link_writable() {}                           // send_budget() is positive again
  virtual void on_link_down(const link_end& end) = 0;          // last call, once
};

class link final : private net::transport_handler, public std::enable_shared_from_this<link> {
 public:
  // Dials at once. `handler` must live until close() or on_link_down.
  static std::shared_ptr<link> open(boost::asio::io_context& io, link_target target, const link_settings& settings, link_handler& handler);
  ~link() override;

  [[nodiscard]] bool running() const { return running_ && !ending_ && !ended_; }
  // With which this publication may go on over another link; empty where the server gives none.
  [[nodiscard]] const std::string& resume_token() const noexcept { return resume_; }
  [[nodiscard]] const link_times& times() const noexcept { return times_; }
  [[nodiscard]] const net::dial_story& story() const noexcept { return story_; }
  [[nodiscard]] std::optional<net::transport_facts> facts() const;
  [[nodiscard]] std::size_t queued_bytes() const;  // more than 0 also while an end waits for its media to arrive
  [[nodiscard]] base::duration queue_age(base::instant now) const;
  [[nodiscard]] std::size_t send_budget() const;
  [[nodiscard]] bool gives_up_late() const;  // live profile: what comes too late to be seen is left out
  // "connected by quic (QUIC as asked): resolve 0.4 ms, quic handshake 12.0 ms, rtmp 25.1 ms, publish 25.3 ms"
  [[nodiscard]] std::string describe() const;

  void send(const media::frame& f);   // publisher, while running(); goes out with flush()
  void report(const rtmp::publisher_report& what);  // publisher; to servers that want it. Goes out with flush()
  void flush();
  void pause_receive(bool paused);
  // Looks at nothing that comes from now on: it is counted in facts() and acknowledged now and then. RTMP over plain TCP; false: this link
  // cannot, and goes on as before.
  bool count_only();
  // The publication or play is over in order. The transport stays until close(), so that what is queued can take longer than a close
  // waits: call that when queued_bytes() is 0. Nothing but on_link_down is called from here on.
  void end();
  void close();                       // flushes what is queued, no more callbacks

 private:
  link(boost::asio::io_context& io, link_target target, const link_settings& settings, link_handler& handler);
  void dial();
  void on_dialed(std::variant<net::dialed, net::dial_failure> outcome);
  void turn();
  void handle(rtmp::connected& e);
  void handle(rtmp::started& e);
  void handle(rtmp::status_received& e);
  void handle(rtmp::stream_ended& e);
  void handle(rtmp::rejected& e);
  void handle(rtmp::reconnect_requested& e);
  void handle(rtmp::frame_received& e);
  void handle(rtmp::closed& e);
  void hand_on_merged();
  void arm_timer();
  void on_timer();
  void acknowledge_counted(base::instant now);
  void apply_pause();
  void hold_for_replies();
  void down(base::error reason);
  [[nodiscard]] std::string waiting_for() const;
  [[nodiscard]] std::chrono::microseconds since_open() const;

  void on_receive(base::bytes_view bytes) override;
  void on_receive_done() override;
  void on_stream_receive(std::int64_t stream, base::bytes_view bytes, bool fin) override;
  void on_stream_reset(std::int64_t stream, std::uint64_t code) override;
  void on_groups_flushed() override;
  void on_writable() override;
  void on_closed(const net::close_info& info) override;
  void on_path_changed(const std::string& remote, std::chrono::milliseconds gap) override;

  boost::asio::io_context& io_;
  link_target target_;
  link_settings settings_;
  link_handler* handler_;             // null after close()
  boost::asio::cancellation_signal cancel_dial_;
  bool dialing_ = false;
  net::transport_ptr transport_;
  std::optional<rtmp::client_session> session_;
  boost::asio::steady_timer timer_;
  base::instant timer_due_ = base::instant::max();
  base::instant opened_;
  base::instant start_deadline_ = base::instant::max();
  base::instant acknowledge_due_ = base::instant::max();  // count_only()
  std::optional<stall_watch> stall_;  // once it runs
  net::dial_story story_;
  link_times times_;
  std::optional<rtmp::status> refused_;
  std::optional<base::error> refusal_;
  std::string redirect_;
  std::string resume_;
  track_merge merge_;                 // of a player with groups
  std::uint64_t bytes_received_ = 0;
  std::size_t replies_unsent_ = 0;    // at most so many of the transport's queued bytes are replies
  bool paused_by_owner_ = false, held_for_replies_ = false;
  unsigned round_trips_ = 0;
  bool sent_since_receive_ = false;
  bool pulled_from_ = false;          // the transport knows the session's groups
  bool shakes_hands_ = true;          // RTMP's own handshake; RoQR has none
  bool received_frame_ = false;
  bool running_ = false;
  bool in_turn_ = false;
  bool ending_ = false;               // end() was called
  bool ended_ = false;                // down() ran, or close()
  bool closed_by_peer_ = false;
};

using link_ptr = std::shared_ptr<link>;

// What net::dial is asked for: the table of the protocol's section 1.
net::dial_target dial_target_of(const rtmp::uri& uri, const net::verify_options& verify);

// Unpredictable bits for handshakes and jitter.
std::uint64_t random_bits();

}  // namespace millrace::client
