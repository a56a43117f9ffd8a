// Where a server takes its peer to be, in virtual time.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "sim/host.hpp"

namespace millrace::sim {
namespace {

struct end : net::transport_handler {
  void on_receive(base::bytes_view bytes) override { received += bytes.size(); }
  void on_receive_done() override {}
  void on_writable() override {}
  void on_closed(const net::close_info& info) override { closed = info.reason.text; }
  void on_path_changed(const std::string& remote, std::chrono::milliseconds) override { moves.push_back(remote); }
  net::transport_ptr transport;
  std::size_t received = 0;
  std::optional<std::string> closed;
  std::vector<std::string> moves;
};

class address : public testing::Test {
 protected:
  address() : client_host(w, 1, "10.0.0.1", way()), server_host(w, 2, "10.0.0.2", way()) {
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
    EXPECT_TRUE(w.run([&] { return server.received > 1'000; }, w.now() + 10 * second));
  }
  static path_options way() {
    path_options out;
    out.delay = std::chrono::milliseconds(20);
    return out;
  }
  // A hundred bytes twenty times a second, for ever.
  void speak() {
    if (client.closed) return;
    base::send_chain chain;
    chain.push_back(base::slice(std::vector<std::uint8_t>(100, 1)));
    client.transport->send(std::move(chain));
    w.at(w.now() + second / 20, [this] { speak(); });
  }

  world w;
  host client_host, server_host;
  end client, server;
};

TEST_F(address, is_the_new_one_once_that_has_proved_itself) {
  client_host.rebind("10.0.0.77");
  EXPECT_TRUE(w.run([&] { return !server.moves.empty(); }, w.now() + 5 * second));
  EXPECT_THAT(server.moves, testing::ElementsAre("10.0.0.77:1935"));
  EXPECT_EQ(server.transport->facts().remote, "10.0.0.77:1935");
}

// What is published under an address must not go on for ever where that address is not.
TEST_F(address, that_never_proves_itself_is_never_told_and_ends_the_connection) {
  client_host.pretend("10.0.0.77");
  const auto since = w.now();
  EXPECT_FALSE(w.run([&] { return server.closed.has_value(); }, since + 5 * second)) << "validations may fail on a bad network";
  EXPECT_GT(server.transport->facts().path_changes, 0u);
  EXPECT_TRUE(w.run([&] { return server.closed.has_value(); }, since + 60 * second));
  EXPECT_EQ(server.closed.value_or(""), "the new address did not prove itself");
  EXPECT_THAT(server.moves, testing::IsEmpty());
}

}  // namespace
}  // namespace millrace::sim
