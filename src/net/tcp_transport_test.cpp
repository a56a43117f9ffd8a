// TCP and TLS through the same tests: a listener on loopback, our own client, real sockets.
#include "net/tcp_transport.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <boost/asio/connect.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>

#include "net/listener.hpp"
#include "net/receive_rounds.hpp"
#include "net/tcp_client.hpp"
#include "support/net_fixtures.hpp"

namespace millrace::net {
namespace {

using boost::asio::ip::tcp;
using test::chain_of;
using test::recording_handler;
using test::run;
using test::run_until;
using namespace std::chrono_literals;

std::string pattern(std::size_t size) {
  std::string text(size, '\0');
  std::uint32_t state = 12345;
  for (auto& c : text) {
    state = state * 1664525u + 1013904223u;
    c = static_cast<char>(state >> 24);
  }
  return text;
}

// Many slices of uneven sizes, so that gather lists, records and partial writes are all met.
base::send_chain cut(const std::string& text) {
  base::send_chain chain;
  static constexpr std::size_t sizes[] = {1, 7, 128, 4096, 20'000, 3, 70'000, 11};
  std::size_t at = 0;
  for (std::size_t i = 0; at < text.size(); ++i) {
    const auto size = std::min(sizes[i % std::size(sizes)], text.size() - at);
    chain.push_back(base::slice::copy_of(base::as_bytes(std::string_view(text).substr(at, size))));
    at += size;
  }
  return chain;
}

class tcp_pair : public ::testing::TestWithParam<bool> {
 protected:
  // The listener speaks when the client has sent its first byte, so the pair is made by greeting.
  void SetUp() override {
    listener_options options;
    options.address = {"127.0.0.1", 0};
    options.quic = false;
    options.certificate = test::shared_identity();
    auto made = listen(io, options, [this](transport_ptr t, base::instant) { server = std::move(t); });
    ASSERT_TRUE(made) << made.error().text;
    listener_ = *std::move(made);
    tcp_connect_options connect;
    connect.remote = {boost::asio::ip::address_v4::loopback(), listener_->port()};
    connect.tls = GetParam();
    connect.server_name = "localhost";
    connect.verify.pin = test::shared_identity()->pin;
    auto connected = run(io, tcp_connect(connect));
    ASSERT_TRUE(connected) << connected.error().text;
    client = *std::move(connected);
    client->start(at_client);
    client->send(chain_of("\x03"));
    ASSERT_TRUE(run_until(io, [&] { return server != nullptr; }));
    server->start(at_server);
    ASSERT_TRUE(run_until(io, [&] { return at_server.received == "\x03"; }));
    at_server.received.clear();
    at_server.bursts = at_server.receives = 0;
  }
  void TearDown() override {
    EXPECT_FALSE(at_client.called_inside);
    EXPECT_FALSE(at_server.called_inside);
    if (client) client->abort();
    if (server) server->abort();
    io.poll();
  }

  boost::asio::io_context io;
  std::unique_ptr<listener> listener_;
  transport_ptr client, server;
  recording_handler at_client, at_server;
};

TEST_P(tcp_pair, CarriesEveryByteBothWays) {
  const auto there = pattern(3'000'000);
  const auto back = pattern(1'000'001);
  client->send(cut(there));
  server->send(cut(back));
  ASSERT_TRUE(run_until(io, [&] { return at_server.received.size() >= there.size() && at_client.received.size() >= back.size(); }));
  EXPECT_TRUE(at_server.received == there);
  EXPECT_TRUE(at_client.received == back);
  EXPECT_GT(at_server.bursts, 0);
  EXPECT_LE(at_server.bursts, at_server.receives);
  EXPECT_EQ(client->queued_bytes(), 0u);
  EXPECT_EQ(client->facts().bytes_sent, there.size() + 1);
  EXPECT_EQ(server->facts().bytes_received, there.size() + 1);
}

TEST_P(tcp_pair, WhatIsOnlyCountedIsNotHandedOnUnlessItHasToBeDecrypted) {
  EXPECT_EQ(server->count_only(), !GetParam());
  const auto there = pattern(3'000'000);
  client->send(cut(there));
  server->send(chain_of("back"));
  ASSERT_TRUE(run_until(io, [&] { return server->facts().bytes_received == there.size() + 1 && at_client.received == "back"; }));
  EXPECT_EQ(at_server.received.size(), GetParam() ? there.size() : 0u);
  client->close(close_code::no_error, "done");
  ASSERT_TRUE(run_until(io, [&] { return at_server.closed.has_value(); })) << "the end is seen all the same";
}

class tcp_in_rounds : public tcp_pair {
 protected:
  void SetUp() override {
    tcp_pair::SetUp();
    if (HasFatalFailure()) return;
    server->receive_in_rounds(true);
    rounds.gather(true);
  }
  void TearDown() override {
    rounds.gather(false);
    tcp_pair::TearDown();
  }
  // Loopback: what was written lies in the socket of the other side.
  void deliver(const std::string& text) {
    client->send(chain_of(text));
    ASSERT_TRUE(run_until(io, [&] { return client->queued_bytes() == 0; }));
    for (int i = 0; i < 10; ++i) io.poll();
  }
  receive_rounds& rounds = receive_rounds::of(io);
};

TEST_P(tcp_in_rounds, WhatComesWaitsForTheRoundAndIsOneBurst) {
  deliver("some ");
  deliver("media");
  EXPECT_EQ(at_server.received, "");
  ASSERT_TRUE(run_until(io, [&] {
    rounds.round();
    return at_server.received == "some media";
  }));
  EXPECT_EQ(at_server.bursts, 1);
  rounds.round();
  EXPECT_EQ(at_server.bursts, 1) << "nothing came, so there is no burst";
  server->send(chain_of("back"));
  ASSERT_TRUE(run_until(io, [&] { return at_client.received == "back"; })) << "what is sent does not wait";
}

TEST_P(tcp_in_rounds, MoreThanTheKernelIsMeantToHoldIsReadAtOnce) {
  const auto there = pattern(3'000'000);
  client->send(cut(there));
  ASSERT_TRUE(run_until(io, [&] { return at_server.received.size() + (64u << 10) >= there.size(); }));
  ASSERT_TRUE(run_until(io, [&] {
    rounds.round();
    return at_server.received.size() == there.size();
  }));
  EXPECT_TRUE(at_server.received == there);
}

TEST_P(tcp_in_rounds, TheEndAndWhatCameBeforeItIsReadAtOnce) {
  deliver("last words");
  client->close(close_code::no_error, "done");
  ASSERT_TRUE(run_until(io, [&] { return at_server.closed.has_value(); }));
  EXPECT_EQ(at_server.received, "last words");
}

TEST_P(tcp_in_rounds, WhoLeavesIsReadAsItComes) {
  deliver("before");
  server->receive_in_rounds(false);
  ASSERT_TRUE(run_until(io, [&] { return at_server.received == "before"; })) << "what lies there is no event of its own";
  client->send(chain_of(" and after"));
  ASSERT_TRUE(run_until(io, [&] { return at_server.received == "before and after"; }));
  server->receive_in_rounds(true);
  deliver("!");
  EXPECT_EQ(at_server.received, "before and after");
  rounds.gather(false);
  ASSERT_TRUE(run_until(io, [&] { return at_server.received == "before and after!"; })) << "there are no rounds any more";
}

TEST_P(tcp_in_rounds, WhoIsPausedIsNotRead) {
  deliver("media");
  server->pause_receive(true);
  rounds.round();
  EXPECT_EQ(at_server.received, "");
  server->pause_receive(false);
  ASSERT_TRUE(run_until(io, [&] {
    rounds.round();
    return at_server.received == "media";
  }));
}

TEST_P(tcp_in_rounds, WhoGoesInARoundIsGone) {
  deliver("media");
  at_server.during_receive = [this] {
    server->abort();
    server.reset();
  };
  ASSERT_TRUE(run_until(io, [&] {
    rounds.round();
    return server == nullptr;
  }));
  rounds.round();
}

TEST_P(tcp_pair, FactsTellWhoAndHow) {
  const auto facts = client->facts();
  EXPECT_EQ(facts.kind, GetParam() ? transport_kind::tls : transport_kind::tcp);
  EXPECT_EQ(facts.remote, "127.0.0.1:" + std::to_string(listener_->port()));
  EXPECT_EQ(facts.local, server->facts().remote);
  EXPECT_TRUE(facts.rtt.has_value());
  EXPECT_TRUE(facts.congestion_window.has_value());
  EXPECT_FALSE(facts.congestion_control.empty());
  if (GetParam()) {
    EXPECT_THAT(facts.tls, ::testing::StartsWith("TLS1.3 "));
    EXPECT_EQ(facts.peer_certificate_pin, test::shared_identity()->pin);
    EXPECT_THAT(facts.peer_certificate, ::testing::HasSubstr("localhost"));
  } else {
    EXPECT_EQ(facts.tls, "");
  }
}

TEST_P(tcp_pair, WhatTheKernelTookIsNotDelivered) {
  server->pause_receive(true);
  client->send(cut(pattern(30'000'000)));
  run_until(io, [] { return false; }, std::chrono::milliseconds(300));
  const auto delivered = client->delivered_bytes();
  EXPECT_GT(client->traffic_so_far().sent, delivered) << "the kernel took what the peer has no room for";
  EXPECT_GT(client->queued_bytes(), 0u);
  run_until(io, [] { return false; }, std::chrono::milliseconds(300));
  EXPECT_EQ(client->delivered_bytes(), delivered) << "so nothing is delivered";
  server->pause_receive(false);
  ASSERT_TRUE(run_until(io, [&] { return client->queued_bytes() == 0; }));
  const auto sent = client->traffic_so_far().sent;
  ASSERT_TRUE(run_until(io, [&] { return client->delivered_bytes() >= sent; })) << "acknowledgements go on when the kernel takes nothing more";
}

TEST_P(tcp_pair, NothingIsSentInsideSendAndOneTurnIsOneBurst) {
  client->send(chain_of("a"));
  client->send(chain_of("b"));
  client->send(chain_of("c"));
  EXPECT_EQ(client->queued_bytes(), 3u);
  ASSERT_TRUE(run_until(io, [&] { return at_server.received.size() == 3; }));
  EXPECT_EQ(at_server.received, "abc");
  ASSERT_TRUE(run_until(io, [&] { return at_server.bursts == 1; }));
  EXPECT_EQ(at_server.receives, 1);
}

TEST_P(tcp_pair, BudgetRunsOutAndComesBack) {
  server->pause_receive(true);
  EXPECT_EQ(client->send_budget(), tcp_high_water);
  const auto part = pattern(100'000);
  std::size_t sent = 0;
  // What the kernel takes is not the queue's: keep going until nobody takes any more.
  while (sent < 200'000'000) {
    if (client->send_budget() == 0) {
      const int before = at_client.writables;
      if (!run_until(
              io, [&] { return at_client.writables > before; }, 200ms))
        break;
      continue;
    }
    client->send(chain_of(part));
    sent += part.size();
  }
  EXPECT_EQ(client->send_budget(), 0u);
  EXPECT_GE(client->queued_bytes(), tcp_high_water);
  EXPECT_LT(client->queued_bytes(), tcp_high_water + part.size());
  EXPECT_GT(client->oldest_queued_age(std::chrono::steady_clock::now()), 100ms);
  EXPECT_LE(at_server.received.size(), 128u * 1024);
  const int before = at_client.writables, drained = at_client.drains;
  server->pause_receive(false);
  ASSERT_TRUE(run_until(io, [&] { return at_client.writables > before; }));
  EXPECT_GT(client->send_budget(), 0u);
  ASSERT_TRUE(run_until(io, [&] { return at_server.received.size() == sent; }));
  EXPECT_EQ(client->queued_bytes(), 0u);
  EXPECT_EQ(client->oldest_queued_age(std::chrono::steady_clock::now()), 0ns);
  EXPECT_EQ(at_client.drains, drained + 1);
}

TEST_P(tcp_pair, PauseStopsAndResumeGoesOn) {
  at_server.during_receive = [&] { server->pause_receive(true); };
  client->send(chain_of(pattern(1'000'000)));
  ASSERT_TRUE(run_until(io, [&] { return at_server.receives == 1; }));
  EXPECT_FALSE(run_until(
      io, [&] { return at_server.receives > 1; }, 50ms));
  EXPECT_EQ(at_server.bursts, 1);
  at_server.during_receive = nullptr;
  server->pause_receive(false);
  ASSERT_TRUE(run_until(io, [&] { return at_server.received.size() == 1'000'000; }));
}

TEST_P(tcp_pair, CloseFlushesWhatIsQueued) {
  const auto text = pattern(2'000'000);
  client->send(cut(text));
  client->close(close_code::no_error, "done");
  client.reset();  // the transport keeps itself alive
  ASSERT_TRUE(run_until(io, [&] { return at_server.closes == 1; }));
  EXPECT_TRUE(at_server.received == text);
  EXPECT_EQ(at_server.closed->reason.kind, base::error_kind::closed);
  EXPECT_TRUE(at_server.closed->by_peer);
  EXPECT_EQ(at_client.closes, 0);
}

// A server that refuses a publisher in full flow: its last words must not be lost to a reset.
TEST_P(tcp_pair, LastWordsArriveAlthoughThePeerIsStillSending) {
  at_client.during_writable = [&] { client->send(chain_of(pattern(100'000))); };
  client->send(chain_of(pattern(400'000)));
  at_server.during_receive_done = [&] {
    if (!server) return;
    server->send(chain_of("because"));
    server->close(close_code::general_error, "refused");
    server.reset();
  };
  ASSERT_TRUE(run_until(io, [&] { return at_client.closes == 1; }));
  EXPECT_EQ(at_client.received, "because");
  EXPECT_TRUE(at_client.closed->by_peer);
}

TEST_P(tcp_pair, CloseGivesUpOnAPeerThatDoesNotRead) {
  server->pause_receive(true);
  client->send(chain_of(pattern(40'000'000)));
  ASSERT_FALSE(run_until(
      io, [&] { return client->queued_bytes() == 0; }, 100ms));
  const std::weak_ptr<transport> watch = client;
  const auto start = std::chrono::steady_clock::now();
  client->close(close_code::no_error, "");
  client.reset();
  ASSERT_TRUE(run_until(
      io, [&] { return watch.expired(); }, 5s));
  const auto took = std::chrono::steady_clock::now() - start;
  EXPECT_GE(took, 1900ms);
  EXPECT_LT(took, 3s);
}

TEST_P(tcp_pair, AbortResetsAtOnce) {
  client->send(chain_of(pattern(2'000'000)));
  client->abort();
  EXPECT_EQ(client->queued_bytes(), 0u);
  ASSERT_TRUE(run_until(io, [&] { return at_server.closes == 1; }));
  EXPECT_EQ(at_server.closed->reason.kind, base::error_kind::unreachable);
  EXPECT_EQ(at_server.received, "");
  EXPECT_EQ(at_client.closes, 0);
}

TEST_P(tcp_pair, HandlerMayDropEverythingInsideOnReceive) {
  at_server.during_receive = [&] {
    server->abort();
    server.reset();
  };
  client->send(chain_of(pattern(300'000)));
  ASSERT_TRUE(run_until(io, [&] { return at_client.closes == 1; }));
  EXPECT_EQ(at_server.receives, 1);
  EXPECT_EQ(at_server.bursts, 0);
  EXPECT_EQ(at_server.closes, 0);
}

TEST_P(tcp_pair, HandlerMayDropEverythingInsideOnReceiveDoneAndOnClosed) {
  at_server.during_receive_done = [&] {
    server->close(close_code::no_error, "");
    server.reset();
  };
  at_client.during_closed = [&] { client.reset(); };
  client->send(chain_of("x"));
  ASSERT_TRUE(run_until(io, [&] { return at_client.closes == 1; }));
  EXPECT_EQ(client, nullptr);
  EXPECT_EQ(at_server.closes, 0);
}

TEST_P(tcp_pair, HandlerMayDropEverythingInsideOnWritable) {
  bool dropped = false;
  at_client.during_writable = [&] {
    client->abort();
    client.reset();
    dropped = true;
  };
  client->send(chain_of(pattern(10'000'000)));
  ASSERT_TRUE(run_until(io, [&] { return dropped; }));
  ASSERT_TRUE(run_until(io, [&] { return at_server.closes == 1; }));
  EXPECT_EQ(at_client.closes, 0);
}

TEST_P(tcp_pair, WhatCameBeforeTheEndIsDeliveredFirst) {
  bool had_all = false;
  at_server.during_closed = [&] { had_all = at_server.received == "bye" && at_server.bursts > 0; };
  client->send(chain_of("bye"));
  client->close(close_code::no_error, "");
  ASSERT_TRUE(run_until(io, [&] { return at_server.closes == 1; }));
  EXPECT_TRUE(had_all);
}

TEST_P(tcp_pair, SendAfterTheEndIsIgnored) {
  client->close(close_code::no_error, "");
  client->send(chain_of("late"));
  ASSERT_TRUE(run_until(io, [&] { return at_server.closes == 1; }));
  EXPECT_EQ(at_server.received, "");
  server->send(chain_of("late too"));
  server->close(close_code::no_error, "");
  server->abort();
  EXPECT_EQ(server->queued_bytes(), 0u);
}

TEST_P(tcp_pair, FactsAreThereInsideOnClosed) {
  transport_facts last;
  at_server.during_closed = [&] { last = server->facts(); };
  client->send(chain_of("abc"));
  client->abort();
  ASSERT_TRUE(run_until(io, [&] { return at_server.closes == 1; }));
  EXPECT_EQ(last.kind, server->kind());
  EXPECT_FALSE(last.remote.empty());
}

std::string name_of(const ::testing::TestParamInfo<bool>& which) { return which.param ? "tls" : "tcp"; }
INSTANTIATE_TEST_SUITE_P(transports, tcp_pair, ::testing::Bool(), name_of);
INSTANTIATE_TEST_SUITE_P(transports, tcp_in_rounds, ::testing::Bool(), name_of);

}  // namespace
}  // namespace millrace::net
