// The two ends of one publish or play inside the bridge. Internal to bridge*.cpp.
#pragma once
#include <boost/asio/steady_timer.hpp>
#include <map>
#include <memory>
#include <string>

#include "client/bridge.hpp"
#include "client/line.hpp"
#include "client/pacing.hpp"
#include "rtmp/session.hpp"

namespace millrace::client {

// One local RTMP program.
class bridge_connection final : public net::transport_handler, public std::enable_shared_from_this<bridge_connection> {
 public:
  bridge_connection(bridge& owner, net::transport_ptr transport);
  void start();
  void stop(const std::string& why);

  // For flows; msid is the local one. turn() must follow a batch of these.
  rtmp::server_session& session() { return session_; }
  [[nodiscard]] bool closed() const { return !transport_; }
  [[nodiscard]] std::size_t queued_bytes() const { return transport_ ? transport_->queued_bytes() : 0; }
  [[nodiscard]] base::duration queue_age(base::instant now) const { return transport_ ? transport_->oldest_queued_age(now) : base::duration::zero(); }
  [[nodiscard]] const std::string& remote() const { return remote_; }
  [[nodiscard]] bool pushing_back() const { return paused_; }
  void turn();
  void update_push_back();
  void flow_over(std::uint32_t msid) { flows_.erase(msid); }

 private:
  void on_receive(base::bytes_view bytes) override;
  void on_receive_done() override;
  void on_writable() override;
  void on_closed(const net::close_info& info) override;

  void handle(rtmp::connect_requested& e);
  void handle(rtmp::publish_requested& e);
  void handle(rtmp::play_requested& e);
  void handle(rtmp::publish_ended& e);
  void handle(rtmp::play_ended& e);
  void handle(rtmp::pause_requested& e);
  void handle(rtmp::seek_requested&) {}    // neither is ever asked of what is live
  void handle(rtmp::length_requested&) {}
  void handle(rtmp::noticed& e);
  void handle(rtmp::publisher_reported&) {}  // what waits in front of the bridge is on this machine
  void handle(rtmp::receive_changed&) {}  // the remote server sends both; a local player that wants one ignores the other
  void handle(rtmp::frame_received& e);
  void handle(rtmp::closed& e);
  void open_flow(std::uint32_t msid, bool publishing, std::string name, std::string query);
  void end_flow(std::uint32_t msid);
  void handle_events();
  void flush();
  void arm_timer();
  void finish();

  bridge& owner_;
  net::transport_ptr transport_;  // null once finished
  rtmp::server_session session_;
  boost::asio::steady_timer timer_;
  base::instant timer_due_ = base::instant::max();
  std::string remote_;
  std::string app_, app_query_;
  std::map<std::uint32_t, std::shared_ptr<bridge_flow>> flows_;
  bool in_turn_ = false;
  bool paused_ = false;
};

// One publish or play, with its remote session. Comes back by itself when the remote is lost after it had been accepted.
class bridge_flow final : public line_handler, public std::enable_shared_from_this<bridge_flow> {
 public:
  bridge_flow(bridge& owner, bridge_connection& local, std::uint32_t msid, bool publishing, bridge_target target);

  void open();
  void push(media::frame f);     // publisher: from the local program
  void flush();                  // … after a burst
  void set_paused(bool paused);  // player: the local program paused
  void update_player();          // player: follow the local program's pace
  // The local side is over: what is queued still goes out, then the flow forgets itself.
  void detach();
  void abandon();                // at once
  [[nodiscard]] bool publishing() const { return publishing_; }
  [[nodiscard]] base::duration queue_age(base::instant now) const;
  [[nodiscard]] bool gives_up_late() const { return line_ && line_->gives_up_late(); }
  [[nodiscard]] std::size_t queue_bytes() const;
  [[nodiscard]] bridge_flow_report report() const;

 private:
  void on_line_up() override;
  void on_line_lost(const base::error& why, std::chrono::milliseconds wait) override;
  void on_line_frame(media::frame f) override;
  void on_line_frames_done() override;
  void on_line_jump() override;
  void on_line_status(const rtmp::status& info) override;
  void on_line_words(const std::string& text) override;
  void on_line_stream_ended() override;
  void on_line_writable() override;
  void on_line_down(const link_end& end) override;
  void drain();
  void tick();
  void refuse(const link_end& end);
  void finish();
  [[nodiscard]] const char* what() const { return publishing_ ? "publish" : "play"; }

  bridge& owner_;
  bridge_connection* local_;     // null once detached
  const std::uint32_t msid_;
  const bool publishing_;
  bridge_target target_;
  std::string name_;             // for people: the URL without its key
  line_ptr line_;
  publish_queue queue_;
  output_clock clock_;
  boost::asio::steady_timer tick_timer_;
  bool accepted_ = false;        // the local program was told Start
  bool player_paused_ = false;
  bool receive_paused_ = false;
  bool ending_ = false;
  bool finished_ = false;
  base::instant detached_at_{};
  std::uint64_t frames_ = 0, bytes_ = 0;
  std::string local_address_;
};

}  // namespace millrace::client
