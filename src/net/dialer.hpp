// Connecting with fallback: QUIC first, TCP or TLS a little later, the first complete handshake wins (protocol.md 2).
#pragma once
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/result.hpp"
#include "net/identity.hpp"
#include "net/quic_options.hpp"
#include "net/transport.hpp"

namespace millrace::net {

struct dial_target {
  std::string host;
  bool host_is_ip = false;
  std::uint16_t port = 1935;
  bool quic = false;
  // The TCP side of the race, or the only one without QUIC: none, plain or TLS.
  enum class tcp_side : unsigned char { none, plain, tls } tcp = tcp_side::plain;
  // tcp_side::tls only: a server whose port speaks no TLS at all is dialled again in the plain (loopback hosts, protocol.md 1).
  bool plain_if_no_tls = false;
  verify_options verify;
};

// What is remembered per (host, port) between dials of one process (and in a file if the owner saves it).
// A handle: copies share one memory. A dial keeps a copy, because a losing QUIC attempt may teach it something up to 2 s after
// dial() has returned. One thread.
class dial_memory {
 public:
  struct entry {
    std::optional<std::chrono::microseconds> rtt;
    int quic_failures = 0;
    base::instant quic_failed_until{};  // until then QUIC gets no head start
  };
  [[nodiscard]] const entry* find(const std::string& host, std::uint16_t port) const;
  void quic_succeeded(const std::string& host, std::uint16_t port, std::chrono::microseconds rtt);
  void quic_failed(const std::string& host, std::uint16_t port, base::instant now);  // 5 min doubling to 24 h
  // clamp(2 x RTT + 50 ms, 150 ms, 1 s) with a remembered RTT, 250 ms without, 0 while a failure is remembered.
  [[nodiscard]] std::chrono::milliseconds head_start(const std::string& host, std::uint16_t port, base::instant now) const;

 private:
  using entries = std::map<std::pair<std::string, std::uint16_t>, entry>;
  std::shared_ptr<entries> entries_ = std::make_shared<entries>();
};

struct dial_options {
  quic_client_options quic;
  std::chrono::milliseconds whole_dial{10'000};
  std::chrono::milliseconds address_stagger{250};  // between IPv6 and IPv4, in each transport
  dial_memory* memory = nullptr;                   // read while dial() starts; see dial_memory for what comes later
};

// One attempt, for people to read: what was tried when, and how it ended.
struct dial_step {
  transport_kind kind = transport_kind::tcp;
  std::string address;
  std::chrono::microseconds started{0}, ended{0};  // since the start of the dial; ended 0 while under way
  std::string outcome;                             // "connected", "lost the race", or the error's text
};

struct dial_story {
  std::vector<dial_step> steps;
  std::chrono::microseconds resolved{0}, connected{0};
  std::string why;  // "QUIC as asked", "fell back to TLS: no answer over UDP within 250 ms"
  bool fell_back = false;
};

struct dialed {
  transport_ptr transport;  // not started
  dial_story story;
};
struct dial_failure {
  base::error reason;
  dial_story story;
};

// A certificate failure on any attempt ends the dial with kind certificate, and no byte of RTMP has been sent.
// Runs on an io_context's executor. Cancellable: then the failure has kind closed. After TCP or TLS won, a QUIC attempt that is still
// under way goes on in the background for at most 2 s, only to be remembered, and is closed without a byte of RTMP.
boost::asio::awaitable<std::variant<dialed, dial_failure>> dial(dial_target target, dial_options options);

}  // namespace millrace::net
