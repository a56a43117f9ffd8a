// Acknowledgement, bandwidth and user control (conformance sections 4 and 5), on sessions, since that is where they act.
#include <gmock/gmock.h>

#include "rtmp/chunk_framing.hpp"
#include "support/rtmp_peer.hpp"

namespace millrace::rtmp {
namespace {

std::vector<std::uint8_t> output_of(framing& from) {
  base::send_chain out;
  from.take_output(out);
  return out.flatten();
}


using namespace std::chrono_literals;
using test::scripted_client;
using test::scripted_server;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::uint32_t> values_of(const test::transcript& got, message_type type) {
  std::vector<std::uint32_t> out;
  for (const auto& m : got.messages) {
    if (m.type == type) out.push_back(parse_control(m).value());
  }
  return out;
}

std::vector<std::uint32_t> user_values(const test::transcript& got, user_event event) {
  std::vector<std::uint32_t> out;
  for (const auto& m : got.messages) {
    if (m.type != message_type::user_control) continue;
    if (const auto c = parse_user_control(m); c && c->event == event) out.push_back(c->value);
  }
  return out;
}

TEST(acknowledgement, A1_goes_out_each_time_the_window_fills) {
  scripted_client c;
  c.connect();
  c.send(make_control(message_type::window_acknowledgement_size, 10'000));
  c.publish();
  ASSERT_TRUE(values_of(c.got, message_type::acknowledgement).empty());
  std::vector<std::uint64_t> received;
  for (int i = 0; i < 10; ++i) {
    c.send(test::media_message(message_type::video, 1, 0, test::bytes(5'000, 0x27)));
    const auto acks = values_of(c.got, message_type::acknowledgement);
    if (acks.size() > received.size()) received.push_back(c.server.bytes_received());
    ASSERT_EQ(acks.size(), received.size());
    if (acks.empty()) continue;
    EXPECT_EQ(acks.back(), static_cast<std::uint32_t>(received.back()));
  }
  EXPECT_EQ(received.size(), 5u);  // 10 messages of 5 KB and their headers
}

TEST(acknowledgement, A1_widened_across_4_GiB_at_the_receiver) {
  scripted_server s({});
  for (std::uint32_t value : {0x7000'0000u, 0xE000'0000u, 0x0000'1000u}) s.send(make_control(message_type::acknowledgement, value));
  EXPECT_EQ(s.client.bytes_acknowledged(), 0x1'0000'1000u);
  s.send(make_control(message_type::acknowledgement, 0x0000'0800));  // older: ignored
  EXPECT_EQ(s.client.bytes_acknowledged(), 0x1'0000'1000u);
}

TEST(acknowledgement, A1_the_count_wraps_behind_4_GiB) {
  const auto now = test::at(0ms);
  chunk_framing framing(chunk_framing::server_role{}, base::rtmp_limits{}, now, 1);
  client_handshake shake(2, false);
  while (!framing.ready()) {
    const auto hello = shake.poll_output();
    ASSERT_FALSE(hello.empty());
    base::bytes_view rest(hello);
    framing.begin_receive(now, rest.size());
    ASSERT_TRUE(framing.next(now, rest));
    ASSERT_TRUE(shake.receive(now, output_of(framing)));
  }
  framing.begin_receive(now, 0x1'0000'0005u - framing.bytes_received());
  framing.acknowledge();
  chunk_reader reader(base::rtmp_limits{}, 1000);
  const auto sent = output_of(framing);
  const auto said = test::read_all(reader, sent);
  ASSERT_EQ(said.size(), 1u);
  EXPECT_EQ(parse_control(said[0]).value(), 5u);
}

TEST(acknowledgement, A2_a_default_window_when_the_client_sets_none) {
  scripted_client c;
  c.connect();
  c.publish();
  c.chunk_size = 0xFFFFFF;
  c.send_bytes(encode_chunks(make_control(message_type::set_chunk_size, 0xFFFFFF), 128).flatten());
  for (int i = 0; i < 3; ++i) c.send(test::media_message(message_type::video, 1, 0, test::bytes(500'000, 0x27)));
  EXPECT_EQ(values_of(c.got, message_type::acknowledgement).size(), 1u);
}

TEST(acknowledgement, A3_a_client_that_never_acknowledges_is_served) {
  server_config config;
  config.window_acknowledgement_size = 1000;
  scripted_client c(config);
  c.connect();
  c.play();
  media::frame f;
  f.kind = media::frame_kind::video;
  f.payload = base::slice(test::bytes(50'000, 0x17));
  for (int i = 0; i < 100; ++i) {
    c.server.send(c.now, 1, f, nullptr);
    c.settle();
  }
  EXPECT_FALSE(c.server.is_closed());
}

TEST(bandwidth, A4_set_peer_bandwidth_is_answered_when_the_window_changes) {
  scripted_server s({});
  const auto before = values_of(s.got, message_type::window_acknowledgement_size).size();
  s.send(make_set_peer_bandwidth(700'000, bandwidth_limit::dynamic));  // dynamic without a hard limit before: ignored
  s.send(make_set_peer_bandwidth(800'000, bandwidth_limit::hard));
  s.send(make_set_peer_bandwidth(800'000, bandwidth_limit::hard));  // no change, no answer
  s.send(make_set_peer_bandwidth(900'000, bandwidth_limit::soft));  // soft: the smaller of both holds
  s.send(make_set_peer_bandwidth(600'000, bandwidth_limit::soft));
  s.send(make_set_peer_bandwidth(500'000, bandwidth_limit::dynamic));  // after a hard limit: hard
  s.send(make_set_peer_bandwidth(400'000, static_cast<bandwidth_limit>(3)));
  auto sizes = values_of(s.got, message_type::window_acknowledgement_size);
  sizes.erase(sizes.begin(), sizes.begin() + static_cast<std::ptrdiff_t>(before));
  EXPECT_THAT(sizes, ElementsAre(800'000u, 600'000u, 500'000u));
}

TEST(bandwidth, A5_connect_is_answered_in_one_flight_in_order) {
  scripted_client c;
  c.connect();
  // The chunk size is acted on by the reader and not listed; that the rest could be read in its order shows it.
  EXPECT_THAT(c.got.outline(), ElementsAre("5", "6", "_result NetConnection.Connect.Success", "4:0"));
  // Set Chunk Size stands before _result: 16 + 17 bytes, then type 1 of 4 bytes.
  ASSERT_GT(c.raw_output.size(), 48u);
  EXPECT_EQ(c.raw_output[16 + 17 + 7], 1);
  EXPECT_EQ(user_values(c.got, user_event::stream_begin), std::vector<std::uint32_t>{0});
}

TEST(bandwidth, A6_client_works_without_any_of_them_and_with_all_after_the_result) {
  for (bool late : {false, true}) {
    client_config config;
    config.stream_name = "a";
    scripted_server s(config);
    s.accept_connect();
    if (late) {
      for (int i = 0; i < 2; ++i) {
        s.send(make_control(message_type::window_acknowledgement_size, 5'000'000));
        s.send(make_set_peer_bandwidth(5'000'000, bandwidth_limit::dynamic));
      }
    }
    s.result(4, 1.0);
    s.status("status", "NetStream.Publish.Start", "go");
    EXPECT_TRUE(s.client.running());
  }
}

TEST(user_control, U1_round_trip_of_every_event) {
  for (unsigned event : {0u, 1u, 2u, 4u, 6u, 7u}) {
    const auto c = parse_user_control(make_user_control(static_cast<user_event>(event), 0xA1B2C3D4)).value();
    EXPECT_TRUE(c.known);
    EXPECT_EQ(static_cast<unsigned>(c.event), event);
    EXPECT_EQ(c.value, 0xA1B2C3D4u);
  }
  const auto buffer = parse_user_control(make_set_buffer_length(7, 3000)).value();
  EXPECT_EQ(buffer.event, user_event::set_buffer_length);
  EXPECT_EQ(buffer.value, 7u);
  EXPECT_EQ(buffer.second, 3000u);
}

TEST(user_control, U1_both_sides_echo_a_ping) {
  scripted_client c;
  c.connect();
  c.send(make_user_control(user_event::ping_request, 0xDEADBEEF));
  EXPECT_THAT(user_values(c.got, user_event::ping_response), ElementsAre(0xDEADBEEFu));
  scripted_server s({});
  s.send(make_user_control(user_event::ping_request, 77));
  EXPECT_THAT(user_values(s.got, user_event::ping_response), ElementsAre(77u));
}

TEST(user_control, U2_a_silent_peer_is_pinged_and_then_closed) {
  scripted_client c;
  c.connect();
  c.play();
  c.advance(9'999ms);
  EXPECT_TRUE(user_values(c.got, user_event::ping_request).empty());
  c.advance(1ms);
  EXPECT_EQ(user_values(c.got, user_event::ping_request).size(), 1u);
  c.send(make_user_control(user_event::ping_response, 10'000));  // any traffic counts as life
  c.advance(29s);
  EXPECT_FALSE(c.server.is_closed());
  c.advance(1s);
  ASSERT_TRUE(c.closed_by());
  EXPECT_EQ(c.closed_by()->text, "ping timeout");
  EXPECT_EQ(c.all<play_ended>().size(), 1u);
}

TEST(user_control, U3_unknown_events_are_ignored_even_when_short) {
  scripted_client c;
  c.connect();
  for (int event : {5, 26, 27, 31, 32, 0xFFFF}) {
    message m = make_user_control(static_cast<user_event>(event), 1);
    c.send(m);
    m.payload = m.payload.sub(0, 2);
    c.send(m);
  }
  EXPECT_FALSE(c.server.is_closed());
}

TEST(user_control, U4_a_body_too_short_closes_with_reason) {
  for (std::size_t size : {0u, 1u, 2u, 5u}) {
    scripted_client c;
    c.connect();
    message m = make_user_control(user_event::ping_request, 1);
    m.payload = m.payload.sub(0, size);
    c.send(m);
    ASSERT_TRUE(c.closed_by()) << size;
    EXPECT_THAT(c.closed_by()->text, HasSubstr("user control"));
  }
  scripted_client c;
  c.connect();
  auto m = make_set_buffer_length(1, 1);
  m.payload = m.payload.sub(0, 6);
  c.send(m);
  EXPECT_TRUE(c.closed_by());
}

}  // namespace
}  // namespace millrace::rtmp
