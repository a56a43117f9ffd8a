// What the hostile suite is made of: cases in families, and the server that they are thrown at.
#pragma once
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/udp.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "conform/script.hpp"

namespace millrace::hostile {

namespace asio = boost::asio;
using conform::bytes;
using conform::check;
using conform::failure;
using std::chrono::milliseconds;

// The server keeps a connection for so long that did not get to its connect. The suite starts it with this, so that cases that wait for the
// deadline do not wait for the usual ten seconds.
inline constexpr milliseconds connect_deadline{3'000};
// What ends because of what a peer sent, and what is answered at all, is so within this; generous, for sanitizers on a machine with others.
inline constexpr milliseconds soon{8'000};
// What ends because of a deadline does so within this.
inline constexpr milliseconds after_deadline = connect_deadline + milliseconds(6'000);

enum class way : unsigned char { rtmp, rtmps, rtmpq, roqr };  // TCP, TLS, QUIC as a byte stream, QUIC in RoQR frames
std::string_view name(way via);

// Where the server is, and what a case has at hand.
struct arena {
  asio::io_context& io;
  std::string host = "127.0.0.1";
  std::uint16_t port = 0, http_port = 0;
  int pid = 0;        // 0: not ours to look at
  bool full = false;  // the long form: cycles by ten thousands, every byte instead of every seventh

  [[nodiscard]] conform::target target(way via) const;
  [[nodiscard]] asio::ip::tcp::endpoint tcp() const { return {asio::ip::make_address(host), port}; }
  [[nodiscard]] asio::ip::tcp::endpoint http() const { return {asio::ip::make_address(host), http_port}; }
  [[nodiscard]] asio::ip::udp::endpoint udp() const { return {asio::ip::make_address(host), port}; }
  // A name that nothing else in this run uses.
  std::string fresh_name();
};

// One line of the suite. `run` returns when the server did what is expected, and throws `failure` otherwise.
struct hostile_case {
  std::string family, name;  // "chunks over rtmps", "chunk size 0"
  std::string expected;      // "closed within 8 s"
  std::function<asio::awaitable<void>(arena&)> run;
  bool waits = false;      // for a deadline of the server: all of these run at once, beside each other
  bool full_only = false;  // too much for a build with sanitizers
  milliseconds rest{500};  // before it is repeated
};
using cases = std::vector<hostile_case>;

// A family per file. Those over RTMP come once for each way that can carry them.
void add_handshakes(cases& to);    // handshakes.cpp: bytes in place of an RTMP handshake
void add_http(cases& to);          // http.cpp
void add_tls(cases& to);           // tls.cpp
void add_chunks(cases& to);        // chunks.cpp
void add_control(cases& to);       // control.cpp: protocol control, user control, aggregates, unknown types
void add_unread(cases& to);        // unread.cpp: answers that nobody reads
void add_amf(cases& to);           // amf.cpp
void add_commands(cases& to);      // commands.cpp
void add_names(cases& to);         // names.cpp
void add_media(cases& to);         // media.cpp: media of before E-RTMP, metadata
void add_enhanced(cases& to);      // enhanced.cpp
void add_roqr(cases& to);          // roqr.cpp
void add_datagrams(cases& to);     // datagrams.cpp: UDP without a connection
void add_quic_frames(cases& to);   // quic_frames.cpp: frames in valid packets of a client that lies
void add_quic_handshakes(cases& to);  // quic_handshakes.cpp
void add_cycles(cases& to);        // cycles.cpp

}  // namespace millrace::hostile
