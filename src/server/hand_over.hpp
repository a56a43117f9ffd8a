// One server process takes over from another: what the old one gives, and what the two tell each other while both run. For operators: doc/upgrade.md.
//
// The old process (hand_over_to) starts the new one with its listening sockets, a control socket, and for each UDP socket a pair over which the two
// pass on datagrams with connection ids of the other (net/quic_sibling.hpp). When the new one is ready, the old one accepts nobody any more, asks those
// who can to come back over a new connection, and goes when the last connection has gone or its time is over. Until then each shows its viewers what is
// published at the other (stream_follower.hpp), and the new one records.
#pragma once
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/streambuf.hpp>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "net/listener.hpp"
#include "server/stream_follower.hpp"

namespace millrace::server {

// Sockets of one address, by shard.
struct handed_listener {
  struct of_shard {
    int tcp = -1, udp = -1, channel = -1;
  };
  net::listen_address as;  // as the configuration says it, not as it was bound
  std::uint16_t port = 0;  // as it was bound
  std::vector<of_shard> sockets;
  // Shards that have a UDP socket, the first ones: with one of systemd's, QUIC is one shard's matter.
  [[nodiscard]] std::size_t quic_shards() const;
};

// What the new process gets: from an old one, or from systemd (socket_activation.hpp), with which there is nothing to talk about.
struct inheritance {
  int control = -1;  // -1: there is no old process
  std::size_t shards = 0;
  std::uint16_t their_tag = 0, our_tag = 0;
  sibling_door door;
  std::vector<handed_listener> rtmp, http;
};

std::string to_json(const inheritance& all);
base::result<inheritance> parse_inheritance(std::string_view json);
// Reads it from the control socket that the environment names (MILLRACE_HAND_OVER), and closes every other descriptor that came along. Nothing: this
// process was started by nobody who hands over.
base::result<std::optional<inheritance>> take_inheritance();
inline constexpr const char* hand_over_variable = "MILLRACE_HAND_OVER";

// The other process, for both of them. One thread: that of the first shard.
class sibling : public std::enable_shared_from_this<sibling> {
 public:
  struct seams {
    shared_streams& streams;      // of the first shard; outlives it
    name_register& names;
    std::function<std::uint64_t()> random;
    std::function<void()> on_ready = nullptr;  // the other one accepts from now on
    std::function<void()> on_gone = nullptr;
    // The directory of recordings is free; streams that somebody asked to record. Not said by a process that records nothing.
    std::function<void(const std::vector<std::string>& demanded)> on_recordings = nullptr;
    std::function<bool(const std::string& name)> records = nullptr;  // here, if it came here
  };
  // `door`: of the other, if it is known already.
  sibling(boost::asio::io_context& io, int control, seams to, sibling_door door);
  void start();
  void say_ready(std::uint16_t port);
  // A name is published here, by a publisher of our own, or no longer.
  void tell(const std::string& name, bool published);
  // Who wants what the other has; now and then it looks by itself.
  void look();
  // It may record now, and what somebody asked to.
  void give_recordings(const std::vector<std::string>& demanded);
  void close();
  [[nodiscard]] bool there() const { return control_.is_open(); }

 private:
  void read();
  void take(const std::string& line);
  void send(std::string line);
  void write();
  void gone();
  [[nodiscard]] bool wanted(const std::string& name) const;

  boost::asio::io_context& io_;
  boost::asio::local::stream_protocol::socket control_;
  seams to_;
  sibling_door door_;
  boost::asio::streambuf in_;
  std::string out_, writing_;
  boost::asio::steady_timer timer_;
  std::set<std::string, std::less<>> theirs_;
  struct followed {
    std::shared_ptr<stream_follower> by;
    int unwatched = 0;  // looks in a row
  };
  std::map<std::string, followed, std::less<>> followed_;
};

}  // namespace millrace::server
