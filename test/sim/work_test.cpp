// What a QUIC peer of a server may send that brings nothing, in virtual time: a fast publisher whose packets get lost is no flood, and a flood is none of those.
#include <gtest/gtest.h>

#include <optional>
#include <string>

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

struct line {
  std::string name;
  std::size_t megabits;
  std::chrono::milliseconds one_way;
  double loss;
};

path_options way(std::chrono::milliseconds one_way, double loss) {
  path_options out;
  out.delay = one_way;
  out.loss = loss;
  return out;
}

// A publisher that sends nothing twice: another program's client.
class publisher {
 public:
  explicit publisher(const line& over) : client_host(w, 1, "10.0.0.1", way(over.one_way, over.loss)), server_host(w, 2, "10.0.0.2", way(over.one_way, 0)) {
    client_host.join(server_host);
    const auto into = [](end& e) {
      return [&e](base::result<net::transport_ptr> opened) {
        e.transport = std::move(*opened);
        e.transport->start(e);
      };
    };
    server_host.listen({}, into(server));
    net::quic_client_options options;
    options.redundancy = net::redundancy_policy::off;
    client_host.dial(options, into(client));
    EXPECT_TRUE(w.run([&] { return client.transport != nullptr; }, w.now() + 30 * second));
    send(100);
    EXPECT_TRUE(w.run([&] { return server.received > 0; }, w.now() + 30 * second));
    server.transport->expect_media();
  }
  void send(std::size_t bytes) {
    base::send_chain chain;
    chain.push_back(base::slice(std::vector<std::uint8_t>(bytes, 1)));
    client.transport->send(std::move(chain));
    sent += bytes;
  }
  void stream(std::size_t megabits) {
    if (client.closed) return;
    send(megabits * 1'250);
    w.at(w.now() + 10 * millisecond, [this, megabits] { stream(megabits); });
  }
  // Packets with nothing but a frame of a few bytes: room for one stream more.
  void flood(quic_time every) {
    if (client.closed || client_host.over()) return;
    client_host.connection().allow_another(3);
    client_host.connection().touch();
    w.at(w.now() + every, [this, every] { flood(every); });
  }

  world w;
  host client_host, server_host;
  end client, server;
  std::size_t sent = 0;
};

class work : public testing::TestWithParam<line> {};

// While a hole is open nothing of what comes behind it is handed on: on these lines that is most of the time.
TEST_P(work, of_a_fast_publisher_with_holes_is_no_flood) {
  publisher p(GetParam());
  p.stream(GetParam().megabits);
  EXPECT_FALSE(p.w.run([&] { return p.server.closed || p.client.closed; }, p.w.now() + 30 * second)) << p.server.closed.value_or("the client's end");
  EXPECT_GT(p.server.received, p.sent / 2) << "it is not as fast as it is meant to be";
}
INSTANTIATE_TEST_SUITE_P(lines, work,
                         testing::Values(line{"contribution_4k", 40, std::chrono::milliseconds(50), 0.01},
                                         line{"across_an_ocean", 30, std::chrono::milliseconds(50), 0.01},
                                         line{"satellite", 60, std::chrono::milliseconds(300), 0.002}),
                         [](const auto& of) { return of.param.name; });

TEST(work_that_brings_nothing, ends_a_publisher_too) {
  publisher p({"", 0, std::chrono::milliseconds(20), 0});
  p.stream(1);
  p.flood(second / 4'000);
  const auto since = p.w.now();
  EXPECT_TRUE(p.w.run([&] { return p.server.closed.has_value(); }, since + 10 * second));
  EXPECT_EQ(p.server.closed.value_or(""), "too many datagrams that bring nothing");
}

TEST(work_that_brings_nothing, may_be_a_thousand_datagrams_a_second) {
  publisher p({"", 0, std::chrono::milliseconds(20), 0});
  p.flood(second / 1'000);
  EXPECT_FALSE(p.w.run([&] { return p.server.closed.has_value(); }, p.w.now() + 20 * second)) << *p.server.closed;
}

}  // namespace
}  // namespace millrace::sim
