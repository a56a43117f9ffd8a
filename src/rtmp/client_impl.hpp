// The inside of client_session: client_session.cpp (life, time, media), client_commands.cpp (the dialogue).
#pragma once
#include <memory>
#include <string>

#include "base/fifo.hpp"
#include "rtmp/framing.hpp"
#include "rtmp/command.hpp"
#include "rtmp/media_message.hpp"
#include "rtmp/session.hpp"

namespace millrace::rtmp {

class client_session::impl {
 public:
  impl(client_config config, base::instant now, random_seed seed);

  enum class phase : unsigned char {
    handshaking,  // until S2 is there
    connecting,   // connect was sent
    opening,      // connect was answered, createStream and publish or play are on their way
    running,      // started was emitted (connect_only: connected)
    closed,
  };

  // client_session.cpp
  void receive(base::instant now, base::bytes_view bytes);
  void skip_received(base::instant now, std::size_t count);
  void receive_stream(base::instant now, std::int64_t stream, base::bytes_view bytes, bool fin);
  void on_stream_reset(base::instant now, std::int64_t stream);
  void on_timer(base::instant now);
  std::optional<base::instant> poll_timeout() const;
  void send(const media::frame& frame);
  void report(const publisher_report& what);
  void end();
  void fail(base::error why);

  phase phase_ = phase::handshaking;
  std::uint32_t msid_ = 0;
  base::fifo<client_event> events_;
  std::unique_ptr<framing> framing_;
  peer_capabilities server_;
  extension extension_;  // the server's

 private:
  // client_session.cpp
  void take_messages(base::bytes_view bytes);
  void begin_if_ready();
  void on_message(const message& m);
  void on_user_control(const message& m);
  void on_media(const message& m);
  void write_media(const media::frame& frame);
  void reject(const status& info, const amf0::value* object);
  void begin_running(const status& info, std::string resume = {});
  void mark_stream_ended();

  // client_commands.cpp
  void write_connect();
  void write_create_stream();
  void write_start();
  void on_command(const message& m);
  void on_result(const command& c);
  void on_error(const command& c);
  void on_status(const command& c);

  client_config config_;
  base::instant now_;
  base::instant deadline_;  // of the step under way, until running
  // Transaction ids; 0 = not sent.
  double create_stream_sent_ = 0;
  double start_sent_ = 0;
  bool created_ = false;            // createStream was answered
  std::uint32_t guessed_msid_ = 0;  // publish or play was sent for it before that
  bool stream_ended_ = false;  // stream_ended was emitted and nothing came since
  frame_builder frames_;
  std::uint64_t dropped_ = 0;
};

}  // namespace millrace::rtmp
