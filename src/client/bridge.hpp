// millrace bridge: a local RTMP port whose publishes and plays go to a remote server, by QUIC where it can be had.
#pragma once
#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/limits.hpp"
#include "base/result.hpp"
#include "client/bridge_target.hpp"
#include "client/link.hpp"
#include "client/publish_queue.hpp"
#include "net/listener.hpp"

namespace millrace::client {

struct bridge_options {
  net::listen_address listen{"127.0.0.1", rtmp::default_port};
  bridge_route route;
  link_settings link;
  // The local encoder is not read from while media waits for the network longer than this, so that its own adaptation (dynamic bit rate,
  // frame dropping) sees the congestion. Reading goes on below half. Empty: the default, and never in the live profile, which gives late
  // pictures up: an encoder that does not adapt would only send its sound late.
  static constexpr std::chrono::milliseconds push_back_default{500};
  std::optional<std::chrono::milliseconds> push_back_age;
  std::size_t push_back_bytes = 4U << 20;
  publish_queue::limits queue;
  base::shared_limits local_limits;  // of the sessions with local programs
};

class bridge_connection;
class bridge_flow;

// What a running bridge can say about one publish or play.
struct bridge_flow_report {
  bool publishing = false;
  std::string local;       // peer address
  std::string remote;      // URL without key
  std::string transport;   // empty: not connected
  std::string why;
  std::chrono::milliseconds queue_age{0};
  std::uint64_t frames = 0, bytes = 0, frames_dropped = 0;
  unsigned reconnects = 0;
  bool pushing_back = false;
};

// One thread: the io_context's.
class bridge {
 public:
  bridge(boost::asio::io_context& io, bridge_options options);
  ~bridge();

  // Errors as net::listen.
  base::result<void> start();
  [[nodiscard]] std::uint16_t port() const;
  [[nodiscard]] std::vector<bridge_flow_report> report() const;
  // Ends everything in order; `done` is called when all is gone, after 3 s at the latest.
  void stop(std::function<void()> done);

 private:
  friend class bridge_connection;
  friend class bridge_flow;
  void accept(net::transport_ptr transport);
  void forget(const std::shared_ptr<bridge_connection>& connection);
  void forget(const std::shared_ptr<bridge_flow>& flow);
  void check_stopped();

  boost::asio::io_context& io_;
  bridge_options options_;
  std::unique_ptr<net::listener> listener_;
  std::set<std::shared_ptr<bridge_connection>> connections_;
  // Flows outlive their connection while they deliver what the encoder sent before it left.
  std::set<std::shared_ptr<bridge_flow>> flows_;
  boost::asio::steady_timer stop_timer_;
  std::function<void()> stopped_;
};

}  // namespace millrace::client
