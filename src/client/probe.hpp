// millrace probe: which transports of a server answer, how long each step takes, and what the dialler would choose.
#pragma once
#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "client/link.hpp"

namespace millrace::client {

struct probe_options {
  rtmp::uri target;
  link_settings link;
};

struct probe_step {
  std::string name;               // "resolve", "quic handshake", "rtmp handshake", "connect"
  double ms = 0;                  // this step alone
  double total_ms = 0;            // since the start of the attempt
  std::optional<unsigned> round_trips;  // by the protocol for the transport's handshake, as counted for RTMP's
};

struct probe_certificate {
  std::string text;               // subject, names, validity
  std::string pin;                // SHA-256 of its public key
  bool verified = false;
  std::string why;                // how it was verified, or why it was not accepted
};

struct probe_transport {
  net::transport_kind kind = net::transport_kind::tcp;
  bool answers = false;           // up to the answer to connect
  bool reached = false;           // the transport's own handshake was completed
  std::optional<base::error> failure;
  std::vector<probe_step> steps;  // those that were completed
  std::optional<net::transport_facts> facts;
  std::optional<probe_certificate> certificate;
};

struct probe_choice {
  bool ok = false;
  std::optional<net::transport_kind> kind;
  std::string why;
  bool fell_back = false;
  std::vector<net::dial_step> steps;
  std::optional<base::error> failure;
};

struct probe_report {
  std::string url;                // without key
  std::string host;
  std::uint16_t port = 0;
  std::vector<probe_transport> transports;  // quic, tls, tcp
  probe_choice choice;
};

// Tries QUIC, TLS and TCP one after the other so that they do not disturb each other's times (whatever the URI asks for: that is what
// probing is), then dials as the URI says. Sends connect with the application, never a stream name or key, and nothing at all over a
// connection whose certificate was not accepted. `done` is called once.
class probe {
 public:
  probe(boost::asio::io_context& io, probe_options options, std::function<void(probe_report)> done);
  ~probe();
  void start();

 private:
  class attempt;
  void next();
  void finish();

  boost::asio::io_context& io_;
  probe_options options_;
  std::function<void(probe_report)> done_;
  probe_report report_;
  std::size_t at_ = 0;
  std::unique_ptr<attempt> attempt_;
};

std::string probe_text(const probe_report& report);
std::string probe_json(const probe_report& report);

}  // namespace millrace::client
