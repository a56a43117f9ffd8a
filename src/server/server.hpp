// The server: all its shards, one thread each. The first one is on the caller's io_context and thread, the others are behind this.
#pragma once
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "hub/stream.hpp"
#include "net/listener.hpp"
#include "server/child_process.hpp"
#include "server/config.hpp"
#include "server/hand_over.hpp"
#include "server/shard.hpp"

namespace millrace::server {

// One thread: the caller's. What is said of all shards asks each on its thread and waits for the answer.
class server {
 public:
  // Opens everything or nothing; errors (kind local, usage) say what to do. `io` outlives the server.
  // `from`: another process hands over its sockets; it is told when all is open.
  static base::result<std::unique_ptr<server>> open(boost::asio::io_context& io, config settings, std::optional<inheritance> from = std::nullopt);
  ~server();

  [[nodiscard]] std::vector<std::string> addresses() const;
  [[nodiscard]] std::uint16_t port() const;            // of the first listener
  [[nodiscard]] std::uint16_t http_port() const;       // of the first HTTP listener; 0: none
  [[nodiscard]] const net::identity* certificate() const { return identity_.get(); }
  [[nodiscard]] std::size_t connections() const;
  [[nodiscard]] net::listener_counters counters() const;
  [[nodiscard]] std::vector<shard_facts> shards() const;
  // Of a stream that somebody publishes or views: what its publisher's shard knows, with the viewers of all.
  [[nodiscard]] std::optional<hub::stream_facts> stream(std::string_view name) const;

  // Takes over from `next` what a running server can, and the certificate and publish keys as they are on disk now. What was changed, by
  // setting; nothing running is touched. Errors: a certificate or a file of keys that cannot be used, and then nothing changes at all.
  base::result<std::vector<config_change>> reload(config next);
  // Asks everybody who can (E-RTMP v2 "Reconnect Request") to come back over a new connection, at `tc_url` or, when that is empty, where
  // they are. Who publishes is followed by the new connection without a gap for viewers. How many were asked.
  std::size_t request_reconnect(const std::string& tc_url, const std::string& why);
  // Starts `command` (its first word is the program's file) with the listening sockets of this one. When it is ready it takes over: nobody is accepted here any
  // more, who can is asked to come back, and what is published at one of the two is shown by both. `left` is called when the last connection has gone or
  // config::hand_over is over, and if the new process is stopped in order. If it does not get ready, or ends in any other way while this one is there, all goes on here.
  // `serving` is called with the process that accepts from then on: the new one, or this one again. Errors: what stands against it.
  base::result<void> hand_over(const std::vector<std::string>& command, std::function<void()> left, std::function<void(int process)> serving);
  // The process that takes over, once it is ready.
  [[nodiscard]] std::optional<int> successor() const { return successor_; }
  // Stops accepting. Peers that can are asked to reconnect and served on until they left, for config::drain at most; then, or at
  // once without any, ends every connection in order. `done` is called when all are gone, at the latest 1 s after that.
  void shut_down(std::function<void()> done);

 private:
  struct worker;
  server(boost::asio::io_context& io, config settings);
  base::result<void> open_recordings();
  base::result<void> open_keys();
  base::result<void> listen();
  // server_hand_over.cpp
  void hear_of_publications();
  base::result<void> open_door(const std::string& secret);
  void give_recordings();
  void take_recordings(const std::vector<std::string>& demanded);
  void meet(int control, sibling_door door, std::function<void()> on_ready, std::function<void()> on_gone);
  void on_child_ended(int status, const std::function<void()>& left, const std::function<void(int process)>& serving);
  void take_back();
  void leave(std::function<void()> left);
  void leave_when_empty(std::function<void()> left, base::instant by);
  [[nodiscard]] handed_listener hand_out(const net::listen_address& as, std::size_t number, bool web, std::vector<int>& theirs, std::uint16_t tag);
  [[nodiscard]] std::size_t quic_shards(const net::listen_address& as) const;
  void take_in(net::listener_options& options, bool web, const net::listen_address& as, std::size_t index, int& channel);
  void close_what_is_left();
  base::result<void> listen_http(const net::listener_options& common);
  base::result<net::listener_options> listener_settings();
  void take_control();
  void watch_hls();
  void start_threads();
  void end_all();
  // What `question` gives on the shard's own thread.
  template <class Question>
  auto ask(std::size_t index, Question question) const;

  boost::asio::io_context& io_;
  config settings_;
  server_context context_;
  std::shared_ptr<const net::identity> identity_;
  mutable std::mutex identity_mutex_;  // of what is asked from other shards
  std::vector<std::unique_ptr<worker>> workers_;  // of all shards but the first
  std::vector<std::unique_ptr<shard>> shards_;

  std::optional<inheritance> inherited_;  // until all is open
  std::uint16_t tag_ = 0;                 // of this process, in its QUIC connection ids
  std::unique_ptr<net::listener> door_;   // for the other process
  std::string door_secret_;
  std::shared_ptr<sibling> sibling_;
  std::multiset<std::string> own_names_;  // published here, by publishers of our own
  std::unique_ptr<child_process> child_;  // that is to take over, or has
  std::optional<int> successor_;
  std::vector<std::string> recordings_given_;  // streams that somebody had asked to record
  boost::asio::steady_timer leaving_;

  boost::asio::steady_timer drained_by_, hls_timer_;
  std::atomic<bool> stopping_ = false;
  std::size_t draining_ = 0;  // shards with connections that were asked to leave
  std::size_t ending_ = 0;    // shards that have not ended everything
  std::function<void()> on_ended_;
  std::shared_ptr<server*> alive_ = std::make_shared<server*>(this);
};

}  // namespace millrace::server
