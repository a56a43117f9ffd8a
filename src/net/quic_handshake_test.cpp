// How QUIC connections come about and why they do not: certificates, ALPN, refusals, silence, address validation.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "net/address_table.hpp"
#include "support/quic_fixtures.hpp"
#include "support/quic_raw_peer.hpp"
#include "support/udp_relay.hpp"

namespace millrace::net {
namespace {

using namespace std::chrono_literals;
using base::error_kind;
using test::chain_of;
using test::loopback;
using test::quic_world;
using test::run_until;
using testing::HasSubstr;

TEST(quic_certificate, the_right_pin_is_enough) {
  quic_world world;
  world.listen();
  auto options = world.options();
  options.server_name = "some.other.name";
  options.server_name_is_ip = false;
  for (auto& c : options.verify.pin) c = static_cast<char>(std::toupper(c));  // hex is hex
  EXPECT_TRUE(world.dial(options));
}

TEST(quic_certificate, a_wrong_pin_is_a_certificate_error_that_shows_the_pin) {
  quic_world world;
  world.listen();
  auto options = world.options();
  options.verify.pin = std::string(64, 'a');
  const auto result = world.dial(options);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().kind, error_kind::certificate);
  EXPECT_THAT(result.error().text, HasSubstr(test::shared_identity()->pin));
  EXPECT_TRUE(run_until(world.io, [&] { return world.server->counters().half_open == 0; })) << "the server was told";
}

TEST(quic_certificate, self_signed_is_refused_with_advice) {
  quic_world world;
  world.listen();
  auto options = world.options();
  options.verify.pin.clear();
  options.server_name = "localhost";
  options.server_name_is_ip = false;
  const auto result = world.dial(options);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().kind, error_kind::certificate);
  EXPECT_THAT(result.error().text, HasSubstr("self-signed"));
  EXPECT_THAT(result.error().text, HasSubstr("pin=" + test::shared_identity()->pin));
  EXPECT_THAT(result.error().text, HasSubstr("--ca"));
}

class quic_ca_file : public testing::Test {
 protected:
  quic_ca_file() {
    std::ofstream(directory.path() / "ca.pem") << test::shared_identity()->certificate_pem;
    world.listen();
    options = world.options();
    options.verify.pin.clear();
    options.verify.ca_file = directory.path() / "ca.pem";
    options.server_name_is_ip = false;
  }
  test::temporary_directory directory;
  quic_world world;
  quic_connect_options options;
};

TEST_F(quic_ca_file, makes_its_certificate_acceptable_for_its_names) {
  options.server_name = "localhost";
  const auto result = world.dial(options);
  EXPECT_TRUE(result) << result.error().text;
}

TEST_F(quic_ca_file, does_not_make_other_names_acceptable) {
  options.server_name = "example.org";
  const auto result = world.dial(options);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().kind, error_kind::certificate);
  EXPECT_THAT(result.error().text, HasSubstr("not for example.org"));
}

TEST_F(quic_ca_file, that_is_missing_is_a_local_error) {
  options.verify.ca_file = directory.path() / "none.pem";
  const auto result = world.dial(options);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().kind, error_kind::local);
  EXPECT_THAT(result.error().text, HasSubstr("none.pem"));
}

TEST(quic_certificate, insecure_takes_anything) {
  quic_world world;
  world.listen();
  auto options = world.options();
  options.verify.pin.clear();
  options.verify.insecure = true;
  EXPECT_TRUE(world.dial(options));
}

TEST(quic_handshake, another_alpn_is_unsupported_and_known_at_once) {
  quic_world world;
  world.server_options.alpn = {"h3"};
  world.client_options.handshake_timeout = 8s;
  world.listen();
  const auto begun = std::chrono::steady_clock::now();
  const auto result = world.dial(world.options());
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().kind, error_kind::unsupported);
  EXPECT_LT(std::chrono::steady_clock::now() - begun, 4s) << "the server must send its TLS alert";
}

TEST(quic_handshake, a_closed_port_is_unreachable_at_once) {
  quic_world world;
  boost::asio::ip::udp::socket taken(world.io, loopback(0));
  const auto port = taken.local_endpoint().port();
  taken.close();
  world.client_options.handshake_timeout = 8s;
  const auto begun = std::chrono::steady_clock::now();
  const auto result = world.dial(world.options(port));
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().kind, error_kind::unreachable);
  EXPECT_LT(std::chrono::steady_clock::now() - begun, 2s);
}

TEST(quic_handshake, a_silent_port_times_out) {
  quic_world world;
  const boost::asio::ip::udp::socket silent(world.io, loopback(0));
  world.client_options.handshake_timeout = 300ms;
  const auto begun = std::chrono::steady_clock::now();
  const auto result = world.dial(world.options(silent.local_endpoint().port()));
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().kind, error_kind::timeout);
  EXPECT_THAT(result.error().text, HasSubstr("300 ms"));
  const auto took = std::chrono::steady_clock::now() - begun;
  EXPECT_GE(took, 300ms);
  EXPECT_LT(took, 3s);
}

TEST(quic_handshake, a_given_up_attempt_never_calls_back) {
  quic_world world;
  world.listen();
  bool called = false;
  auto attempt = quic_connect(world.io, world.options(), [&](auto) { called = true; });
  attempt.reset();
  run_until(
      world.io, [&] { return called; }, 200ms);
  EXPECT_FALSE(called);

  attempt = quic_connect(world.io, world.options(), [&](auto) { called = true; });
  ASSERT_TRUE(run_until(world.io, [&] { return world.server->counters().half_open == 1; }));
  attempt.reset();  // in the middle of the handshake
  ASSERT_TRUE(run_until(world.io, [&] { return world.server->counters().half_open == 0; })) << "the server learns of it";
  EXPECT_FALSE(called);
}

TEST(quic_handshake, done_may_destroy_the_attempt) {
  quic_world world;
  world.listen();
  std::unique_ptr<quic_attempt> attempt;
  transport_ptr got;
  attempt = quic_connect(world.io, world.options(), [&](base::result<transport_ptr> result) {
    attempt.reset();
    got = std::move(*result);
  });
  ASSERT_TRUE(run_until(world.io, [&] { return got != nullptr; }));
  got->send(chain_of("still alive"));
  EXPECT_TRUE(run_until(world.io, [&] { return world.accepted.size() == 1 && world.accepted[0]->handler.received == "still alive"; }));
}

TEST(quic_handshake, who_may_not_begin_is_refused_before_any_state) {
  quic_world world;
  std::vector<std::string> asked;
  world.admission.may_begin = [&](const test::udp_endpoint& from) {
    asked.push_back(from.address().to_string());
    return false;
  };
  world.listen();
  const auto result = world.dial(world.options());
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().kind, error_kind::unreachable);
  EXPECT_THAT(result.error().text, HasSubstr("CONNECTION_REFUSED"));
  EXPECT_THAT(asked, testing::Contains("127.0.0.1"));
  EXPECT_EQ(world.server->counters().connections, 0u);
}

TEST(quic_handshake, a_stopped_server_keeps_what_it_has) {
  quic_world world;
  world.listen();
  const auto [client, server] = world.pair();
  ASSERT_NE(server, nullptr);
  world.server->stop();
  EXPECT_FALSE(world.dial(world.options()));
  client->transport->send(chain_of("goes on"));
  EXPECT_TRUE(run_until(world.io, [&, s = server] { return s->handler.received == "goes on"; }));
}

// More than fit in one turn of the loop: they wait for each other, and none is lost.
TEST(quic_handshake, many_at_once_are_all_served) {
  quic_world world;
  world.listen();
  constexpr std::size_t count = 150;
  std::size_t done = 0, failed = 0;
  std::vector<std::unique_ptr<quic_attempt>> attempts;
  std::vector<transport_ptr> made;
  for (std::size_t i = 0; i < count; ++i) {
    attempts.push_back(quic_connect(world.io, world.options(), [&](base::result<transport_ptr> outcome) {
      if (!outcome) return void(++failed);
      ++done;
      made.push_back(std::move(*outcome));
    }));
  }
  ASSERT_TRUE(run_until(world.io, [&] { return done + failed == count; }, std::chrono::seconds(60)));
  EXPECT_EQ(failed, 0u);
  EXPECT_EQ(world.server->counters().handshakes_dropped, 0u);
  EXPECT_EQ(world.server->counters().connections, count);
}

TEST(quic_address_validation, retry_always_still_connects) {
  quic_world world;
  world.server_options.retry = retry_policy::always;
  world.listen();
  const auto [client, server] = world.pair();
  ASSERT_NE(server, nullptr);
  EXPECT_EQ(world.server->counters().retries_sent, 1u);
}

TEST(quic_address_validation, a_token_from_the_last_visit_saves_the_retry) {
  quic_world world;
  world.server_options.retry = retry_policy::always;
  world.listen();
  for (int visit = 0; visit < 3; ++visit) {
    const auto [client, server] = world.pair();
    ASSERT_NE(server, nullptr);
    EXPECT_EQ(world.server->counters().retries_sent, 1u) << "visit " << visit;
    server->transport->send(chain_of("welcome"));  // behind the token, so that the token has arrived when this has
    ASSERT_TRUE(run_until(world.io, [&, c = client] { return c->handler.received == "welcome"; }));
  }
}

TEST(quic_address_validation, retry_starts_under_load) {
  quic_world world;
  world.server_options.retry_above_half_open = 4;
  world.listen();
  test::udp_relay relay(world.io, loopback(world.server->port()));
  relay.now.cut_down = true;  // clients that never answer: half open they stay
  std::vector<std::unique_ptr<quic_attempt>> stuck;
  for (int i = 0; i < 4; ++i) stuck.push_back(quic_connect(world.io, world.options(relay.port()), [](auto) {}));
  ASSERT_TRUE(run_until(world.io, [&] { return world.server->counters().half_open == 4; }));
  EXPECT_EQ(world.server->counters().retries_sent, 0u);
  const auto [client, server] = world.pair();
  EXPECT_NE(server, nullptr);
  EXPECT_EQ(world.server->counters().retries_sent, 1u);
}

// Who proves its address is counted for it at once, so that one address cannot take all the places of clients in their handshake.
TEST(quic_address_validation, one_address_with_a_token_does_not_lock_new_clients_out) {
  quic_world world;
  world.server_options.retry_above_half_open = 64;  // at four times as many nobody is listened to
  const auto table = std::make_shared<address_table>(100, 0, true);
  world.admission.take = [&](const test::udp_endpoint& from) { return table->take(from.address(), std::chrono::steady_clock::now()); };
  world.listen();
  std::vector<std::shared_ptr<test::quic_raw_peer>> liars;
  const auto first = liars.emplace_back(test::quic_raw_peer::dial(world.io, loopback(world.server->port())));
  ASSERT_TRUE(run_until(world.io, [&] { return !first->given_token.empty(); }));
  for (int i = 0; i < 300; ++i) {
    liars.push_back(test::quic_raw_peer::dial(world.io, loopback(world.server->port()), first->given_token));
    liars.back()->deaf = true;
  }
  ASSERT_TRUE(run_until(world.io, [&] { return world.server->counters().half_open >= 99; }));
  test::udp_relay elsewhere(world.io, loopback(world.server->port()));
  elsewhere.rebind("127.0.0.2");
  EXPECT_NE(world.pair(world.options(elsewhere.port())).second, nullptr);
  EXPECT_LE(world.server->counters().half_open, 99u);
  for (const auto& each : liars) each->hang_up();
}

TEST(quic_address_validation, sends_at_most_three_times_the_bytes_to_an_unvalidated_address) {
  quic_world world;
  world.listen();
  test::udp_relay relay(world.io, loopback(world.server->port()));
  relay.now.cut_down = true;  // the "client" never proves that it hears anything
  std::size_t up = 0, down = 0;
  relay.tap = [&](bool upwards, const std::vector<std::uint8_t>& bytes) {
    if (!upwards) {
      down += bytes.size();
    } else if (up == 0) {
      up = bytes.size();
    } else {
      relay.now.cut_up = true;  // only the first datagram gets through
    }
  };
  world.client_options.handshake_timeout = 2s;
  EXPECT_FALSE(world.dial(world.options(relay.port())));
  EXPECT_GE(up, 1200u);
  EXPECT_GT(down, 0u);
  EXPECT_LE(down, 3 * up);
}

}  // namespace
}  // namespace millrace::net
