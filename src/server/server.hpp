// The server: listeners, streams and connections of one process, on one io_context (one shard).
#pragma once
#include <boost/asio/io_context.hpp>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "hub/directory.hpp"
#include "net/listener.hpp"
#include "server/config.hpp"
#include "server/rtmp_connection.hpp"

namespace millrace::server {

class server {
 public:
  // Opens everything or nothing; errors (kind local, usage) say what to do. `io` outlives the server.
  static base::result<std::unique_ptr<server>> open(boost::asio::io_context& io, config settings);
  ~server();

  [[nodiscard]] std::vector<std::string> addresses() const;
  [[nodiscard]] std::uint16_t port() const;            // of the first listener
  [[nodiscard]] const net::identity* certificate() const { return identity_.get(); }
  [[nodiscard]] std::size_t connections() const { return connections_.size(); }
  [[nodiscard]] hub::directory& streams() { return streams_; }
  [[nodiscard]] net::listener_counters counters() const;
  [[nodiscard]] fan_out_facts viewers() const { return fan_out_.facts(); }

  // Asks everybody who can (E-RTMP v2 "Reconnect Request") to come back over a new connection, at `tc_url` or, when that is empty, where
  // they are. Who publishes is followed by the new connection without a gap for viewers. How many were asked.
  std::size_t request_reconnect(const std::string& tc_url, const std::string& why);
  // Stops accepting. Peers that can are asked to reconnect and served on until they left, for config::drain at most; then, or at
  // once without any, ends every connection in order. `done` is called when all are gone, at the latest 1 s after that.
  void shut_down(std::function<void()> done);

 private:
  server(boost::asio::io_context& io, config settings);
  base::result<void> listen();
  void accept(net::transport_ptr transport);
  void forget(std::uint64_t id);
  void end_all();
  void finish_if_empty();

  boost::asio::io_context& io_;
  config settings_;
  hub::directory streams_;
  failure_guard failures_;
  resume_register resumes_;
  fan_out fan_out_;
  shard_context shard_;
  std::shared_ptr<const net::identity> identity_;
  std::vector<std::unique_ptr<net::listener>> listeners_;
  std::map<std::uint64_t, std::shared_ptr<rtmp_connection>> connections_;
  std::set<std::uint64_t> asked_;  // connections that were asked to reconnect and have not left
  std::uint64_t next_id_ = 1;
  bool draining_ = false;
  std::function<void()> on_empty_;
  boost::asio::steady_timer deadline_;
  std::shared_ptr<server*> alive_ = std::make_shared<server*>(this);
};

}  // namespace millrace::server
