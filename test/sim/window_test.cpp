// How much a peer of a server may send unread, in virtual time: little before it publishes, and then so much that the way alone decides how fast it is.
#include <gtest/gtest.h>

#include <algorithm>

#include "sim/host.hpp"

namespace millrace::sim {
namespace {

struct end : net::transport_handler {
  void on_receive(base::bytes_view bytes) override { received += bytes.size(); }
  void on_receive_done() override {}
  void on_writable() override {}
  void on_closed(const net::close_info& info) override { closed = info.reason.text; }
  net::transport_ptr transport;
  std::size_t received = 0;
  std::optional<std::string> closed;
};

constexpr std::uint64_t megabyte = 1u << 20;

// 50 Mbit/s over a round trip of 300 ms: 1.9 MB under way.
class window : public testing::Test {
 protected:
  window() : client_host(w, 1, "10.0.0.1", way()), server_host(w, 2, "10.0.0.2", way()) {
    client_host.join(server_host);
    const auto into = [](end& e) {
      return [&e](base::result<net::transport_ptr> opened) {
        e.transport = std::move(*opened);
        e.transport->start(e);
      };
    };
    server_host.listen({}, into(server));
    client_host.dial({}, into(client));
    EXPECT_TRUE(w.run([&] { return client.transport != nullptr; }, w.now() + 10 * second));
    speak();
    EXPECT_TRUE(w.run([&] { return server.received > 0; }, w.now() + 10 * second));
  }
  static path_options way() {
    path_options out;
    out.delay = std::chrono::milliseconds(150);
    return out;
  }
  // For ever. Whoever reads at the other end does so at once.
  void speak() {
    if (client.closed) return;
    left_least = std::min(left_least, left());
    left_most = std::max(left_most, left());
    constexpr std::size_t size = 62'500;
    base::send_chain chain;
    chain.push_back(base::slice(std::vector<std::uint8_t>(size, 1)));
    client.transport->send(std::move(chain));
    sent += size;
    w.at(w.now() + 10 * millisecond, [this] { speak(); });
  }
  [[nodiscard]] std::uint64_t left() const { return ngtcp2_conn_get_max_data_left2(client_host.connection().native()); }

  world w;
  host client_host, server_host;
  end client, server;
  std::size_t sent = 0;
  std::uint64_t left_least = ~std::uint64_t{0}, left_most = 0;
};

TEST_F(window, of_a_stranger_does_not_grow_with_what_it_sends) {
  EXPECT_TRUE(w.run([&] { return server.received > 30 * megabyte; }, w.now() + 60 * second));
  EXPECT_LE(left_most, 2 * megabyte);
}

TEST_F(window, of_a_publisher_that_sent_much_before_is_what_every_publisher_has) {
  EXPECT_TRUE(w.run([&] { return server.received > 30 * megabyte; }, w.now() + 60 * second));
  server.transport->expect_media();
  w.run([] { return false; }, w.now() + 30 * second);
  EXPECT_GT(left_most, 14 * megabyte);
  EXPECT_LE(left_most, 16 * megabyte);
}

TEST_F(window, of_a_publisher_holds_up_nothing) {
  server.transport->expect_media();
  w.run([] { return false; }, w.now() + 10 * second);
  left_least = left_most;
  const auto offered = sent, before = server.received;
  w.run([] { return false; }, w.now() + 10 * second);
  EXPECT_FALSE(client.closed) << *client.closed;
  EXPECT_GT(server.received - before, (sent - offered) * 98 / 100);
  EXPECT_LT(sent - server.received, 3 * megabyte) << "it waits for something";
  EXPECT_GT(left_least, 12 * megabyte) << "told of in time";
}

}  // namespace
}  // namespace millrace::sim
