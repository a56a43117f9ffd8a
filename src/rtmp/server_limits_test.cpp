// What a peer cannot make the server session do (doc: limits), and its clock.
#include <gmock/gmock.h>

#include "support/rtmp_peer.hpp"
#include "support/wire_frames.hpp"

namespace millrace::rtmp {
namespace {

using namespace std::chrono_literals;
using test::scripted_client;
using ::testing::HasSubstr;

base::rtmp_limits many_commands() {
  base::rtmp_limits limits;
  limits.command_burst = 1e9;
  return limits;
}

TEST(server_limits, H9_handshake_and_connect_deadline_is_absolute) {
  scripted_client dribbler({}, false);
  for (int i = 0; i < 9; ++i) {
    dribbler.send_bytes(test::bytes{3});
    dribbler.advance(1s);
  }
  dribbler.advance(999ms);
  EXPECT_FALSE(dribbler.server.is_closed());
  dribbler.advance(1ms);
  ASSERT_TRUE(dribbler.closed_by());
  EXPECT_EQ(dribbler.closed_by()->kind, base::error_kind::timeout);
  EXPECT_THAT(dribbler.closed_by()->text, HasSubstr("no handshake"));

  scripted_client mute;
  EXPECT_EQ(mute.server.poll_timeout(), test::at(10s));
  mute.advance(10s);
  EXPECT_THAT(mute.closed_by()->text, HasSubstr("no connect within 10000 ms"));

  scripted_client undecided;  // a connect that nobody answers is not served either
  undecided.accept = false;
  undecided.connect();
  undecided.advance(10s);
  EXPECT_TRUE(undecided.server.is_closed());
}

TEST(server_limits, H1_not_rtmp) {
  scripted_client c({}, false);
  c.send_bytes(base::as_bytes("GET / HTTP/1.1\r\n"));
  ASSERT_TRUE(c.closed_by());
  EXPECT_EQ(c.closed_by()->kind, base::error_kind::protocol);
  EXPECT_THAT(c.closed_by()->text, HasSubstr("HTTP"));
}

TEST(server_limits, idle_connection) {
  scripted_client c;
  c.connect();
  for (int i = 0; i < 29; ++i) {
    c.advance(1s);
    c.call("frobnicate", 0);  // noise is no use
  }
  EXPECT_FALSE(c.server.is_closed());
  c.advance(1s);
  EXPECT_THAT(c.closed_by()->text, HasSubstr("neither publishing nor playing"));
}

TEST(server_limits, idle_counts_again_after_the_last_use) {
  scripted_client c;
  c.connect();
  c.advance(20s);
  c.play();
  for (int i = 0; i < 10; ++i) {
    c.advance(9s);
    c.send(make_user_control(user_event::ping_response, 0));
  }
  EXPECT_FALSE(c.server.is_closed());
  c.call("deleteStream", 0, {1.0});
  EXPECT_EQ(c.server.poll_timeout(), std::min(c.now + 30s, c.now + 10s));  // idle, or the ping before it
  c.advance(20s);
  c.send(make_user_control(user_event::ping_response, 0));
  c.advance(10s);
  EXPECT_TRUE(c.server.is_closed());
}

TEST(server_limits, silence_while_the_driver_does_not_read_is_not_the_peers) {
  scripted_client c;
  c.connect();
  c.publish();
  for (int i = 0; i < 4; ++i) {
    c.now += 10s;
    c.server.excuse_silence(c.now);
    c.server.on_timer(c.now);
  }
  EXPECT_FALSE(c.server.is_closed());
  c.now += 29s;
  c.server.on_timer(c.now);
  EXPECT_FALSE(c.server.is_closed());
  c.now += 1s;
  c.server.on_timer(c.now);
  EXPECT_TRUE(c.server.is_closed()) << "from then on it counts again";
}

TEST(server_limits, refusals_put_nothing_off) {
  scripted_client c;
  c.connect();
  for (int i = 0; i < 14; ++i) {
    c.advance(2s);
    c.call("publish", 0, {"a"}, 77);  // no such message stream
  }
  EXPECT_FALSE(c.server.is_closed());
  c.advance(2s);
  EXPECT_THAT(c.closed_by()->text, HasSubstr("neither publishing nor playing"));

  scripted_client once;
  once.connect();
  once.call("play", 0, {"a"}, 77);
  once.advance(3s);
  EXPECT_THAT(once.closed_by()->text, HasSubstr("nothing was tried after a refusal"));
}

TEST(server_limits, command_rate) {
  scripted_client c;
  c.connect();
  int sent = 0;
  while (!c.server.is_closed() && sent < 1000) {
    c.call("releaseStream", 0, {"a"});
    ++sent;
  }
  EXPECT_EQ(sent, 500);  // connect was the first of the burst; the one past it closes
  EXPECT_EQ(c.closed_by()->kind, base::error_kind::limit);

  scripted_client steady;
  steady.connect();
  for (int i = 0; i < 2000 && !steady.server.is_closed(); ++i) {
    steady.advance(10ms);
    steady.send(make_user_control(user_event::ping_request, 1));
  }
  EXPECT_FALSE(steady.server.is_closed());  // 100/s for 20 s

  scripted_client pings;
  pings.connect();
  for (int i = 0; i < 600; ++i) pings.send(make_user_control(user_event::ping_request, 1));
  EXPECT_TRUE(pings.server.is_closed());
}

TEST(server_limits, reply_queue) {
  server_config config;
  config.limits = many_commands();
  scripted_client c(config);
  c.connect();
  const auto call = encode_chunks(make_command(0, "x", 5, amf0::null{}), 128).flatten();
  std::size_t sent = 0;
  while (!c.server.is_closed() && sent < (10u << 20)) {  // never polled
    c.server.receive(c.now, call);
    sent += call.size();
  }
  EXPECT_TRUE(c.server.is_closed());
  EXPECT_LT(c.server.poll_output().size(), 2 * config.limits->reply_queue_bytes);
}

// As a connection does it: what a batch is answered with goes to a transport, from which nothing leaves.
TEST(server_limits, replies_that_wait_in_the_transport) {
  server_config config;
  config.limits = many_commands();
  scripted_client c(config);
  c.connect();
  std::size_t queued = 0;
  const auto echoed = encode_chunks(make_command(0, "FCPublish", 5, amf0::null{}, {std::string(60'000, 'a')}), 128).flatten();
  const auto call = [&](int times) {
    for (int i = 0; i < times; ++i) {
      c.server.receive(c.now, echoed);
      queued += c.server.poll_output().size();
      c.server.on_unsent(queued);
    }
  };
  call(4);
  EXPECT_FALSE(c.server.is_closed());
  queued = 0;  // the peer reads
  call(4);
  EXPECT_FALSE(c.server.is_closed());
  call(1);
  ASSERT_TRUE(c.server.is_closed());
  c.settle();
  EXPECT_EQ(c.closed_by()->kind, base::error_kind::limit);
  EXPECT_THAT(c.closed_by()->text, HasSubstr("replies that the peer does not read exceed 262144 bytes"));
}

// A viewer at the end of what its network takes: the queue is never empty, and what is in it changes.
TEST(server_limits, media_that_waits_is_no_reply) {
  scripted_client c;
  c.connect();
  c.play();
  const auto frame = test::make_frame(media::frame_kind::video, 0, test::bytes(300'000, 0x17));
  for (int i = 0; i < 3000; ++i) {
    c.server.send(c.now, 1, frame, nullptr);
    c.server.notify_play(1, {"warning", "NetStream.Play.InsufficientBW", std::string(200, 'x')});
    c.server.on_unsent(c.server.poll_output().size() + 300'000);
    ASSERT_FALSE(c.server.is_closed()) << i;
  }
}

TEST(server_limits, set_peer_bandwidth_is_answered_once_a_batch) {
  scripted_client c;
  c.connect();
  c.raw_output.clear();
  test::bytes batch;
  for (std::uint32_t i = 0; i < 400; ++i) {
    const auto one = encode_chunks(make_set_peer_bandwidth(1'000'000 + i % 2, bandwidth_limit::hard), 128).flatten();
    batch.insert(batch.end(), one.begin(), one.end());
  }
  c.send_bytes(batch);
  EXPECT_FALSE(c.server.is_closed());
  EXPECT_EQ(c.raw_output.size(), 16u);  // one Window Acknowledgement Size, of the last wish
  c.send_bytes(batch);
  ASSERT_TRUE(c.closed_by());
  EXPECT_THAT(c.closed_by()->text, HasSubstr("too many commands"));
}

TEST(server_limits, partial_bytes_before_and_after_publish) {
  const auto large = test::media_message(message_type::video, 1, 0, test::bytes(300'000, 0x27));
  scripted_client before;
  before.connect();
  before.send(large);
  ASSERT_TRUE(before.closed_by());
  EXPECT_EQ(before.closed_by()->kind, base::error_kind::limit);
  EXPECT_THAT(before.closed_by()->text, HasSubstr("unfinished messages hold more than 262144 bytes"));

  scripted_client after;
  after.connect();
  after.publish();
  after.send(large);
  EXPECT_EQ(after.all<frame_received>().size(), 1u);
}

TEST(server_limits, what_waits_for_a_decision_is_bounded) {
  scripted_client media;
  media.connect();
  media.accept = false;
  media.publish();
  for (int i = 0; i < 100; ++i) media.send(test::media_message(message_type::video, 1, 0, test::bytes(10'000, 0x27)));
  EXPECT_FALSE(media.server.is_closed());
  EXPECT_EQ(media.server.media_dropped(), 100u - 26u);
  media.server.accept_publish(1);
  media.settle();
  EXPECT_EQ(media.all<frame_received>().size(), 26u);

  server_config config;
  config.limits = many_commands();
  scripted_client commands(config);
  commands.accept = false;
  commands.connect();
  for (int i = 0; i < 600; ++i) commands.call("releaseStream", 0, {"a"});
  EXPECT_EQ(commands.closed_by()->kind, base::error_kind::limit);
}

TEST(server_limits, amf_limits_reach_commands) {
  server_config config;
  config.amf.depth = 3;
  scripted_client c(config);
  c.connect();
  amf0::value deep = amf0::null{};
  for (int i = 0; i < 10; ++i) deep = amf0::object{{{"a", deep}}};
  c.call("x", 1, {deep});
  EXPECT_EQ(c.closed_by()->kind, base::error_kind::limit);
}

TEST(server_limits, nothing_happens_after_the_end) {
  scripted_client c;
  c.connect();
  c.publish();
  c.server.close({base::error_kind::closed, "bye"});
  c.settle();
  const auto events = c.events.size();
  const auto sent = c.raw_output.size();
  c.server.accept_connect();
  c.server.accept_publish(1);
  c.server.reject_publish(1, {});
  c.server.accept_play(1);
  c.server.notify_publish(1);
  c.server.end_play(1, {});
  c.server.end_publish(1, {});
  c.server.close({base::error_kind::internal, "x"});
  c.publish("b");
  c.advance(1h);
  EXPECT_EQ(c.events.size(), events);
  EXPECT_EQ(c.raw_output.size(), sent);
}

TEST(server_limits, answers_to_nothing_are_ignored) {
  scripted_client c;
  c.server.accept_connect();
  c.server.accept_publish(1);
  c.server.accept_play(0);
  c.settle();
  EXPECT_TRUE(c.raw_output.empty());
  EXPECT_FALSE(c.server.connected());
}

}  // namespace
}  // namespace millrace::rtmp
