// RTMP sessions without I/O: bytes and time in, events and bytes out. Server and client role.
//
// Both classes have the four kinds of method of ARCHITECTURE.md, in this order: getters; what happened
// (`receive`, `on_timer`); commands; what to do (`poll_event`, `poll_output`, `poll_timeout`).
// The driver's loop after anything that happened: drain poll_event (answering as it goes), then hand poll_output to
// the transport, then re-arm its timer with poll_timeout.
// What came behind a request may have ended the session before the driver sees it: an answer then does nothing, and the request ends
// once like one that was granted.
// Commands count as given at the time of the last receive or on_timer: call on_timer(now) before an answer that took a while.
// Never blocks, reads no clock, allocates by bytes received. One thread. A session that failed emits `closed` once
// and ignores everything after it; output queued before (an onStatus that says why) is still to be flushed.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/group_source.hpp"
#include "base/limits.hpp"
#include "base/result.hpp"
#include "base/send_chain.hpp"
#include "base/time.hpp"
#include "media/frame.hpp"
#include "rtmp/capabilities.hpp"
#include "rtmp/extension.hpp"
#include "rtmp/roqr_frame.hpp"
#include "rtmp/wire_image.hpp"

namespace millrace::rtmp {

class group_receiver;  // rtmp/group_receiver.hpp
class group_sender;    // rtmp/group_sender.hpp

// 8 bytes and more of anything unpredictable: seeds the handshake's random part (RTMP 1.0 section 5.2.3). Passed in,
// because this layer owns no random source.
using random_seed = std::uint64_t;

// How messages travel under a session; the transport's ALPN decides.
enum class framing_kind : unsigned char {
  chunks,  // RTMP 1.0: handshake, then chunks, on one reliable byte pipe
  roqr,    // RoQR draft: frames on QUIC streams, no handshake
};

// level/code/description of an onStatus or _error information object (RTMP 1.0 section 7.2.2).
struct status {
  std::string level;  // "status", "warning", "error"
  std::string code;   // "NetStream.Publish.Start", …
  std::string description;
};

// ---- events of both roles -------------------------------------------------------------------------------------

// A media or data message of a stream that was accepted. dts_ms is widened per message stream.
struct frame_received {
  std::uint32_t msid = 0;
  media::frame frame;
};
// The session is over; nothing further will be emitted. kind `closed` means that the peer ended it in order.
struct closed {
  base::error reason;
};

// ---- server -----------------------------------------------------------------------------------------------------

struct connect_requested {  // answer with accept_connect or reject_connect
  std::string app;          // as sent, without its query ("live")
  std::string query;        // of the app or of tcUrl's app part, without '?'
  std::string tc_url;       // as sent
  std::string flash_ver;
  std::string page_url;
  std::string swf_url;
  std::string type;         // "nonprivate" from encoders
  double object_encoding = 0;   // answered with 0 whatever it is: we speak AMF0
  double audio_codecs = 0, video_codecs = 0;  // masks of RTMP 1.0 section 7.2.1.1
  double flash_capabilities = 0;
  bool fpad = false;
  bool digest_handshake = false;
  peer_capabilities capabilities;  // of E-RTMP; server_session::peer() keeps them
};
struct publish_requested {  // answer with accept_publish or reject_publish
  std::uint32_t msid = 0;
  std::string name;         // without its query
  std::string query;        // without '?'
  std::string type;         // "live", "record", "append"
};
struct play_requested {     // answer with accept_play or reject_play
  std::uint32_t msid = 0;
  std::string name;
  std::string query;
  double start = -2;        // RTMP 1.0 section 7.2.2.1: -2 live or recorded, -1 live only, >= 0 recorded
};
struct publish_ended { std::uint32_t msid = 0; };  // FCUnpublish, closeStream, deleteStream or the end of the session; once
struct play_ended { std::uint32_t msid = 0; };     // closeStream, deleteStream, or the end of the session; once
struct pause_requested { std::uint32_t msid = 0; bool pause = false; };  // already answered
struct seek_requested { std::uint32_t msid = 0; std::int64_t to_ms = 0; };  // of a recording; answer with finish_seek
// How long a stream is, before it is played; answer with tell_length.
struct length_requested {
  double transaction = 0;
  std::string name;
  std::string query;
};
struct publisher_reported { publisher_report report; };  // of the connection; some time ago by its way here
struct receive_changed { std::uint32_t msid = 0; bool audio = true; bool video = true; };
// Something odd that is tolerated and worth one line in a log. Each kind of it once per session.
struct noticed { std::string text; };

using server_event = std::variant<connect_requested, publish_requested, play_requested, publish_ended, play_ended,
                                  pause_requested, seek_requested, length_requested, publisher_reported, receive_changed, noticed, frame_received, closed>;

struct server_config {
  framing_kind framing = framing_kind::chunks;
  bool groups = true;  // RoQR: offer the live profile to peers that know it
  bool recordings = false;  // there may be some: length_requested is asked for, otherwise everything is live
  base::shared_limits limits;
  base::amf_limits amf;
  std::uint32_t window_acknowledgement_size = 5'000'000;  // bytes
};

class server_session {
 public:
  server_session(const server_config& config, base::instant now, random_seed seed);
  ~server_session();
  server_session(server_session&&) noexcept;
  server_session& operator=(server_session&&) noexcept;

  [[nodiscard]] bool is_closed() const;
  [[nodiscard]] bool connected() const;             // accept_connect was called
  [[nodiscard]] const peer_capabilities& peer() const;  // as announced in connect; empty before
  [[nodiscard]] const extension& peer_extension() const;
  [[nodiscard]] std::uint64_t bytes_received() const;
  [[nodiscard]] wire_format media_format() const;   // of the images that send() takes
  [[nodiscard]] std::uint64_t media_dropped() const;  // media for no accepted publication (P8)

  void receive(base::instant now, base::bytes_view bytes);
  // RoQR: bytes of another QUIC stream of the peer than the session's own, and its end.
  void receive_stream(base::instant now, std::int64_t stream, base::bytes_view bytes, bool fin);
  void on_stream_reset(base::instant now, std::int64_t stream);
  void on_groups_flushed(base::instant now);
  void set_round_trip(std::chrono::microseconds smoothed);  // of the transport; now and then
  // The driver does not read: until now the peer's silence was not its own. Before each on_timer while that lasts, and when it is over.
  void excuse_silence(base::instant now);
  void on_timer(base::instant now);
  // Of the output that was taken, so many bytes have not left. Too many replies among them, and the session ends. To be said after each
  // hand-over to a transport: a driver that does not has no bound on what a peer leaves unread.
  void on_unsent(std::size_t bytes);
  // The transport says that the peer is gone: emits what is still to end, then `closed`.
  void on_transport_closed(base::error why);

  void accept_connect();
  // _error, then the session closes; also before connect came. With `redirect`, the tcUrl of the server to try instead.
  void reject_connect(status why, const std::string& redirect = {});
  // StreamBegin, NetStream.Publish.Start; `resume`: the token with which a peer that knows it may come back (live profile, "Resume").
  void accept_publish(std::uint32_t msid, const std::string& resume = {});
  void reject_publish(std::uint32_t msid, status why);
  void accept_play(std::uint32_t msid);              // StreamBegin, Play.Reset, Play.Start, RtmpSampleAccess, Data.Start
  void accept_play_recorded(std::uint32_t msid);     // the same behind StreamIsRecorded; it may be sought, and ends with complete_play
  // Where it goes on, or why not. Nothing of before it may be sent after that.
  void finish_seek(std::uint32_t msid, base::result<std::int64_t> at_ms);
  void complete_play(std::uint32_t msid);            // the end of a recording: onPlayStatus NetStream.Play.Complete, StreamEOF, NetStream.Play.Stop
  void tell_length(double transaction, double seconds);  // 0: live, or not known
  void reject_play(std::uint32_t msid, status why);
  // The publisher of the stream that msid plays left / came back: onStatus UnpublishNotify / PublishNotify, StreamEOF / StreamBegin.
  void notify_unpublish(std::uint32_t msid);
  void notify_publish(std::uint32_t msid);
  void notify_play(std::uint32_t msid, status what);  // another onStatus to a player, e.g. NetStream.Play.InsufficientBW
  void end_play(std::uint32_t msid, status why);     // e.g. NetStream.Play.Stop; the connection lives on
  void end_publish(std::uint32_t msid, status why);  // the server takes the name away
  // Asks the client to come back over a new connection and to end this one (E-RTMP v2 "Reconnect Request"); where to, an absolute or
  // relative URI, or empty: where it is now. False: it did not announce that it can, and was not asked. Before the answer to
  // connect the wish is remembered and goes out with it.
  bool request_reconnect(const std::string& tc_url, const std::string& description);
  // Sends one frame to a player. `wire` is the frame's shared image in media_format() for wire_msid, or null; it is used when it
  // fits and encoded anew otherwise.
  void send(base::instant now, std::uint32_t msid, const media::frame& frame, const base::shared_chain& wire);
  void close(base::error why);

  std::optional<server_event> poll_event();
  // The next event if that is a frame, at less cost; poll_event() gives it as well. Nothing means only that it has to be asked.
  std::optional<frame_received> poll_frame();
  base::send_chain poll_output();
  void take_output(base::send_chain& into);  // the same, behind what `into` has: without allocating, where memory is reused
  std::optional<stream_stop> poll_stop();  // RoQR: STOP_SENDING that the transport is to send
  // Live profile: the end of a publication or a play goes out behind its media, which may still be under way. So many messages wait for
  // that; before the transport is closed they can be let go.
  [[nodiscard]] std::size_t waiting_behind_media() const;
  void release_behind_media();
  // Live profile: what the transport is to pull media from, from the time that this is not null. Lives as long as the session.
  [[nodiscard]] group_sender* groups() const;
  [[nodiscard]] bool wants_pull() const;  // there is something in them, or behind them: transport::pull()
  [[nodiscard]] const group_receiver* group_reception() const;  // live profile: its counters, and what it holds
  std::optional<base::instant> poll_timeout() const;

 private:
  class impl;
  std::unique_ptr<impl> impl_;
};

// ---- client -----------------------------------------------------------------------------------------------------

enum class client_role : unsigned char { publish, play, connect_only };

struct client_config {
  framing_kind framing = framing_kind::chunks;
  // RoQR: ask for the live profile, or its variant that gives nothing up.
  bool groups = true;
  bool reliable = false;
  std::string resume;       // token of the publication that is to go on
  std::string fell_back;    // why the transport is no QUIC although QUIC was wished for; a server that knows it shows it
  client_role role = client_role::publish;
  std::string app;          // as it goes into connect, query included if the URI had one there
  std::string tc_url;
  std::string stream_name;  // as it goes into publish/play, query included
  std::string flash_ver;    // empty: "FMLE/3.0 (compatible; millrace/…)" for publishers, "LNX 9,0,124,2" form for players
  // Send createStream behind connect without waiting for its answer (protocol.md 3). Saves a round trip; every server
  // reads commands in order, but old ones with asynchronous authentication may not like it: the dialler's choice.
  // In RoQR publish and play go out in the same flight as well, for the message stream that the server is expected to hand out first; they
  // are sent again if it chose another.
  bool pipeline = true;
  bool digest_handshake = false;
  base::shared_limits limits;
  base::amf_limits amf;
  double play_start = -2;
  std::uint32_t buffer_ms = 1000;   // SetBufferLength sent by players
  // What connect announces. Who passes a stream on to another peer announces what that one can.
  peer_capabilities capabilities = own_capabilities();
};

struct connected {};                                   // NetConnection.Connect.Success
struct started {  // NetStream.Publish.Start / NetStream.Play.Start
  std::uint32_t msid = 0;
  status info;
  std::string resume;  // a token with which this publication may go on over another connection; empty: the server gives none
};
struct status_received { std::uint32_t msid = 0; status info; };  // any other onStatus while running (UnpublishNotify, …)
struct stream_ended { std::uint32_t msid = 0; };       // StreamEOF or Play.Stop: the publisher left; may come back
// The server said no: kind is denied, busy, not_found, unsupported or protocol by the code and text it sent. `closed` follows.
struct rejected {
  status info;
  base::error reason;
  std::string redirect;  // where the server sends us instead (`ex` with code 302), as it wrote it; empty: nowhere
};
// The server wishes to be rid of this connection (E-RTMP v2 "Reconnect Request"). It may come at any time, also before `connected`; the
// session goes on as if nothing had been said.
struct reconnect_requested {
  std::string tc_url;  // absolute, relative or empty, as sent
  std::string description;
};

using client_event =
    std::variant<connected, started, status_received, stream_ended, rejected, reconnect_requested, frame_received, closed>;

class client_session {
 public:
  client_session(client_config config, base::instant now, random_seed seed);
  ~client_session();
  client_session(client_session&&) noexcept;
  client_session& operator=(client_session&&) noexcept;

  [[nodiscard]] bool is_closed() const;
  [[nodiscard]] bool running() const;                   // started was emitted
  [[nodiscard]] std::uint32_t msid() const;             // valid once running
  [[nodiscard]] std::uint64_t bytes_acknowledged() const;  // last Acknowledgement of the peer, widened
  [[nodiscard]] const peer_capabilities& server() const;   // as answered to connect; empty where nothing was
  [[nodiscard]] const extension& server_extension() const;
  [[nodiscard]] std::size_t reply_bytes() const;           // written as replies since the last poll_output

  void receive(base::instant now, base::bytes_view bytes);
  // Bytes came that are nothing but counted and acknowledged: from then on receive() understands nothing any more.
  void skip_received(base::instant now, std::size_t count);
  // RoQR: bytes of another QUIC stream of the peer than the session's own, and its end.
  void receive_stream(base::instant now, std::int64_t stream, base::bytes_view bytes, bool fin);
  void on_stream_reset(base::instant now, std::int64_t stream);
  void on_groups_flushed(base::instant now);
  void set_round_trip(std::chrono::microseconds smoothed);  // of the transport; now and then
  void on_timer(base::instant now);
  void on_transport_closed(base::error why);

  void send(const media::frame& frame);                 // publisher; a data frame named onMetaData goes out with @setDataFrame
  void report(const publisher_report& what);            // publisher; goes to servers that want it, to others nothing
  void end();                                           // FCUnpublish + deleteStream (publisher), deleteStream (player); flush, then close the transport
  void close(base::error why);

  std::optional<client_event> poll_event();
  base::send_chain poll_output();
  std::optional<stream_stop> poll_stop();  // RoQR: STOP_SENDING that the transport is to send
  // Live profile: the end of a publication or a play goes out behind its media, which may still be under way. So many messages wait for
  // that; before the transport is closed they can be let go.
  [[nodiscard]] std::size_t waiting_behind_media() const;
  void release_behind_media();
  // Live profile: what the transport is to pull media from, from the time that this is not null. Lives as long as the session.
  [[nodiscard]] group_sender* groups() const;
  [[nodiscard]] bool wants_pull() const;  // there is something in them, or behind them: transport::pull()
  [[nodiscard]] const group_receiver* group_reception() const;  // live profile: its counters, and what it holds
  std::optional<base::instant> poll_timeout() const;

 private:
  class impl;
  std::unique_ptr<impl> impl_;
};

}  // namespace millrace::rtmp
