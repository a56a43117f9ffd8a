// What a script of the suite has at hand, and the list of all scripts.
#pragma once
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "conform/peer.hpp"
#include "net/dialer.hpp"

namespace millrace::conform {

// Where the server is and what a script may do there.
struct target {
  net::dial_target dial;
  // QUIC: how RTMP travels in it. The byte stream has everything that the document speaks of.
  std::vector<std::string> alpn{net::byte_stream_alpn};
  std::string app = "live";
  std::string tc_url;
  std::string publish_query;  // goes behind every published name ("key=…"), without '?'
  milliseconds patience{5'000};       // of every single wait
  milliseconds slow_patience{15'000}; // of waits for a server's own deadlines (H9)
  milliseconds quiet{300};            // how long "nothing comes" has to hold
  std::string run;                    // in every stream name, so that runs and scripts do not meet
  // Makes the server ask its clients to reconnect (E-RTMP v2 "Reconnect Request"); not from outside, so usually empty.
  std::function<void(const std::string& tc_url)> request_reconnect;
};

// A connected peer and the message stream it uses.
struct on_stream {
  peer_ptr at;
  std::uint32_t msid = 0;
  std::string name;
};

// One per script run. Lives until the script has ended.
class context {
 public:
  context(boost::asio::io_context& io, const target& where, std::string id) : io_(io), where_(where), id_(std::move(id)) {}

  [[nodiscard]] const conform::target& where() const noexcept { return where_; }
  // A stream name that nothing else uses: "millrace-RUN-ID-suffix".
  [[nodiscard]] std::string name(std::string_view suffix = "a") const;
  // The same with the publish query.
  [[nodiscard]] std::string publish_name(const std::string& name) const;
  // What connect says: app, tcUrl, flashVer; `extra` members follow, and replace those of the same name.
  [[nodiscard]] rtmp::amf0::value connect_object(std::vector<rtmp::amf0::member> extra = {}) const;

  // Each step includes the ones before it. They throw `failure`, naming the step.
  boost::asio::awaitable<peer_ptr> open();       // transport
  boost::asio::awaitable<peer_ptr> handshaken();
  boost::asio::awaitable<peer_ptr> connected();  // connect was answered with NetConnection.Connect.Success
  boost::asio::awaitable<peer_ptr> connected_with(std::vector<rtmp::amf0::member> extra);
  boost::asio::awaitable<on_stream> publishing(std::string name);
  boost::asio::awaitable<on_stream> playing(std::string name);
  // On a connected peer: createStream, publish or play, and the answer.
  boost::asio::awaitable<on_stream> publish_on(peer_ptr at, std::string name);
  boost::asio::awaitable<on_stream> play_on(peer_ptr at, std::string name);

  // Said beside the verdict, whatever it is.
  void note(std::string text);
  [[nodiscard]] const std::string& notes() const noexcept { return notes_; }

 private:
  boost::asio::io_context& io_;
  const conform::target& where_;
  const std::string id_;
  std::string notes_;
};

// Returns: passed. Throws failure, refusal or skip otherwise.
using script = boost::asio::awaitable<void> (*)(context& c);

struct test_case {
  const char* id;     // "H1", as in doc/protocol/conformance.md
  const char* title;  // one line, what holds when it passes
  script run;
  bool slow = false;  // waits for a deadline of the server
};

// One list per section of doc/protocol/conformance.md, a file each.
std::vector<test_case> handshake_cases();
std::vector<test_case> chunk_cases();
std::vector<test_case> chunk_limit_cases();
std::vector<test_case> time_cases();
std::vector<test_case> acknowledgement_cases();
std::vector<test_case> user_control_cases();
std::vector<test_case> amf_cases();
std::vector<test_case> connect_cases();
std::vector<test_case> publish_cases();
std::vector<test_case> data_cases();
std::vector<test_case> play_cases();
std::vector<test_case> play_control_cases();
std::vector<test_case> status_cases();
std::vector<test_case> media_cases();
std::vector<test_case> ertmp_connect_cases();
std::vector<test_case> ex_video_cases();
std::vector<test_case> ex_audio_cases();
std::vector<test_case> multitrack_cases();
std::vector<test_case> mod_ex_cases();
std::vector<test_case> reconnect_cases();
std::vector<test_case> transport_cases();

// All of them in the order of the document.
const std::vector<test_case>& catalogue();

// --- small media that scripts send ---
bytes avc_config();                                          // sequence start of a 320x240 baseline stream
bytes avc_frame(bool key, std::size_t size = 100, std::uint8_t filler = 0);
bytes aac_config();
bytes aac_frame(std::size_t size = 32, std::uint8_t filler = 0);

// --- checks ---
inline void check(bool holds, const std::string& otherwise) {
  if (!holds) throw failure{otherwise};
}
std::string hex(base::bytes_view some, std::size_t most = 24);
// "expected WHAT, got WHAT" with the first difference.
void check_equal(base::bytes_view expected, base::bytes_view got, const std::string& what);

}  // namespace millrace::conform
