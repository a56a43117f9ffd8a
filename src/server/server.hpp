// The server: all its shards, one thread each. The first one is on the caller's io_context and thread, the others are behind this.
#pragma once
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "hub/stream.hpp"
#include "net/listener.hpp"
#include "server/config.hpp"
#include "server/shard.hpp"

namespace millrace::server {

// One thread: the caller's. What is said of all shards asks each on its thread and waits for the answer.
class server {
 public:
  // Opens everything or nothing; errors (kind local, usage) say what to do. `io` outlives the server.
  static base::result<std::unique_ptr<server>> open(boost::asio::io_context& io, config settings);
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
  // Stops accepting. Peers that can are asked to reconnect and served on until they left, for config::drain at most; then, or at
  // once without any, ends every connection in order. `done` is called when all are gone, at the latest 1 s after that.
  void shut_down(std::function<void()> done);

 private:
  struct worker;
  server(boost::asio::io_context& io, config settings);
  base::result<void> open_recordings();
  base::result<void> open_keys();
  base::result<void> listen();
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

  boost::asio::steady_timer drained_by_, hls_timer_;
  std::atomic<bool> stopping_ = false;
  std::size_t draining_ = 0;  // shards with connections that were asked to leave
  std::size_t ending_ = 0;    // shards that have not ended everything
  std::function<void()> on_ended_;
  std::shared_ptr<server*> alive_ = std::make_shared<server*>(this);
};

}  // namespace millrace::server
