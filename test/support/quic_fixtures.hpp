// A QUIC server and its clients on one loop, for the tests of net/quic_*.
#pragma once
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/udp.hpp>
#include <deque>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "net/quic_client.hpp"
#include "net/quic_server.hpp"
#include "support/net_fixtures.hpp"

namespace millrace::test {

using udp_endpoint = boost::asio::ip::udp::endpoint;

inline udp_endpoint loopback(std::uint16_t port) { return {boost::asio::ip::make_address("127.0.0.1"), port}; }

inline std::string noise(std::size_t size, std::mt19937::result_type seed) {
  std::string out(size, '\0');
  std::mt19937 random(seed);
  for (auto& byte : out) byte = static_cast<char>(random());
  return out;
}

// One end with what it received.
struct quic_end {
  net::transport_ptr transport;
  recording_handler handler;
};

class quic_world {
 public:
  ~quic_world() {
    clients.clear();
    accepted.clear();
    server.reset();
    run_until(
        io, [] { return false; }, std::chrono::milliseconds(1));
  }

  void listen(udp_endpoint local = loopback(0)) {
    auto made = net::quic_listen(
        io, local, shared_identity(), server_options,
        [this](net::transport_ptr transport, base::instant) {
          auto end = std::make_unique<quic_end>();
          end->transport = std::move(transport);
          if (on_accept) on_accept(*end);
          if (start_accepted) end->transport->start(end->handler);
          accepted.push_back(std::move(end));
        },
        admission);
    ASSERT_TRUE(made) << made.error().text;
    server = std::move(*made);
  }

  net::quic_connect_options options(std::uint16_t port = 0) {
    net::quic_connect_options out;
    out.remote = loopback(port == 0 ? server->port() : port);
    out.server_name = "127.0.0.1";
    out.server_name_is_ip = true;
    out.verify.pin = shared_identity()->pin;
    out.quic = client_options;
    return out;
  }

  // Runs the loop until the attempt has ended.
  base::result<net::transport_ptr> dial(net::quic_connect_options with) {
    std::optional<base::result<net::transport_ptr>> outcome;
    bool inside = true;
    const auto attempt = net::quic_connect(io, std::move(with), [&](base::result<net::transport_ptr> result) {
      EXPECT_FALSE(inside) << "called from inside quic_connect";
      EXPECT_FALSE(outcome.has_value()) << "called twice";
      outcome = std::move(result);
    });
    inside = false;
    if (!run_until(io, [&] { return outcome.has_value(); })) return base::error{base::error_kind::internal, "the test's dial did not end"};
    return std::move(*outcome);
  }

  // A started client, or null.
  quic_end* connect(std::optional<net::quic_connect_options> with = std::nullopt) {
    auto made = dial(with ? *with : options());
    if (!made) {
      ADD_FAILURE() << "dial: " << made.error().text;
      return nullptr;
    }
    auto end = std::make_unique<quic_end>();
    end->transport = std::move(*made);
    end->transport->start(end->handler);
    clients.push_back(std::move(end));
    return clients.back().get();
  }

  // Connects, sends a greeting (which opens stream 0) and waits for the server's end.
  std::pair<quic_end*, quic_end*> pair(std::optional<net::quic_connect_options> with = std::nullopt) {
    const std::size_t before = accepted.size();
    quic_end* const client = connect(std::move(with));
    if (client == nullptr) return {nullptr, nullptr};
    client->transport->send(chain_of("hi"));
    if (!run_until(io, [&] { return accepted.size() > before && accepted[before]->handler.received == "hi"; })) {
      ADD_FAILURE() << "the greeting did not arrive";
      return {nullptr, nullptr};
    }
    accepted[before]->handler.received.clear();
    return {client, accepted[before].get()};
  }

  boost::asio::io_context io;
  net::quic_server_options server_options;
  net::quic_client_options client_options;
  net::quic_admission admission;
  std::function<void(quic_end&)> on_accept;
  bool start_accepted = true;
  std::unique_ptr<net::quic_server> server;
  std::vector<std::unique_ptr<quic_end>> accepted, clients;
};

}  // namespace millrace::test
