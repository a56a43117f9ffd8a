// A QUIC client that can do what net::transport does not allow: end only its half of the stream, reset it, send nothing, open other streams first.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "net/quic_endpoint.hpp"
#include "support/quic_fixtures.hpp"

namespace millrace::test {

class quic_raw_peer final : public net::quic_endpoint, public net::quic_application {
 public:
  // `token`: of an earlier visit.
  static std::shared_ptr<quic_raw_peer> dial(boost::asio::io_context& io, const udp_endpoint& server, base::bytes_view token = {},
                                             const char* alpn = net::byte_stream_alpn) {
    auto made = std::shared_ptr<quic_raw_peer>(new quic_raw_peer(io));
    net::verify_options verify;
    verify.insecure = true;
    auto tls = net::quic_tls::make_client(net::quic_credentials::for_client(verify).value(), "localhost", false, verify, {alpn});
    auto socket = net::quic_udp_socket::connect(io, server).value();
    made->connection =
        net::quic_connection::make_client(*made, std::move(tls).value(), {}, token, socket->local(), net::udp_address(server)).value();
    made->connection->set_application({std::shared_ptr<void>(), made.get()});
    made->add_socket(std::move(socket));
    made->connection->touch();
    return made;
  }
  ~quic_raw_peer() {
    if (connection) connection->detach();
  }
  void hang_up() {
    if (connection) connection->close_for_good(0, "test over");
  }
  void say(std::string text, bool fin) {
    outgoing = std::move(text);
    part = {reinterpret_cast<std::uint8_t*>(outgoing.data()), outgoing.size()};
    fin_wanted = fin;
    something = true;
    connection->touch();
  }
  // RoQR: so many more one-way streams that end without a byte, as soon as the server allows them.
  void end_streams(std::size_t count) {
    streams_wanted += count;
    connection->touch();
  }

  std::shared_ptr<net::quic_connection> connection;
  std::size_t streams_wanted = 0, streams_ended = 0;
  bool ready = false;
  bool deaf = false;  // reads nothing of what comes
  std::vector<std::uint8_t> given_token;  // for the next visit
  std::string received;
  bool fin_received = false;
  std::optional<net::close_info> ended;

  // --- quic_connection_host
  void add_id(const ngtcp2_cid&, net::quic_connection&) override {}
  void remove_id(const ngtcp2_cid&) override {}
  void on_ended(net::quic_connection& which) override {
    retime(which, net::quic_never);
    which.detach();
    const auto last = std::exchange(connection, nullptr);
    close_sockets();
  }
  void on_handshake_over(net::quic_connection&) override {}
  void on_path_change() override {}
  void make_reset_token(const ngtcp2_cid&, ngtcp2_stateless_reset_token& token) override { net::quic_random(token.data); }
  std::vector<std::uint8_t> make_address_token(const net::udp_address&) override { return {}; }
  void keep_address_token(base::bytes_view given) override { given_token.assign(given.begin(), given.end()); }
  base::result<void> move_to_fresh_socket(net::quic_connection&) override { return base::error{}; }

  // --- quic_application
  bool on_stream_open(std::int64_t) override { return connection->alpn() == net::roqr_alpn; }
  void on_stream_bytes(std::int64_t, base::bytes_view bytes, bool fin) override {
    received.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    fin_received = fin_received || fin;
  }
  void on_stream_acknowledged(std::int64_t, std::uint64_t) override {}
  void on_stream_reset(std::int64_t, std::uint64_t) override {}
  void on_stop_sending(std::int64_t, std::uint64_t) override {}
  void on_stream_close(std::int64_t) override {}
  void begin_write() override {}
  net::quic_offer offer(bool fresh) override {
    if (fresh && empty_stream < 0 && streams_wanted > 0) empty_stream = connection->open_unidirectional_stream();
    if (empty_stream >= 0) return {empty_stream, nullptr, 0, true};
    return something ? net::quic_offer{0, &part, part.len == 0 ? 0u : 1u, fin_wanted} : net::quic_offer{};
  }
  void on_taken(std::int64_t stream, std::uint64_t bytes, bool) override {
    if (stream == empty_stream) {
      empty_stream = -1;
      --streams_wanted;
      ++streams_ended;
      return;
    }
    part = {part.base + bytes, part.len - static_cast<std::size_t>(bytes)};
    something = part.len > 0;
  }
  void on_blocked(std::int64_t) override { something = false; }
  void on_write_refused(std::int64_t) override { something = false; }
  void on_handshake_completed() override { ready = connection->open_stream() == 0; }
  void on_path_changed(std::string, std::chrono::milliseconds) override {}
  void after_write() override {}
  void on_deadline(net::quic_time) override {}
  [[nodiscard]] bool finishing() const override { return false; }
  void deliver() override {}
  void on_end(net::close_info info) override { ended = std::move(info); }

 private:
  explicit quic_raw_peer(boost::asio::io_context& io) : quic_endpoint(io) {}
  void on_datagram(const net::udp_datagram& datagram) override {
    if (const auto mine = connection; mine && !deaf) mine->read(datagram);
  }
  void on_socket_error(int) override {}

  std::string outgoing;
  ngtcp2_vec part{};
  std::int64_t empty_stream = -1;
  bool something = false, fin_wanted = false;
};

}  // namespace millrace::test
