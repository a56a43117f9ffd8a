// One publication or play that stays, over links that come and go: follows redirects, answers a server that wants user and password,
// comes back after a loss, and moves to a new link when the server asks for it (E-RTMP v2 "Reconnect Request").
#pragma once
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "client/link.hpp"
#include "client/progress.hpp"
#include "client/publish_queue.hpp"
#include "client/rate_advice.hpp"
#include "client/resume_file.hpp"
#include "client/retry.hpp"
#include "client/splice.hpp"
#include "client/stream_heads.hpp"
#include "client/words_ration.hpp"

namespace millrace::client {

struct line_options {
  link_target target;  // where the person wants to go
  link_settings link;
  std::string what;          // begins log lines: "publishing to rtmp://…"
  bool reconnect = true;     // after the loss of a session that had been running
  bool keep_trying = false;  // also while the first one does not come up
  std::string resume_file = {};  // publishers: keeps the ticket of the publication while that has not ended in order; none: empty
};

// Called on the io_context's thread, never from inside a call into the line, and not after close(). A handler may call
// anything of the line, and drop its share of it, from inside any of these.
class line_handler {
 public:
  virtual ~line_handler() = default;
  // A session begins: the first, or another after a loss. A move is nothing that a publisher has to know of.
  virtual void on_line_up() {}
  // The session is lost; the line comes back by itself after `wait`.
  virtual void on_line_lost(const base::error& /*why*/, std::chrono::milliseconds /*wait*/) {}
  virtual void on_line_frame(media::frame /*f*/) {}
  virtual void on_line_frames_done() {}
  virtual void on_line_jump() {}  // a move of a player: the frames from here on have times of their own
  virtual void on_line_status(const rtmp::status& /*info*/) {}
  // What the server says, for a log: code and description, escaped and without secrets, and not more of it than a person can follow.
  virtual void on_line_words(const std::string& /*text*/) {}
  virtual void on_line_stream_ended() {}
  virtual void on_line_writable() {}
  virtual void on_line_down(const link_end& end) = 0;  // for good; last call, once
};

// One thread: the io_context's.
class line final : public std::enable_shared_from_this<line> {
 public:
  // Dials at once. `handler` must live until close() or on_line_down.
  static std::shared_ptr<line> open(boost::asio::io_context& io, line_options options, line_handler& handler);
  ~line();

  [[nodiscard]] bool running() const;
  [[nodiscard]] unsigned sessions() const noexcept { return sessions_; }  // that began, moves not counted
  [[nodiscard]] unsigned moves() const noexcept { return moves_; }
  [[nodiscard]] bool waiting_to_retry() const noexcept { return retry_at_ != base::instant{}; }
  [[nodiscard]] const std::string& last_error() const noexcept { return last_error_; }
  [[nodiscard]] std::size_t queued_bytes() const;
  [[nodiscard]] base::duration queue_age(base::instant now) const;
  [[nodiscard]] std::size_t send_budget() const;
  [[nodiscard]] bool gives_up_late() const;  // as link
  [[nodiscard]] const std::string& transport() const noexcept { return transport_; }  // "quic"; empty while there is none
  [[nodiscard]] const std::string& why() const noexcept { return why_; }              // "QUIC as asked"
  // Fills what a line knows: transport, round trip time, loss, reconnects, the wait and the last error; from the queue_age that is there,
  // what the encoder may send.
  void report(progress& into, base::instant now);

  // Publishers, while running(). Frames go out with flush(). A frame that a decoder can start at may go over a new link; then
  // metadata and configurations go ahead of it.
  void send(const media::frame& f);
  void flush();
  // Sends from the queue as far as the transport's budget reaches; `sent` hears of every frame. The server hears once a second how old what is
  // left is, or what the link still has.
  void drain(publish_queue& queue, const std::function<void(const media::frame&)>& sent);
  void pause_receive(bool paused);
  // As link::end and link::close.
  void end();
  void close();

 private:
  // Where an attempt goes.
  struct place {
    rtmp::uri uri;
    std::string app_query;
    std::string login_query;  // of the user and password dialogue: good for one connect
  };
  struct seat;  // a link, and what the line hears from it

  line(boost::asio::io_context& io, line_options options, line_handler& handler);

  // line.cpp: one session after another
  std::shared_ptr<seat> sit_down(place at);
  void retire(std::shared_ptr<seat>& which);
  void on_started(seat& s);
  void on_lost(const link_end& end);
  void begin_session();
  void tell_server(const publish_queue& queue);
  void look_at_link();
  void keep_ticket();
  void retry(const base::error& why, place at);
  void down(const link_end& end);
  std::optional<base::result<place>> answer_to(const place& from, const link_end& end);

  // line_move.cpp: from one link to the next while both are up
  void wish_to_move(seat& s, const rtmp::reconnect_requested& wish);
  void warn(const std::string& text);  // of what a server can bring about as often as it likes
  void begin_move();
  void give_up_move();
  void on_next_started();
  void on_next_down(const link_end& end);
  void on_next_frame(media::frame f);
  void move_before_connecting(const base::error& why);
  void switch_publisher(const media::frame& first);
  void switch_player();
  void promote();
  [[nodiscard]] bool is_start(const media::frame& f) const;

  boost::asio::io_context& io_;
  line_options options_;
  line_handler* handler_;  // null after close() and on_line_down
  std::shared_ptr<seat> current_;
  std::shared_ptr<seat> next_;  // of a move that is under way
  std::optional<rtmp::auth_dialogue> login_;
  backoff backoff_, move_backoff_;
  boost::asio::steady_timer retry_timer_, move_timer_;
  base::instant retry_at_{};
  base::instant up_since_{}, told_{};
  unsigned sessions_ = 0, moves_ = 0;
  unsigned hops_ = 0;  // redirects and moves in a row
  std::string transport_, why_, last_error_;
  words_ration ration_;
  loss_meter loss_;
  rate_meter sent_rate_;
  rate_advice advice_;
  std::optional<resume_ticket> ticket_;  // live profile, "Resume": what the present publication may go on with
  bool ending_ = false;
  bool receive_paused_ = false;

  std::optional<place> moving_to_;
  bool next_ready_ = false;
  bool stream_left_ = false;  // the stream of the old link ended while the new one was on its way
  bool sent_video_ = false;
  stream_heads heads_;  // publisher: what was sent
  splice splice_;       // player
};

using line_ptr = std::shared_ptr<line>;

}  // namespace millrace::client
