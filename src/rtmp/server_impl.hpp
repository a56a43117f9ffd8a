// The inside of server_session, shared by the files that implement it by concern: server_session.cpp (life, time), server_connect.cpp
// (connection commands), server_stream.cpp (publish, play, media).
#pragma once
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/fifo.hpp"
#include "rtmp/framing.hpp"
#include "rtmp/command.hpp"
#include "rtmp/media_message.hpp"
#include "rtmp/session.hpp"
#include "rtmp/unsent_replies.hpp"

namespace millrace::rtmp {

class server_session::impl {
 public:
  impl(const server_config& config, base::instant now, random_seed seed);

  enum class phase : unsigned char { handshaking, connect_pending, connected, closed };
  // What a message stream is used for. A pending use waits for the driver's answer.
  enum class use : unsigned char { idle, publish_pending, publishing, play_pending, playing };

  struct message_stream {
    use used = use::idle;
    std::string name;   // without its query
    bool reset = true;  // play: NetStream.Play.Reset is wanted
    bool was_used = false;  // media that still comes is late, not early
    bool audio = true, video = true, paused = false;
    bool recorded = false;  // playing
    base::instant last_media{};  // publishing
    frame_builder frames;
  };

  // server_session.cpp
  void receive(base::instant now, base::bytes_view bytes);
  void receive_stream(base::instant now, std::int64_t stream, base::bytes_view bytes, bool fin);
  void on_stream_reset(base::instant now, std::int64_t stream);
  void on_groups_flushed(base::instant now);
  void excuse_silence(base::instant now);
  void on_unsent(std::size_t bytes);
  void take_output(base::send_chain& into);
  void on_timer(base::instant now);
  std::optional<base::instant> poll_timeout() const;
  // Ends everything. With `tell`, a connected peer gets the reason as NetConnection.Connect.Closed first.
  void fail(base::error why, bool tell = true);

  // server_connect.cpp
  void accept_connect();
  void reject_connect(const status& why, const std::string& redirect = {});
  bool request_reconnect(const std::string& tc_url, const std::string& description);

  // server_stream.cpp
  void accept_publish(std::uint32_t msid, const std::string& resume);
  void reject(std::uint32_t msid, use pending, const status& why);
  void accept_play(std::uint32_t msid, bool recorded);
  void finish_seek(std::uint32_t msid, const base::result<std::int64_t>& at_ms);
  void complete_play(std::uint32_t msid);
  void tell_length(double transaction, double seconds);
  void notify(std::uint32_t msid, bool publishing);
  void notify_play(std::uint32_t msid, const status& what);
  void end_by_server(std::uint32_t msid, use active, const status& why);
  void send(base::instant now, std::uint32_t msid, const media::frame& frame, const base::shared_chain& wire);

  phase phase_ = phase::handshaking;
  base::fifo<server_event> events_;
  // Frames that came before any of the events: a fraction of an event's size, and nearly all that a publisher's connection ever says.
  base::fifo<frame_received> frames_;
  std::unique_ptr<framing> framing_;
  std::uint64_t media_dropped_ = 0;
  peer_capabilities peer_;
  extension extension_;  // the peer's

 private:
  struct reconnect_wish {
    std::string tc_url, description;
  };
  // server_session.cpp
  void take_messages(base::bytes_view bytes);
  void on_message(message&& m);
  bool charge();
  void hold(message&& m, bool media);
  void drain_held();
  [[nodiscard]] std::optional<base::instant> idle_deadline() const;
  void mark_unused();
  void mark_refused() { refused_at_ = now_; }
  void end_has_left(std::size_t waited, base::instant now);
  [[nodiscard]] bool in_use() const;
  void notice(std::string_view kind, std::string text);
  void write_status(std::uint32_t msid, std::string_view level, std::string_view code, std::string_view description);

  // server_connect.cpp
  void on_command(const message& m);
  void on_connect(const command& c);
  void on_connection_command(const command& c);
  void on_create_stream(const command& c);
  void answer(const command& c, const amf0::value& value);
  void write_connect_result();

  // server_stream.cpp
  void on_publish(const command& c);
  void on_play(const command& c);
  void on_play2(const command& c);
  void request_play(const command& c, const std::string& name, double start, bool reset);
  void on_pause(const command& c);
  void on_seek(const command& c);
  void on_receive_track(const command& c, bool audio);
  void on_unpublish_name(const command& c);
  void on_delete_stream(const command& c);
  void end_use(std::uint32_t msid, message_stream& s);
  void on_media(message&& m);
  void emit(std::uint32_t msid, media::frame&& f);
  void on_media_without_publication(const message& m, const message_stream* s);
  [[nodiscard]] bool is_readable(const message& data);
  message_stream* find(std::uint32_t msid);

  server_config config_;
  base::instant started_;
  base::instant now_;

  // connect
  double connect_transaction_ = 0;
  std::optional<reconnect_wish> reconnect_wish_;  // of a driver that could not wait for connect
  std::vector<std::string> noticed_;              // kinds that were told

  std::map<std::uint32_t, message_stream> streams_;
  std::uint32_t next_msid_ = 1;
  std::vector<std::uint32_t> free_msids_;  // deleted ones, to be used again so that most players sit on wire_msid

  // One request waits for the driver at a time, so that answers cannot be mistaken; what must come after it waits here.
  bool request_pending_ = false;
  bool draining_ = false;
  base::fifo<message> held_;
  std::size_t held_bytes_ = 0;
  // RoQR: media on streams of its own may overtake the publish that it belongs to.
  std::vector<message> early_;
  std::size_t early_bytes_ = 0;

  unsent_replies unsent_;
  // Token bucket of commands.
  double tokens_;
  base::instant tokens_at_;

  base::instant unused_since_;  // connected, or its last use ended; a refusal does not put it off
  std::optional<base::instant> refused_at_;  // since then
};

}  // namespace millrace::rtmp
