// What a server says while it goes (sections 7 and 11 of doc/protocol/conformance.md): no client can provoke it.
#include <gtest/gtest.h>

#include "conform/scene.hpp"
#include "support/conform_target.hpp"
#include "support/net_fixtures.hpp"

namespace millrace::conform {
namespace {

namespace asio = boost::asio;
namespace amf0 = rtmp::amf0;

class leaving : public testing::TestWithParam<const char*> {
 protected:
  // One client that can reconnect keeps the server for a while; another one has shaken hands and connects only now. Returns the answer
  // that this one gets.
  asio::awaitable<rtmp::command> go(test::running_server& s) {
    const auto where = test::conform_target(s, GetParam());
    context c(s.io, where, "leaving");
    std::vector<amf0::member> can{{"capsEx", 1.0}};
    const auto able = co_await c.connected_with(std::move(can));
    const auto late = co_await c.handshaken();
    s.instance->shut_down([] {});
    co_await wait_code(able, "NetConnection.Connect.ReconnectRequest");
    late->call("connect", 1, {}, 0, c.connect_object());
    co_return co_await late->wait_command("_error", 1);
  }
};
INSTANTIATE_TEST_SUITE_P(transports, leaving, testing::Values("rtmp", "rtmps", "rtmpq", "roqr"),
                         [](const auto& each) { return std::string(each.param); });

TEST_P(leaving, S6_who_comes_is_told_that_the_server_goes) {
  test::running_server s(true, [](server::config& settings) { settings.drain = milliseconds(5'000); });
  const auto refused = rtmp::read_status(test::run(s.io, go(s)).arg(0));
  EXPECT_EQ(refused.level, "error");
  EXPECT_EQ(refused.code, "NetConnection.Connect.AppShutdown");
  EXPECT_FALSE(refused.description.empty());
}

TEST_P(leaving, N7_who_comes_is_sent_to_where_the_server_drains_to) {
  test::running_server s(true, [](server::config& settings) {
    settings.drain = milliseconds(5'000);
    settings.drain_to = "rtmps://other.example.com/live";
  });
  const auto answer = test::run(s.io, go(s));
  EXPECT_EQ(rtmp::read_status(answer.arg(0)).code, "NetConnection.Connect.Rejected");
  const auto* ex = answer.arg(0)->find("ex");
  ASSERT_TRUE(ex && ex->find("code") && ex->find("redirect"));
  EXPECT_EQ(*ex->find("code")->number(), 302);
  EXPECT_EQ(*ex->find("redirect")->text(), "rtmps://other.example.com/live");
}

}  // namespace
}  // namespace millrace::conform
