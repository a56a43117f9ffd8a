// Both sessions over RoQR: the same dialogue and media as over chunks, in fewer round trips, and what only streams of their own bring.
#include <gtest/gtest.h>

#include <memory>

#include "rtmp/flows.hpp"
#include "rtmp/group_receiver.hpp"
#include "rtmp/roqr_frame.hpp"
#include "rtmp/wire_image.hpp"
#include "support/rtmp_peer.hpp"

namespace millrace::rtmp {
namespace {

using namespace std::chrono_literals;
using test::events_of;
using test::media_message;
using test::session_pair;

constexpr std::int64_t first_uni = 2, second_uni = 6, second_bidi = 4;

client_config config_for(client_role role, bool pipeline = true) {
  client_config c;
  c.framing = framing_kind::roqr;
  c.groups = false;  // what is pulled from a session has tests of its own
  c.role = role;
  c.app = "live";
  c.tc_url = "rtmp://host/live";
  c.stream_name = "a?key=1";
  c.pipeline = pipeline;
  return c;
}

media::frame frame(media::frame_kind kind, std::int64_t dts_ms, std::size_t size) {
  media::frame f;
  f.kind = kind;
  f.dts_ms = dts_ms;
  test::bytes body(size, 0x5A);
  body[0] = kind == media::frame_kind::audio ? 0xAF : 0x27;
  body[1] = 1;
  f.payload = base::slice(std::move(body));
  return f;
}

std::vector<media::frame> some_frames() {
  using kind = media::frame_kind;
  return {frame(kind::video, 0, 200'000), frame(kind::audio, 7, 300), frame(kind::video, 40, 60'001), frame(kind::audio, 0xFFFFFF, 3),
          frame(kind::video, 0x7000'0000, 130)};
}

void expect_same(const std::vector<frame_received>& got, const std::vector<media::frame>& sent) {
  ASSERT_EQ(got.size(), sent.size());
  for (std::size_t i = 0; i < sent.size(); ++i) {
    EXPECT_EQ(got[i].frame.kind, sent[i].kind);
    EXPECT_EQ(got[i].frame.dts_ms, sent[i].dts_ms);
    EXPECT_EQ(base::as_text(got[i].frame.payload), base::as_text(sent[i].payload));
  }
}

// A peer in front of our server that writes its own frames.
struct scripted_roqr {
  scripted_roqr() : server(config(), test::at(0ms), 7), reader(base::rtmp_limits{}) {}
  static server_config config() {
    server_config c;
    c.framing = framing_kind::roqr;
    return c;
  }
  void settle() {
    while (auto event = server.poll_event()) {
      if (std::holds_alternative<connect_requested>(*event)) server.accept_connect();
      if (const auto* p = std::get_if<publish_requested>(&*event); p && accept) server.accept_publish(p->msid);
      events.push_back(std::move(*event));
    }
    const auto out = server.poll_output().flatten();
    base::bytes_view bytes = out;
    while (true) {
      auto f = reader.next(bytes);
      ASSERT_TRUE(f);
      if (!*f) break;
      EXPECT_EQ((*f)->flow, session_flow);
      got.messages.push_back(std::move((*f)->message));
    }
    while (const auto stop = server.poll_stop()) stops.push_back(*stop);
  }
  void send(const message& m, std::uint64_t flow = 0) {
    server.receive(test::at(0ms), encode_roqr(flow, m).flatten());
    settle();
  }
  void send_on(std::int64_t stream, const message& m, bool fin = false, std::uint64_t flow = 0) {
    server.receive_stream(test::at(0ms), stream, encode_roqr(flow, m).flatten(), fin);
    settle();
  }
  void connect() { send(make_command(0, "connect", 1, amf0::object{{{"app", "live"}, {"tcUrl", "rtmp://host/live"}}})); }
  void connect_with_groups() {
    amf0::object o{{{"app", "live"}, {"tcUrl", "rtmp://host/live"}}};
    append_extension(o.members, {.announced = true, .groups = true});
    send(make_command(0, "connect", 1, o));
  }
  void publish(std::uint32_t msid = 1) {
    send(make_command(0, "createStream", 2, amf0::null{}));
    send(make_command(msid, "publish", 3, amf0::null{}, {"a", "live"}));
  }
  [[nodiscard]] std::size_t frames() const { return events_of<frame_received>(events).size(); }

  server_session server;
  roqr_reader reader;
  bool accept = true;
  std::vector<server_event> events;
  test::transcript got;
  std::vector<stream_stop> stops;
};

message video_message(std::uint32_t timestamp, std::size_t size = 100) {
  return media_message(message_type::video, 1, timestamp, test::bytes(size, 0x27));
}

TEST(RoqrSession, PublishInPiecesOfEverySize) {
  for (std::size_t piece : {0u, 1u, 7u, 1460u}) {
    for (bool pipeline : {true, false}) {
      session_pair p(config_for(client_role::publish, pipeline));
      p.piece = piece;
      p.settle();
      ASSERT_TRUE(p.client.running());
      EXPECT_EQ(events_of<connect_requested>(p.server_events).at(0).app, "live");
      EXPECT_EQ(events_of<publish_requested>(p.server_events).at(0).query, "key=1");
      const auto sent = some_frames();
      for (const auto& f : sent) p.client.send(f);
      p.settle();
      expect_same(events_of<frame_received>(p.server_events), sent);
      p.client.end();
      p.settle();
      EXPECT_EQ(events_of<publish_ended>(p.server_events).size(), 1u);
    }
  }
}

TEST(RoqrSession, PlayWithAndWithoutSharedImages) {
  session_pair p(config_for(client_role::play));
  p.settle();
  ASSERT_TRUE(p.client.running());
  EXPECT_EQ(p.server.media_format(), wire_format::roqr);
  const auto msid = events_of<play_requested>(p.server_events).at(0).msid;
  const auto sent = some_frames();
  for (std::size_t i = 0; i < sent.size(); ++i) {
    const auto wire = std::make_shared<const base::send_chain>(encode_wire(sent[i], wire_msid, wire_format::roqr));
    p.server.send(p.now, msid, sent[i], i % 2 == 0 ? wire : nullptr);
  }
  p.settle();
  expect_same(events_of<frame_received>(p.client_events), sent);
}

// Live profile, "two-round-trip start": with the transport's handshake before it, this is the second round trip.
TEST(RoqrSession, PublishIsAcceptedAfterOneRoundTrip) {
  session_pair p(config_for(client_role::publish));
  p.server.receive(p.now, p.client.poll_output().flatten());
  while (auto event = p.server.poll_event()) {
    if (std::holds_alternative<connect_requested>(*event)) p.server.accept_connect();
    if (const auto* r = std::get_if<publish_requested>(&*event)) p.server.accept_publish(r->msid);
  }
  p.client.receive(p.now, p.server.poll_output().flatten());
  EXPECT_TRUE(p.client.running());
  EXPECT_EQ(p.client.msid(), wire_msid);
}

TEST(RoqrSession, AServerWithOtherMessageStreamIdsIsFollowed) {
  client_session client(config_for(client_role::publish), test::at(0ms), 1);
  const auto answer = [&](const message& m) { client.receive(test::at(0ms), encode_roqr(0, m).flatten()); };
  static_cast<void>(client.poll_output());
  answer(make_command(0, "_result", 1, amf0::null{}, {information({"status", "NetConnection.Connect.Success", "ok"})}));
  answer(make_command(0, "_result", 4, amf0::null{}, {7.0}));
  // Publish for message stream 1 was refused; the one that counts is on its way.
  answer(make_on_status(1, {"error", "NetStream.Publish.Failed", "no such message stream"}));
  const auto again = client.poll_output().flatten();
  roqr_reader reader{base::rtmp_limits{}};
  base::bytes_view bytes = again;
  auto m = reader.next(bytes);
  ASSERT_TRUE(m && *m);
  EXPECT_EQ((*m)->message.msid, 7u);
  EXPECT_FALSE(client.is_closed());
  answer(make_on_status(7, {"status", "NetStream.Publish.Start", "ok"}));
  EXPECT_TRUE(client.running());
  EXPECT_EQ(client.msid(), 7u);
}

TEST(RoqrSession, SaysNothingOfChunksAndBytes) {
  session_pair p(config_for(client_role::publish));
  p.settle();
  roqr_reader reader{base::rtmp_limits{}};
  base::bytes_view bytes = p.client_bytes;
  while (true) {
    auto f = reader.next(bytes);
    ASSERT_TRUE(f);
    if (!*f) break;
    const auto type = static_cast<unsigned>((*f)->message.type);
    EXPECT_TRUE(type == 4 || type >= 8) << type;
  }
}

TEST(RoqrSession, IgnoresWhatMeansNothingHere) {
  scripted_roqr peer;
  peer.connect();
  for (const unsigned type : {1u, 2u, 3u, 5u, 6u}) {
    peer.send({static_cast<message_type>(type), 0, 2, 0, base::slice(test::bytes{0, 0, 0, 1})});
  }
  peer.send({static_cast<message_type>(200), 0, 2, 0, base::slice(test::bytes{1, 2, 3})});
  peer.publish();
  EXPECT_EQ(peer.got.count("NetStream.Publish.Start"), 1);
  EXPECT_FALSE(peer.server.is_closed());
}

TEST(RoqrSession, TakesMediaOnAnyStreamWithAnyFlowId) {
  scripted_roqr peer;
  peer.connect();
  peer.publish();
  peer.send_on(first_uni, video_message(0), false, 9);
  peer.send_on(second_bidi, media_message(message_type::audio, 1, 5, test::aac_frame()), true, 12345);
  peer.send(video_message(40), 3);
  EXPECT_EQ(peer.frames(), 3u);
  EXPECT_FALSE(peer.server.is_closed());
}

TEST(RoqrSession, KeepsOrderWithinAStreamAtAnySplit) {
  scripted_roqr peer;
  peer.connect();
  peer.publish();
  test::bytes one, two;
  for (std::uint32_t t = 0; t < 10; ++t) {
    for (const auto b : encode_roqr(1, media_message(message_type::audio, 1, t * 20, test::aac_frame())).flatten()) one.push_back(b);
    for (const auto b : encode_roqr(2, video_message(t * 40, 5)).flatten()) two.push_back(b);
  }
  for (std::size_t i = 0; i < std::max(one.size(), two.size()); ++i) {
    if (i < one.size()) peer.server.receive_stream(test::at(0ms), first_uni, {&one[i], 1}, i + 1 == one.size());
    if (i < two.size()) peer.server.receive_stream(test::at(0ms), second_uni, {&two[i], 1}, i + 1 == two.size());
  }
  peer.settle();
  std::int64_t audio = -1, video = -1;
  for (const auto& got : events_of<frame_received>(peer.events)) {
    auto& last = got.frame.kind == media::frame_kind::audio ? audio : video;
    EXPECT_GT(got.frame.dts_ms, last);
    last = got.frame.dts_ms;
  }
  EXPECT_EQ(peer.frames(), 20u);
}

TEST(RoqrSession, MediaThatOvertakesItsPublishWaitsForIt) {
  scripted_roqr peer;
  peer.send_on(first_uni, video_message(0));  // before connect, even
  peer.connect();
  peer.send_on(first_uni, video_message(40));
  EXPECT_EQ(peer.frames(), 0u);
  peer.publish();
  EXPECT_EQ(peer.frames(), 2u);
  peer.send_on(first_uni, video_message(80));
  EXPECT_EQ(peer.frames(), 3u);
  EXPECT_TRUE(peer.stops.empty());
}

TEST(RoqrSession, WhatBelongsToNoFlowIsBufferedWithinBoundsOnly) {
  for (const std::size_t size : {std::size_t{10}, std::size_t{5'000}}) {
    scripted_roqr peer;
    peer.connect();
    const base::rtmp_limits limits;
    std::size_t sent = 0;
    while (peer.stops.empty() && sent < 100) {
      peer.send_on(first_uni, video_message(static_cast<std::uint32_t>(sent++ * 40), size));
    }
    EXPECT_EQ(sent - 1, std::min(limits.early_messages, limits.early_bytes / size));
    ASSERT_EQ(peer.stops.size(), 1u);
    EXPECT_EQ(peer.stops[0].stream, first_uni);
    EXPECT_EQ(peer.stops[0].code, roqr_error::unknown_flow_id);
    for (int i = 0; i < 10; ++i) peer.send_on(first_uni, video_message(9999, size), i == 9);  // still under way: of no concern
    EXPECT_EQ(peer.stops.size(), 1u);
    EXPECT_EQ(peer.server.media_dropped(), 1u);
    peer.publish();
    EXPECT_EQ(peer.frames(), sent - 1);
    EXPECT_FALSE(peer.server.is_closed());
  }
}

TEST(RoqrSession, MediaAfterUnpublishStopsItsStream) {
  scripted_roqr peer;
  peer.connect();
  peer.publish();
  peer.send_on(first_uni, video_message(0));
  peer.send(make_command(0, "deleteStream", 0, amf0::null{}, {1.0}));
  peer.send_on(first_uni, video_message(40));
  EXPECT_EQ(peer.frames(), 1u);
  ASSERT_EQ(peer.stops.size(), 1u);
  EXPECT_EQ(peer.stops[0].code, roqr_error::unknown_flow_id);
  // The connection lives on, and another name may follow.
  peer.publish();
  peer.send_on(second_uni, video_message(0));
  EXPECT_EQ(peer.frames(), 2u);
}

TEST(RoqrSession, ACommandNeedsAStreamWithAWayBack) {
  scripted_roqr peer;
  peer.connect();
  peer.send_on(first_uni, make_command(0, "createStream", 2, amf0::null{}));
  ASSERT_TRUE(peer.server.is_closed());
  EXPECT_NE(events_of<closed>(peer.events).at(0).reason.text.find("QUIC stream 2: a command on a unidirectional stream"), std::string::npos);
}

TEST(RoqrSession, AResetTakesTheHalfMessageOnly) {
  scripted_roqr peer;
  peer.connect();
  peer.publish();
  const auto whole = encode_roqr(1, video_message(0)).flatten();
  peer.server.receive_stream(test::at(0ms), first_uni, base::bytes_view(whole).first(50), false);
  peer.server.on_stream_reset(test::at(0ms), first_uni);
  peer.send_on(second_uni, video_message(40));
  EXPECT_EQ(peer.frames(), 1u);
  EXPECT_FALSE(peer.server.is_closed());
}

TEST(RoqrSession, AStreamThatEndsInsideAFrameIsAnError) {
  scripted_roqr peer;
  peer.connect();
  const auto whole = encode_roqr(1, video_message(0)).flatten();
  peer.server.receive_stream(test::at(0ms), first_uni, base::bytes_view(whole).first(50), true);
  peer.settle();
  EXPECT_TRUE(peer.server.is_closed());
}

TEST(RoqrSession, HalfMessagesAreBoundedBeforePublish) {
  scripted_roqr peer;
  peer.connect();
  const base::rtmp_limits limits;
  const auto whole = encode_roqr(1, video_message(0, 200'000)).flatten();
  std::int64_t stream = first_uni;
  for (int i = 0; i < 2; ++i, stream += 4) peer.server.receive_stream(test::at(0ms), stream, base::bytes_view(whole).first(190'000), false);
  peer.settle();
  ASSERT_TRUE(peer.server.is_closed());
  EXPECT_NE(events_of<closed>(peer.events).at(0).reason.text.find(std::to_string(limits.partial_bytes_unauthorised)), std::string::npos);
}

// Live profile: most of four messages of 4 MiB on group streams, in pieces as a network brings them.
void send_half_groups(scripted_roqr& peer) {
  const test::bytes piece(64u << 10, 0x27);
  for (std::uint32_t msid = 1; msid <= 4; ++msid) {
    const auto stream = static_cast<std::int64_t>(first_uni + 4 * (msid - 1));
    const auto whole = encode_roqr(flow_of(msid, media::frame_kind::video), media_message(message_type::video, msid, 0, test::bytes(4u << 20, 0x27))).flatten();
    peer.server.receive_stream(test::at(0ms), stream, base::bytes_view(whole).first(100), false);
    for (int i = 0; i < 63; ++i) peer.server.receive_stream(test::at(0ms), stream, piece, false);
  }
  peer.settle();
}

TEST(RoqrSession, HalfGroupsAreBoundedBeforePublish) {
  const base::rtmp_limits limits;
  scripted_roqr peer;
  peer.connect_with_groups();
  send_half_groups(peer);
  ASSERT_NE(peer.server.group_reception(), nullptr);
  EXPECT_LE(peer.server.group_reception()->bytes_held(), limits.partial_bytes_unauthorised);
  EXPECT_FALSE(peer.stops.empty()) << "what is too much is not wanted any more";

  scripted_roqr publisher;
  publisher.connect_with_groups();
  publisher.publish();
  send_half_groups(publisher);
  EXPECT_EQ(publisher.server.group_reception()->counters().of(group_skip::bytes), 0u) << "a publisher may";
  EXPECT_GT(publisher.server.group_reception()->bytes_held(), 4u * 63u * (64u << 10));
}

TEST(RoqrSession, AServerPingsAndAClientAnswers) {
  session_pair p(config_for(client_role::play));
  p.settle();
  for (int i = 0; i < 60; ++i) {
    p.now += 10s;
    p.server.on_timer(p.now);
    p.settle();
  }
  EXPECT_FALSE(p.server.is_closed());
  p.server.on_timer(p.now + 100s);
  EXPECT_TRUE(p.server.is_closed());
}

}  // namespace
}  // namespace millrace::rtmp
