// The operator's side of HTTP: /api/v1, /metrics, /healthz, /readyz. What each answers is described in server/openapi.json.
#pragma once
#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "http/connection.hpp"
#include "record/service.hpp"
#include "server/facts.hpp"
#include "server/publish_keys.hpp"
#include "server/reason_log.hpp"
#include "server/web_settings.hpp"

namespace millrace::server {

// What the API asks of the whole server. Each is called on any shard's thread, and answers on the thread of `asker`.
struct server_control {
  std::function<void(boost::asio::io_context& asker, look_at what, std::function<void(snapshot&&)>)> collect;
  std::function<void(boost::asio::io_context& asker, std::uint64_t connection, std::function<void(bool found)>)> kick;
  std::function<void(boost::asio::io_context& asker, std::string stream, std::function<void(std::vector<hub::frame_facts>&&)>)> newest_group;
  std::function<bool()> ready;  // false while it stops
  record::service* recordings = nullptr;    // there before any thread runs
  publish_keys* keys = nullptr;             // likewise; null: there is no state directory
  boost::asio::thread_pool* disk = nullptr; // for what waits for the disk
  std::vector<std::string> addresses = {};  // "rtmp://0.0.0.0:1935": where it listens
  std::function<std::string()> pin;         // of its certificate; empty: it has none
};

// Of one shard; one thread.
class api {
 public:
  // All of it outlives this object.
  api(boost::asio::io_context& io, const web_settings& settings, const access_rules& access, const server_control& control, const reason_log& reasons)
      : io_(io), settings_(settings), access_(access), control_(control), reasons_(reasons) {}

  // False: the path is none of ours, and nothing was done.
  bool handle(const http::request& r, const http::reply_ptr& to) const;
  // Why whoever asks this may not use the API, nor the console, which is nothing without it.
  [[nodiscard]] std::optional<std::string> refusal(const http::request& r) const;

 private:
  void route(const http::request& r, const http::reply_ptr& to) const;
  void streams(const http::reply_ptr& to) const;
  void one_stream(const std::string& name, const http::reply_ptr& to) const;
  void history(const std::string& name, std::size_t seconds, const http::reply_ptr& to) const;
  void connections(const http::reply_ptr& to) const;
  // api_keys.cpp
  void keys(const http::request& r, const http::reply_ptr& to) const;
  // api_recordings.cpp
  static bool is_recording(const http::request& r);
  void recordings(const http::request& r, const http::reply_ptr& to) const;

  boost::asio::io_context& io_;
  const web_settings& settings_;
  const access_rules& access_;
  const server_control& control_;
  const reason_log& reasons_;
};

}  // namespace millrace::server
