// The web side of a shard: HTTP connections, and what each path leads to.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "http/connection.hpp"
#include "http/flv_viewer.hpp"
#include "server/api.hpp"
#include "server/play_grants.hpp"
#include "server/rtmp_connection.hpp"
#include "server/stream_history.hpp"

namespace millrace::server {

struct server_context;

// One thread: its shard's.
class web_front {
 public:
  // All of it outlives this object.
  web_front(shard_context& shard, server_context& server);
  ~web_front();
  web_front(const web_front&) = delete;
  web_front& operator=(const web_front&) = delete;

  // As net::listen.
  base::result<void> listen(net::listener_options options);
  [[nodiscard]] const std::vector<std::unique_ptr<net::listener>>& listeners() const { return listeners_; }
  // Accepts nobody any more.
  void stop();
  // The shard's settings have changed: for requests and connections that begin from now on.
  void reload();
  // As listener; who is here is told to come back over another connection, with its next answer.
  void leave_to_sibling();
  void take_back();
  // Ends every connection; `on_empty` is called whenever the last one has gone.
  void end_all();
  [[nodiscard]] bool empty() const { return connections_.empty(); }
  std::function<void()> on_empty;
  void close();

  // Of players only: whoever asks for a page is no peer to speak of.
  void facts(base::instant at, std::vector<connection_facts>& into) const;
  // As rtmp_connection: bytes and connection of those that do not take what they are sent; and the end of one.
  void held_up(std::vector<std::pair<std::uint64_t, std::uint64_t>>& into) const;
  bool give_way(std::uint64_t connection);
  void count(std::map<std::string, protocol_count, std::less<>>& protocols) const;
  void sample(base::instant at, stream_history& history) const;
  [[nodiscard]] net::listener_counters counters() const;
  [[nodiscard]] net::traffic traffic() const;
  [[nodiscard]] std::size_t connections() const noexcept { return connections_.size(); }
  [[nodiscard]] std::uint64_t requests() const noexcept { return requests_; }
  // False: no player of that id here.
  bool kick(std::uint64_t id);

 private:
  struct player;
  void accept(net::transport_ptr transport, base::instant came);
  void handle(http::request&& r, http::reply_ptr to);
  void play_flv(const http::request& r, const std::string& name, const std::shared_ptr<hook_visit>& visit, const http::reply_ptr& to);
  struct admission {
    std::string as;  // the name that the stream has for them
    std::shared_ptr<hook_visit> visit = {};
    std::function<void()> there = {};  // over HLS: once the stream turns out to be there. For names alone nothing is kept
  };
  void get_hls(const http::request& r, const admission& who_may, const std::string& rest, const http::reply_ptr& to);
  // Goes on, or refuses and says so: now, or when the operator's back end has answered.
  using admitted = std::function<void(const admission&)>;
  void admit(const std::shared_ptr<const http::request>& r, const std::string& name, const http::reply_ptr& to, bool hls, admitted then);
  // Who may not hears so a second later, who may not now at once.
  void refuse(const http::request& r, const std::string& name, const http::reply_ptr& to, unsigned status, const std::string& why, const std::string& told);
  [[nodiscard]] bool tells_of_plays() const;  // somebody is told when one is over
  [[nodiscard]] hook_question question(const http::request& r, const std::string& name, std::uint64_t id) const;
  void start_flv(const std::shared_ptr<player>& one, const http::flv_options& how, const std::shared_ptr<watched_stream>& source,
                 const std::string& websocket_key, const http::reply_ptr& to);
  void tell_losses(player& one, std::uint64_t id, base::instant at);
  void stopped(player& one, std::uint64_t id, std::string_view why);
  [[nodiscard]] http::response with_cors(http::response r) const;

  shard_context& shard_;
  server_context& server_;
  api api_;
  std::uint64_t requests_ = 0;
  net::traffic gone_;  // of connections that are no more
  http::connection_context context_;
  std::vector<std::unique_ptr<net::listener>> listeners_;
  struct place {
    std::shared_ptr<http::connection> connection;
    std::shared_ptr<player> playing;
  };
  std::map<std::uint64_t, place> connections_;
  std::shared_ptr<web_front*> alive_ = std::make_shared<web_front*>(this);
};

}  // namespace millrace::server
