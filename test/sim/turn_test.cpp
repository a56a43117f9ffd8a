// What a connection asks of its endpoint (net/quic_endpoint), in virtual time.
#include <gtest/gtest.h>

#include "sim/host.hpp"

namespace millrace::sim {
namespace {

struct end : net::transport_handler {
  void on_receive(base::bytes_view bytes) override { received += bytes.size(); }
  void on_receive_done() override {}
  void on_writable() override {}
  void on_closed(const net::close_info&) override {}
  net::transport_ptr transport;
  std::size_t received = 0;
};

// Where hundreds have something to send one waits for its turn for a while. It had its delivery before that: what it reads meanwhile needs another one.
TEST(turn, a_connection_that_waits_to_write_asks_for_the_delivery_of_what_it_reads) {
  world w;
  path_options way;
  way.delay = std::chrono::milliseconds(5);
  host client_host(w, 1, "10.0.0.1", way), server_host(w, 2, "10.0.0.2", way);
  end client, server;
  client_host.join(server_host);
  const auto into = [](end& e) {
    return [&e](base::result<net::transport_ptr> opened) {
      e.transport = std::move(*opened);
      e.transport->start(e);
    };
  };
  const auto say = [&] {
    base::send_chain chain;
    chain.push_back(base::slice(std::vector<std::uint8_t>(100, 1)));
    client.transport->send(std::move(chain));
  };
  server_host.listen({}, into(server));
  client_host.dial({}, into(client));
  ASSERT_TRUE(w.run([&] { return client.transport != nullptr; }, w.now() + 10 * second));
  say();
  ASSERT_TRUE(w.run([&] { return server.received == 100; }, w.now() + second));
  w.run([] { return false; }, w.now() + second);
  auto& waiting = server_host.connection();
  waiting.touched = true;
  say();
  EXPECT_TRUE(w.run([&] { return waiting.touched_again; }, w.now() + second));
  EXPECT_EQ(server.received, 100u) << "not from inside the reading";
}

}  // namespace
}  // namespace millrace::sim
