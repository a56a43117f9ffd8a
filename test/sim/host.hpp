// The place of net/quic_endpoint in a simulation: one QUIC connection whose packets travel over a simulated path.
#pragma once
#include <ngtcp2/ngtcp2.h>

#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <utility>
#include <vector>

#include "net/quic_stream_transport.hpp"
#include "sim/identity.hpp"
#include "sim/network.hpp"
#include "sim/world.hpp"

namespace millrace::sim {

class host final : public net::quic_connection_host, public timed {
 public:
  host(world& w, std::uint64_t seed, const char* address, path_options out)
      : world_(w), random_(seed), path_(std::move(out)), address_(address_of(address)), seen_as_(address_) {
    world_.add(*this);
    path_.bring_up(nanoseconds(w.now()));
  }
  ~host() {
    world_.remove(*this);
    if (connection_) {
      connection_->close_for_good(0, "the simulation is over");
      if (connection_) connection_->detach();
    }
  }
  host(const host&) = delete;
  host& operator=(const host&) = delete;
  void join(host& peer) { peer_ = &peer, peer.peer_ = this; }

  using open_callback = net::quic_stream_transport::open_callback;
  void dial(const net::quic_client_options& options, open_callback done) {
    net::verify_options verify;
    verify.insecure = true;
    auto tls = net::quic_tls::make_client(net::quic_credentials::for_client(verify).value(), "simulation", false, verify, options.alpn);
    auto made = net::quic_connection::make_client(*this, std::move(tls).value(), options, {}, address_, peer_->address_);
    run(std::move(made).value(), std::move(done));
    connection_->touch();
  }
  void listen(net::quic_server_options options, open_callback done) { server_ = std::move(options), accept_ = std::move(done); }

  // A NAT on the way gives this host another address: what is under way to the old one is lost.
  void rebind(const char* address) { seen_as_ = address_of(address); }
  // From now on it writes another source address into its packets, and hears what comes to its own.
  void pretend(const char* address) { pretended_ = address_of(address); }

  [[nodiscard]] net::quic_connection& connection() const noexcept { return *connection_; }  // while it lives
  [[nodiscard]] bool over() const noexcept { return ended_; }
  [[nodiscard]] const wan::link_counters& sent() const noexcept { return path_.counters(); }

  // --- timed
  [[nodiscard]] quic_time due() const override { return due_; }
  void on_due() override {
    due_ = quic_never;
    if (const auto connection = connection_) connection->on_timer(world_.now());
  }

  // --- quic_connection_host
  boost::asio::io_context& io() override { return world_.io; }
  [[nodiscard]] quic_time now() const override { return world_.now(); }
  void random(std::span<std::uint8_t> into) override {
    for (auto& byte : into) byte = static_cast<std::uint8_t>(random_());
  }
  void touch(net::quic_connection& which) override {
    if (std::exchange(which.touched, true) || in_turn_) return;
    post_turn();
  }
  void add_id(const ngtcp2_cid&, net::quic_connection&) override {}
  void remove_id(const ngtcp2_cid&) override {}
  void send(const net::udp_batch& batch) override {
    for (std::size_t at = 0; at < batch.bytes.size(); at += batch.segment) {
      const auto packet = batch.bytes.subspan(at, std::min(batch.segment, batch.bytes.size() - at));
      for (const auto arrival : path_.send(nanoseconds(world_.now()), packet.size())) {
        world_.at(static_cast<quic_time>(arrival.count()),
                  [to = peer_, bytes = std::vector<std::uint8_t>(packet.begin(), packet.end()), from = pretended_.value_or(seen_as_), where = batch.remote,
                   ecn = batch.ecn] { to->on_packet(bytes, from, where, ecn); });
      }
    }
  }
  [[nodiscard]] bool blocked() const override { return false; }
  void retime(net::quic_connection&, quic_time due) override { due_ = due; }
  void on_ended(net::quic_connection& which) override {
    ended_ = true;
    due_ = quic_never;
    which.detach();
    const auto last = std::exchange(connection_, nullptr);
  }
  void on_handshake_over(net::quic_connection&) override {}
  void on_path_change() override {}
  void make_reset_token(const ngtcp2_cid&, ngtcp2_stateless_reset_token& token) override { random(token.data); }
  std::vector<std::uint8_t> make_address_token(const net::udp_address&) override { return {}; }
  void keep_address_token(base::bytes_view) override {}
  base::result<void> move_to_fresh_socket(net::quic_connection&) override {
    return base::error{base::error_kind::unsupported, "there are no sockets here"};
  }

 private:
  static constexpr int rounds_per_turn = 4;  // as in net/quic_endpoint

  static net::udp_address address_of(const char* text) {
    return net::udp_address(boost::asio::ip::udp::endpoint(boost::asio::ip::make_address(text), 1935));
  }
  void run(std::shared_ptr<net::quic_connection> made, open_callback done) {
    connection_ = std::move(made);
    connection_->set_application(std::make_shared<net::quic_stream_transport>(connection_, world_.io, std::move(done)));
  }
  void on_packet(base::bytes_view bytes, const net::udp_address& from, const net::udp_address& where, std::uint8_t ecn) {
    if (where != seen_as_) return;
    const net::udp_datagram datagram{bytes, address_, from, ecn};
    if (!connection_ && accept_) accept(datagram);
    if (const auto connection = connection_) connection->read(datagram);
  }
  void accept(const net::udp_datagram& first) {
    net::quic_server_hello hello;
    if (ngtcp2_accept(&hello.header, first.bytes.data(), first.bytes.size()) != 0) return;
    hello.original_dcid = hello.header.dcid;
    auto tls = net::quic_tls::make_server(server_credentials(), server_.alpn);
    auto made = net::quic_connection::make_server(*this, std::move(tls).value(), server_, hello, address_, first.remote);
    run(std::move(made).value(), std::exchange(accept_, nullptr));
  }
  void post_turn() {
    world_.soon([this] { turn(); });
  }
  // What quic_endpoint::turn() does for many.
  void turn() {
    const auto connection = connection_;
    if (!connection) return;
    in_turn_ = true;
    for (int round = 0; round < rounds_per_turn && connection->touched; ++round) {
      connection->touched_again = false;
      connection->deliver();
      const bool again = std::exchange(connection->touched_again, false);
      connection->touched = again;
      connection->touched_again = again;
      connection->write();
    }
    in_turn_ = false;
    if (connection->touched && connection_) post_turn();
  }

  world& world_;
  std::mt19937_64 random_;
  path path_;
  net::udp_address address_, seen_as_;
  std::optional<net::udp_address> pretended_;
  host* peer_ = nullptr;
  net::quic_server_options server_;
  open_callback accept_;
  std::shared_ptr<net::quic_connection> connection_;
  quic_time due_ = quic_never;
  bool in_turn_ = false, ended_ = false;
};

}  // namespace millrace::sim
