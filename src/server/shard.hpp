// One shard of the server: a thread's io_context with listeners, connections and streams of its own.
#pragma once
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "hub/directory.hpp"
#include "net/listener.hpp"
#include "record/shard_recorders.hpp"
#include "server/config.hpp"
#include "server/play_grants.hpp"
#include "server/rtmp_connection.hpp"
#include "hls/service.hpp"
#include "server/facts.hpp"
#include "server/hls_packagers.hpp"
#include "server/hls_visits.hpp"
#include "server/shared_streams.hpp"
#include "server/stream_history.hpp"
#include "server/web_front.hpp"

namespace millrace::server {

// What all shards of a server share. Outlives them.
struct server_context {
  const config& settings;
  name_register names;
  failure_guard failures;
  reason_log reasons;
  allowance_register allowances = {};
  server_control control = {};
  play_grants grants = {};
  memory_watch memory = memory_watch(settings.memory_max != 0 ? settings.memory_max : memory_watch::usual_limit());
  std::shared_ptr<hook_caller> hooks = nullptr;  // there before any thread runs; used by all that follows
  hls_visits hls_viewers = {};
  std::unique_ptr<hls::service> hls = nullptr;  // there before any thread runs
  std::unique_ptr<record::service> recordings = nullptr;  // likewise
  std::unique_ptr<publish_keys> keys = nullptr;                 // likewise; null: there is no state directory
  std::unique_ptr<boost::asio::thread_pool> disk = nullptr;     // what waits for the disk: recordings that are played, keys that are made
};

struct shard_facts {
  std::size_t connections = 0, web_connections = 0;
  fan_out_facts viewers;
  shared_facts streams;
  std::size_t resumable = 0;  // names that a publisher may come back to
};

// Everything is called on the shard's thread, but for the constructor, listen() and the destructor, which run while there is none.
class shard {
 public:
  shard(boost::asio::io_context& io, server_context& server, shard_index index, std::size_t count);
  ~shard();
  shard(const shard&) = delete;
  shard& operator=(const shard&) = delete;

  // Before its thread runs: what it publishes is recorded by the rules of `by`.
  void record(record::service& by, boost::asio::thread_pool* readers);
  // Before its thread runs.
  void let_publish_with(publish_keys* keys) { context_.keys = keys; }
  // What changes() says takes effect; null: the certificate stays. Of what is connected, only what it does next.
  void reload(const config& next, const std::shared_ptr<const net::identity>& certificate);
  // As net::listen.
  base::result<void> listen(net::listener_options options);
  [[nodiscard]] web_front& web() { return web_; }
  [[nodiscard]] hls_packagers& packagers() { return packagers_; }
  [[nodiscard]] const web_front& web() const { return web_; }
  [[nodiscard]] boost::asio::io_context& io() { return io_; }
  // For what is posted to its thread: null once it is gone.
  [[nodiscard]] std::weak_ptr<shard*> weak() const { return alive_; }
  [[nodiscard]] shared_streams& streams() { return shared_; }
  [[nodiscard]] const std::vector<std::unique_ptr<net::listener>>& listeners() const { return listeners_; }
  [[nodiscard]] net::listener_counters counters() const;
  [[nodiscard]] shard_facts facts() const { return {connections_.size(), web_.connections(), fan_out_.facts(), shared_.facts(), resumes_.size()}; }
  [[nodiscard]] std::optional<hub::stream_facts> stream(std::string_view name) const;
  [[nodiscard]] shard_snapshot look(const look_at& what) const;
  [[nodiscard]] std::vector<hub::frame_facts> newest_group(std::string_view name) const;
  // False: no connection of that id that publishes or plays.
  bool kick(std::uint64_t connection);
  // Takes its samples from now on.
  void every_second();

  // Another process has the same sockets and is ready: it alone accepts from now on.
  void leave_to_sibling();
  // That has ended: all is as it was before, and what is published here is recorded again if the recordings are ours.
  void take_back();
  // A connection that came by another way than a listener.
  void take(net::transport_ptr transport, base::instant came) { accept(std::move(transport), came); }
  // Who shows this may play as another process of ours.
  void open_door(std::string secret) { context_.door_secret = std::move(secret); }

  // As of server.
  std::size_t request_reconnect(const std::string& tc_url, const std::string& why);
  // Accepts nobody any more, and asks those who can to leave; `all_left` is called when they have, if there were any.
  std::size_t drain(std::function<void()> all_left);
  // Ends every connection in order. `done` is called when all are gone, at the latest after 0.9 s.
  void end_all(std::function<void()> done);
  // Drops everything at once. Nothing of other shards is used any more.
  void close();

 private:
  void accept(net::transport_ptr transport, base::instant came);
  void forget(std::uint64_t id);
  void finish_if_empty();
  void sample(base::instant at);
  void give_way();

  boost::asio::io_context& io_;
  memory_watch& memory_;
  config settings_;  // its own, so that what is reloaded changes on its thread
  const shard_index index_;
  const std::size_t count_;
  hub::directory streams_;
  resume_register resumes_;
  fan_out fan_out_;
  shared_streams shared_;
  shard_context context_;
  web_front web_;
  hls_packagers packagers_;
  std::unique_ptr<record::shard_recorders> recorders_;
  std::vector<std::unique_ptr<net::listener>> listeners_;
  std::map<std::uint64_t, std::shared_ptr<rtmp_connection>> connections_;
  net::traffic gone_;  // of connections that are no more
  stream_history history_;
  boost::asio::steady_timer second_;
  base::instant sampled_{};
  base::duration busy_before_{0};
  double busy_ = 0;
  std::set<std::uint64_t> asked_;  // connections that were asked to reconnect and have not left
  std::uint64_t next_id_;
  std::function<void()> all_left_, on_empty_;
  boost::asio::steady_timer deadline_;
  std::shared_ptr<shard*> alive_ = std::make_shared<shard*>(this);
};

}  // namespace millrace::server
