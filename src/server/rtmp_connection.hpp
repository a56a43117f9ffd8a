// One RTMP peer of the server: the one file that knows net, rtmp and hub.
#pragma once
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "net/transport.hpp"
#include "rtmp/session.hpp"
#include "server/access.hpp"
#include "server/config.hpp"
#include "server/facts.hpp"
#include "server/fan_out.hpp"
#include "server/hooks.hpp"
#include "server/publish_keys.hpp"
#include "server/reason_log.hpp"
#include "server/resume.hpp"
#include "server/shared_streams.hpp"
#include "server/recording_player.hpp"
#include "server/stream_history.hpp"

namespace millrace::server {

// What all connections of a shard share. Outlives them.
struct shard_context {
  boost::asio::io_context& io;
  const config& settings;
  shared_streams& streams;
  failure_guard& failures;
  allowance_register& allowances;
  reason_log& reasons;
  resume_register& resumes;
  fan_out& viewers;
  std::function<std::uint64_t()> random;
  std::function<std::uint64_t()> next_id;  // of connections, unique in this server: counted from 1, the remainder by the number of shards tells the shard
  publish_keys* keys = nullptr;  // null: none can be made
  hook_caller* hooks = nullptr;  // null: nobody is asked
  std::shared_ptr<const hook_settings> hook_set = {};  // whom it asks: replaced together with the access rules, so that nobody slips through between the two
  memory_watch* memory = nullptr;  // null: nobody counts
  std::string door_secret = {};    // of another process of ours (hand_over.hpp); empty: there is none
  bool stopping = false;  // whoever connects now is refused
  record::service* recordings = nullptr;         // null: there are none to play …
  boost::asio::thread_pool* readers = nullptr;   // … and with them, what reads them
  base::shared_limits limits = settings.rtmp;  // of all sessions
  base::send_chain scratch = {};  // of one viewer at a time: memory that need not be allocated for each
};

class rtmp_connection_player;  // rtmp_connection_player.hpp

// Life: made with a transport that was accepted at `came`, start(), … until `on_done` is called (posted, once); the owner then drops it. One thread.
// Bytes come in through transport_handler, frames go out by pulling from cursors as far as the transport's send budget
// reaches, so that whatever is not handed over can still be dropped as whole messages.
class rtmp_connection final : public net::transport_handler, public std::enable_shared_from_this<rtmp_connection> {
 public:
  rtmp_connection(shard_context& shard, net::transport_ptr transport, base::instant came, std::uint64_t id, std::function<void()> on_done);
  ~rtmp_connection() override;

  void start();
  // Ends in order: players are told, output is flushed within the transport's linger limit.
  void shut_down(const std::string& why);
  // Asks the peer to come back over a new connection; what it publishes may be taken over by that. False: it cannot do so.
  bool ask_to_reconnect(const std::string& tc_url, const std::string& why);
  [[nodiscard]] std::uint64_t id() const noexcept { return id_; }
  [[nodiscard]] connection_facts facts(base::instant at) const;
  // Once a second: little enough to be asked of thousands.
  void sample(base::instant at, stream_history& history) const;
  void count(std::map<std::string, protocol_count, std::less<>>& protocols) const;
  [[nodiscard]] net::traffic traffic() const { return transport_ ? transport_->traffic_so_far() : traffic_; }
  // An operator wants it gone.
  void kick();
  // Of a connection with viewers that does not take what it is sent: bytes that are kept for it.
  [[nodiscard]] std::uint64_t held_up() const;
  // Memory is needed for others.
  void give_way();

 private:
  friend class rtmp_connection_player;
  using player = rtmp_connection_player;

  void on_receive(base::bytes_view bytes) override;
  void on_receive_done() override;
  void on_stream_receive(std::int64_t stream, base::bytes_view bytes, bool fin) override;
  void on_stream_reset(std::int64_t stream, std::uint64_t code) override;
  void on_groups_flushed() override;
  void on_writable() override;
  void on_closed(const net::close_info& info) override;
  void on_path_changed(const std::string& remote, std::chrono::milliseconds gap) override;

  void turn();              // events, output, timer: after anything that happened
  void handle_events();
  void handle(rtmp::connect_requested& e);
  void handle(rtmp::publish_requested& e);
  void handle(rtmp::play_requested& e);
  void handle(rtmp::publish_ended& e);
  void handle(rtmp::play_ended& e);
  void handle(rtmp::pause_requested& e);
  void handle(rtmp::seek_requested& e);
  void handle(rtmp::length_requested& e);
  void handle(rtmp::publisher_reported& e);
  void handle(rtmp::receive_changed& e);
  void handle(rtmp::noticed& e);
  void handle(rtmp::frame_received& e);
  void handle(rtmp::closed& e);
  void let_go(std::uint32_t msid, bool to_anybody);
  void on_taken_over(std::uint32_t msid);
  void refuse_codec(player& viewer, std::uint32_t msid, const std::string& codec);
  void accept_publish(const rtmp::publish_requested& e, const std::string& name, const access_decision& by);
  void spend(std::uint32_t msid, std::size_t bytes);  // of what the publication's key allows
  void end_sessions(base::instant at);
  void end_spent(std::uint32_t msid, const std::string& why);
  // rtmp_connection_access.cpp
  [[nodiscard]] bool hooked(hook what) const { return shard_.hooks != nullptr && !shard_.hook_set->of(what).empty(); }
  [[nodiscard]] hook_question question(hook what) const;
  // For logs and events, until the back end has answered.
  [[nodiscard]] std::string unanswered_name(hook asked, const std::string& name) const;
  void ask(hook_question q, std::function<void(hook_answer&&)> then);
  void count_failure();
  void publish_decided(const rtmp::publish_requested& e, const access_decision& by, const hook_question& q, const hook_answer& answer);
  void play_decided(const rtmp::play_requested& e, const access_decision& by, const hook_question& q, const hook_answer& answer);
  void note_admission(std::uint32_t msid, const access_decision& by);
  void ask_again();  // what was allowed for an address that the peer has left
  [[nodiscard]] bool memory_refuses(std::uint32_t msid, const std::string& name, bool publishing);
  void refuse_publish(std::uint32_t msid, const std::string& name, const std::string& why, const std::string& told);
  void refuse_play(std::uint32_t msid, const std::string& name, const std::string& why, const std::string& told);
  void begin_visit(std::uint32_t msid, hook_question q);
  void tell_disconnect();
  void play(const rtmp::play_requested& e, const std::string& name);
  void refuse_later(std::uint32_t msid, std::string code, std::string why, bool publishing);
  void after_refusal(std::uint32_t msid, std::function<void()> answer);  // a second later, if it is still wanted
  void start_playing(std::uint32_t msid, const hub::cursor_policy& policy);
  void stop_playing(std::uint32_t msid);
  // rtmp_connection_recordings.cpp
  [[nodiscard]] std::optional<record::recording_facts> recording_for(const std::string& name, std::string_view query) const;
  bool plays_recording(const rtmp::play_requested& e, const std::string& name);  // false: this asks for what is live
  void pump_recordings();
  [[nodiscard]] std::size_t recordings_budget() const;
  [[nodiscard]] base::instant recordings_due() const;  // when there is something to send next
  struct played_recording;
  bool pump_recording(std::uint32_t msid, played_recording& one);  // false: it is over
  void end_waits(base::instant at);      // of players that no publisher came for
  void tell_losses(base::instant at);    // in the log and to the players
  void watch_progress(base::instant at);
  void pump();              // frames from cursors to the transport, as far as its budget reaches
  void flush();
  void drop_transport();    // with its bytes remembered
  void pull();              // live profile: the transport is told that there is something
  void arm_timer();
  void on_timer();
  void finish(net::close_code code, const std::string& why);
  // For the log of reasons: one stream, or all that this connection has to do with.
  void note(std::string_view stream, reason why, std::string_view detail) const;
  void note_all(reason why, const std::string& detail) const;
  void note_fallback(const std::string& stream) const;
  void note_end(const base::error& why);
  std::string offer_resume(std::uint32_t msid, const std::string& name);
  void leave_publications();
  void drop_streams();
  [[nodiscard]] std::optional<std::chrono::milliseconds> publisher_queue(base::instant at) const;
  [[nodiscard]] std::string stream_name(const std::string& name) const { return app_ + "/" + name; }

  shard_context& shard_;
  net::transport_ptr transport_;     // null once finished
  const std::uint64_t id_;
  std::function<void()> on_done_;
  rtmp::server_session session_;
  boost::asio::steady_timer timer_;
  base::instant timer_due_ = base::instant::max();
  std::optional<base::instant> blocked_since_;  // the transport takes no more: slow readers are closed after a while of that
  std::string remote_;
  boost::asio::ip::address remote_address_;
  std::string app_, agent_;
  const std::chrono::system_clock::time_point since_ = std::chrono::system_clock::now();
  bool end_noted_ = false;
  bool sibling_ = false;           // another process of ours: it may play what there is
  std::set<std::uint32_t> by_address_;  // message streams whose latest publication or play was allowed for the peer's address, not for what it showed
  std::unique_ptr<hook_client> who_;  // for hooks; null: there was no connect, or it was refused
  std::map<std::uint32_t, hook_visit> visits_;  // publications and plays whose end is to be told
  rtmp::publisher_report reported_;  // by a publisher of ours
  base::instant reported_at_{};
  net::traffic traffic_;      // of a transport that is gone
  std::map<std::uint32_t, std::unique_ptr<live_publication>> publications_;
  std::map<std::uint32_t, std::string> resume_tokens_;  // of publications
  struct metered {
    std::string by, holder, stream;  // the key or token: for people, and for the register
    allowance allows;
    allowance_register::seat seat;
    base::instant over = base::instant::max();
  };
  std::map<std::uint32_t, metered> metered_;  // publications whose key or token has limits
  std::map<std::uint32_t, std::unique_ptr<player>> players_;
  struct played_recording {
    std::string name;  // of the stream
    std::unique_ptr<recording_player> from;
    bool accepted = false;
  };
  std::map<std::uint32_t, played_recording> recordings_;
  std::map<std::uint32_t, std::shared_ptr<watched_stream>> arriving_;  // plays that are accepted once the stream is on this shard
  std::map<std::uint32_t, std::shared_ptr<boost::asio::steady_timer>> refusals_;  // answers held back for a second; 0: that to connect
  bool pumping_ = false;
  std::uint64_t sent_mark_ = 0, lost_mark_ = 0;  // of the groups, when there was progress last
  bool pulled_from_ = false;  // the transport knows the session's groups
  bool asked_to_leave_ = false;
};

}  // namespace millrace::server
