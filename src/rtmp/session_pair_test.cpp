// Client and server session back to back, bytes cut anywhere.
#include <gmock/gmock.h>

#include <cstdlib>
#include <fstream>
#include <limits>

#include "rtmp/wire_image.hpp"
#include "support/rtmp_peer.hpp"

namespace millrace::rtmp {
namespace {

using namespace std::chrono_literals;
using test::events_of;
using test::session_pair;

client_config config_for(client_role role, bool pipeline = true, bool digest = false) {
  client_config c;
  c.role = role;
  c.app = "live?vhost=v";
  c.tc_url = "rtmp://host/live?vhost=v";
  c.stream_name = "a?key=%2F";
  c.pipeline = pipeline;
  c.digest_handshake = digest;
  return c;
}

media::frame frame(media::frame_kind kind, std::int64_t dts_ms, std::size_t size, std::uint8_t first) {
  media::frame f;
  f.kind = kind;
  f.dts_ms = dts_ms;
  test::bytes body(size, 0x5A);
  body[0] = first;
  if (size > 1) body[1] = 1;
  f.payload = base::slice(std::move(body));
  return f;
}

media::frame metadata() {
  base::byte_writer w;
  amf0::encode(w, "onMetaData");
  amf0::encode(w, amf0::ecma_array{{{"width", 1280.0}, {"encoder", "test"}}});
  media::frame f;
  f.payload = std::move(w).take_slice();
  return f;
}

std::vector<media::frame> some_frames() {
  return {metadata(),
          frame(media::frame_kind::video, 0, 200'000, 0x17),
          frame(media::frame_kind::audio, 7, 300, 0xAF),
          frame(media::frame_kind::video, 40, 59'999, 0x27),
          frame(media::frame_kind::video, 80, 60'001, 0x27),
          frame(media::frame_kind::audio, 0xFFFFFF, 3, 0xAF),
          frame(media::frame_kind::video, 0x1000000, 130'000, 0x17)};
}

void expect_same(const std::vector<frame_received>& got, const std::vector<media::frame>& sent) {
  ASSERT_EQ(got.size(), sent.size());
  for (std::size_t i = 0; i < sent.size(); ++i) {
    EXPECT_EQ(got[i].frame.kind, sent[i].kind);
    EXPECT_EQ(got[i].frame.dts_ms, sent[i].dts_ms);
    EXPECT_TRUE(std::ranges::equal(got[i].frame.payload.view(), sent[i].payload.view()));
  }
}

TEST(session_pair, a_publisher_tells_a_server_that_asks_for_it_how_it_is_doing) {
  session_pair p(config_for(client_role::publish));
  p.settle();
  ASSERT_TRUE(p.client.running());
  EXPECT_TRUE(p.client.server_extension().reports);
  p.client.report({350ms});
  p.settle();
  const auto told = events_of<publisher_reported>(p.server_events);
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].report.queue_age, 350ms);
}

TEST(session_pair, why_there_is_no_quic_gets_to_the_server) {
  auto config = config_for(client_role::publish);
  config.fell_back = "fell back to TLS: " + std::string(1000, 'x');
  session_pair p(config);
  p.settle();
  EXPECT_EQ(p.server.peer_extension().fell_back, config.fell_back.substr(0, 256));
  session_pair other(config_for(client_role::publish));
  other.settle();
  EXPECT_EQ(other.server.peer_extension().fell_back, "");
}

TEST(session_pair, a_player_reports_nothing) {
  session_pair p(config_for(client_role::play));
  p.settle();
  ASSERT_TRUE(p.client.running());
  p.client.report({350ms});
  p.settle();
  EXPECT_TRUE(events_of<publisher_reported>(p.server_events).empty());
}

TEST(session_pair, reports_that_make_no_sense_are_none) {
  for (const double queue : {-1.0, 1e12, std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    const amf0::value object(amf0::object{{{"queueMs", queue}}});
    EXPECT_FALSE(read_report(&object)) << queue;
  }
  EXPECT_FALSE(read_report(nullptr));
  const amf0::value text(amf0::object{{{"queueMs", "soon"}}});
  EXPECT_FALSE(read_report(&text));
}

TEST(session_pair, H4_publish_in_pieces_of_every_size) {
  for (std::size_t piece : {0u, 1u, 7u, 1460u, 4096u}) {
    for (bool pipeline : {true, false}) {
      for (bool digest : {false, true}) {
        session_pair p(config_for(client_role::publish, pipeline, digest));
        p.piece = piece;
        p.settle();
        ASSERT_TRUE(p.client.running());
        const auto connect = events_of<connect_requested>(p.server_events).at(0);
        EXPECT_EQ(connect.app, "live");
        EXPECT_EQ(connect.query, "vhost=v");
        EXPECT_EQ(connect.digest_handshake, digest);
        const auto publish = events_of<publish_requested>(p.server_events).at(0);
        EXPECT_EQ(publish.name, "a");
        EXPECT_EQ(publish.query, "key=%2F");
        EXPECT_EQ(p.client.msid(), wire_msid);
        const auto sent = some_frames();
        for (const auto& f : sent) p.client.send(f);
        p.settle();
        expect_same(events_of<frame_received>(p.server_events), sent);
        EXPECT_GT(p.client.bytes_acknowledged(), 0u);
        p.client.end();
        p.settle();
        EXPECT_EQ(events_of<publish_ended>(p.server_events).size(), 1u);
        EXPECT_TRUE(p.client.is_closed());
        EXPECT_FALSE(p.server.is_closed());  // the transport's end is still to come
      }
    }
  }
}

TEST(session_pair, play_in_pieces_of_every_size) {
  for (std::size_t piece : {0u, 1u, 1460u}) {
    session_pair p(config_for(client_role::play));
    p.piece = piece;
    p.settle();
    ASSERT_TRUE(p.client.running());
    const auto msid = events_of<play_requested>(p.server_events).at(0).msid;
    const auto sent = some_frames();
    for (const auto& f : sent) {
      const auto wire = std::make_shared<const base::send_chain>(encode_wire(f));
      p.server.send(p.now, msid, f, wire);
    }
    p.settle();
    expect_same(events_of<frame_received>(p.client_events), sent);
    p.server.notify_unpublish(msid);
    p.settle();
    EXPECT_EQ(events_of<stream_ended>(p.client_events).size(), 1u);
    p.client.end();
    p.settle();
    EXPECT_EQ(events_of<play_ended>(p.server_events).size(), 1u);
  }
}

TEST(session_pair, T7_T8_a_long_broadcast) {
  session_pair p(config_for(client_role::publish));
  p.settle();
  std::vector<media::frame> sent;
  for (std::int64_t border : {std::int64_t{0xFFFFFF}, std::int64_t{0x8000'0000}, std::int64_t{0x1'0000'0000}}) {
    // Between the borders time passes in steps that serial arithmetic can follow.
    while (!sent.empty() && sent.back().dts_ms + 0x4000'0000 < border - 15'000)
      sent.push_back(frame(media::frame_kind::audio, sent.back().dts_ms + 0x4000'0000, 10, 0xAF));
    for (std::int64_t t = border - 15'000; t < border + 15'000; t += 1000) sent.push_back(frame(media::frame_kind::video, t, 61'000, 0x27));
  }
  for (const auto& f : sent) {
    p.client.send(f);
    p.settle();
  }
  expect_same(events_of<frame_received>(p.server_events), sent);
}

TEST(session_pair, P16_refused_publish_is_told_with_code_and_text) {
  session_pair p(config_for(client_role::publish));
  // Not settle(): the answer is to be no.
  for (int i = 0; i < 10; ++i) {
    p.server.receive(p.now, p.client.poll_output().flatten());
    while (auto e = p.server.poll_event()) {
      if (std::holds_alternative<connect_requested>(*e)) p.server.accept_connect();
      if (const auto* r = std::get_if<publish_requested>(&*e))
        p.server.reject_publish(r->msid, {"error", "NetStream.Publish.Denied", "wrong stream key"});
    }
    p.client.receive(p.now, p.server.poll_output().flatten());
  }
  p.settle();
  const auto said = events_of<rejected>(p.client_events);
  ASSERT_EQ(said.size(), 1u);
  EXPECT_EQ(said[0].reason.kind, base::error_kind::denied);
  EXPECT_EQ(said[0].reason.text, "NetStream.Publish.Denied: wrong stream key");
}

TEST(session_pair, U2_a_client_answers_the_pings_of_its_server) {
  session_pair p(config_for(client_role::play));
  p.settle();
  for (int i = 0; i < 60; ++i) {
    p.now += 10s;
    p.server.on_timer(p.now);
    p.settle();
  }
  EXPECT_FALSE(p.server.is_closed());
}

TEST(session_pair, K15_the_server_survives_a_cut_anywhere) {
  session_pair whole(config_for(client_role::publish));
  whole.settle();
  whole.client.send(metadata());
  whole.client.send(frame(media::frame_kind::video, 0, 500, 0x17));
  whole.client.end();
  whole.settle();
  for (std::size_t cut = 0; cut < whole.client_bytes.size(); cut += cut < 3073 ? 101 : 1) {
    test::scripted_client c({}, false);
    c.send_bytes(base::bytes_view(whole.client_bytes).first(cut));
    c.server.on_transport_closed({base::error_kind::closed, "cut"});
    c.settle();
    ASSERT_EQ(c.all<closed>().size(), 1u);
    EXPECT_EQ(c.closed_by()->text, "cut");
    EXPECT_EQ(c.all<publish_ended>().size(), c.all<publish_requested>().size());
  }
}

// The recorded conversations are what fuzzing starts from. With MILLRACE_WRITE_SEEDS=fuzz/corpus they are written there, each with the
// leading bytes that fuzz/session_fuzz.cpp and fuzz/chunk_fuzz.cpp expect in front of what follows the handshake.
TEST(session_pair, conversations_for_fuzzing) {
  constexpr std::size_t handshake_bytes = 1 + 2 * 1536;
  const auto write = [](const std::string& name, std::initializer_list<std::uint8_t> front, base::bytes_view bytes) {
    const char* folder = std::getenv("MILLRACE_WRITE_SEEDS");
    if (!folder) return;
    test::bytes seed(front);
    seed.insert(seed.end(), bytes.begin(), bytes.end());
    std::ofstream file(std::string(folder) + "/" + name, std::ios::binary);
    file.write(reinterpret_cast<const char*>(seed.data()), static_cast<std::streamsize>(seed.size()));
  };
  session_pair publish(config_for(client_role::publish));
  publish.settle();
  publish.client.send(metadata());
  publish.client.send(frame(media::frame_kind::video, 0, 200, 0x17));
  publish.client.send(frame(media::frame_kind::audio, 0x1000000, 20, 0xAF));
  publish.client.end();
  publish.settle();
  ASSERT_EQ(events_of<publish_ended>(publish.server_events).size(), 1u);
  const auto publisher = base::bytes_view(publish.client_bytes).subspan(handshake_bytes);
  write("session/publish", {0, 0}, publisher);
  write("session/publish_pieces", {1, 50}, publisher);
  write("chunk/publish", {5}, publisher);
  session_pair play(config_for(client_role::play));
  play.settle();
  play.client.end();
  play.settle();
  ASSERT_EQ(events_of<play_ended>(play.server_events).size(), 1u);
  write("session/play", {1, 0}, base::bytes_view(play.client_bytes).subspan(handshake_bytes));

  // The other direction: what a server says to a player.
  test::scripted_client player;
  player.connect();
  player.play();
  for (const auto& f : {metadata(), frame(media::frame_kind::video, 0, 200, 0x17), frame(media::frame_kind::audio, 7, 20, 0xAF)})
    player.server.send(player.now, 1, f, nullptr);
  player.server.notify_unpublish(1);
  player.settle();
  ASSERT_GT(player.raw_output.size(), 500u);
  write("session/server_to_player", {3, 0}, player.raw_output);
  write("chunk/server_to_player", {31}, player.raw_output);

  // What a server says to our publisher: the transactions of the two clients differ only in createStream's.
  test::scripted_client publisher_side;
  publisher_side.connect();
  publisher_side.publish();
  publisher_side.call("FCUnpublish", 6, {"a"});
  ASSERT_EQ(publisher_side.got.count("NetStream.Unpublish.Success"), 1);
  write("session/server_to_publisher", {2, 0}, publisher_side.raw_output);
}

}  // namespace
}  // namespace millrace::rtmp
