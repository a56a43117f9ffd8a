// Publish, media and data of the server role (conformance sections 8, 9, M7, M8), with the dialects of real encoders.
#include <gmock/gmock.h>

#include "rtmp/media_message.hpp"
#include "support/rtmp_peer.hpp"

namespace millrace::rtmp {
namespace {

using namespace std::chrono_literals;
using test::aac_frame;
using test::avc_key_frame;
using test::media_message;
using test::scripted_client;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

test::bytes amf(const std::vector<amf0::value>& values) {
  base::byte_writer w;
  for (const auto& v : values) amf0::encode(w, v);
  return std::move(w).take();
}

message data_message(std::uint32_t msid, test::bytes body, message_type type = message_type::data_amf0) {
  auto m = media_message(type, msid, 0, std::move(body));
  return m;
}

scripted_client publishing(std::string_view name = "a") {
  scripted_client c;
  c.connect();
  c.publish(name);
  return c;
}

TEST(server_publish, P1_release_stream_and_fc_publish_before_create_stream) {
  scripted_client c;
  c.connect();
  c.call("releaseStream", 2, {"a"});
  c.call("FCPublish", 3, {"a"});
  EXPECT_THAT(c.got.outline(), ElementsAre("5", "6", "_result NetConnection.Connect.Success", "4:0", "_result",
                                           "onFCPublish NetStream.Publish.Start", "_result"));
  EXPECT_EQ(c.got.status("NetStream.Publish.Start")->description, "a");
  EXPECT_TRUE(c.all<publish_requested>().empty());
}

TEST(server_publish, P2_stream_ids) {
  scripted_client c;
  c.connect();
  for (int i = 0; i < 17; ++i) c.call("createStream", 10 + i);
  std::vector<double> ids;
  for (const auto& r : c.got.commands()) {
    if (r.name == "_result" && r.transaction >= 10) ids.push_back(r.number_arg(0, 0));
  }
  ASSERT_EQ(ids.size(), 16u);
  EXPECT_EQ(ids.front(), 1);
  EXPECT_EQ(ids.back(), 16);
  EXPECT_THAT(c.got.codes("_error"), ElementsAre("NetConnection.Call.Failed"));
  c.call("deleteStream", 0, {5.0});
  c.call("deleteStream", 0, {5.0});
  c.call("createStream", 40);
  EXPECT_EQ(c.got.commands().back().number_arg(0, 0), 5);  // reused only after its deletion
}

TEST(server_publish, P3_P13_ffmpeg_sends_back_to_back) {
  scripted_client c;
  c.connect("live", {{"type", "nonprivate"}, {"flashVer", "FMLE/3.0 (compatible; Lavf59.27.100)"}});
  base::send_chain flight;
  flight.append(encode_chunks(make_command(0, "releaseStream", 2, amf0::null{}, {"a"}), 128));
  flight.append(encode_chunks(make_command(0, "FCPublish", 3, amf0::null{}, {"a"}), 128));
  flight.append(encode_chunks(make_command(0, "createStream", 4, amf0::null{}), 128));
  c.send_bytes(flight.flatten());
  EXPECT_EQ(c.got.commands().back().number_arg(0, 0), 1);
  c.call("publish", 5, {"a", "live"}, 1);
  EXPECT_EQ(c.got.count("NetStream.Publish.Start"), 1);
  c.send(data_message(1, amf({"@setDataFrame", "onMetaData", amf0::ecma_array{{{"width", 640.0}}}})));
  c.send(media_message(message_type::video, 1, 0, avc_key_frame()));
  c.call("FCUnpublish", 6, {"a"});
  c.call("deleteStream", 7, {1.0});
  EXPECT_EQ(c.all<frame_received>().size(), 2u);
  EXPECT_EQ(c.all<publish_ended>().size(), 1u);
  EXPECT_EQ(c.got.count("NetStream.Unpublish.Success"), 1);
}

TEST(server_publish, P3_P12_obs_and_librtmp_send_one_by_one) {
  scripted_client c;
  const amf0::object o{{{"app", "live"},
                        {"type", "nonprivate"},
                        {"flashVer", "FMLE/3.0 (compatible; FMSc/1.0)"},
                        {"swfUrl", "rtmp://h/live"},
                        {"tcUrl", "rtmp://h/live"}}};
  c.send(make_command(0, "connect", 1, o));
  c.send_bytes(encode_chunks(make_control(message_type::set_chunk_size, 4096), 128).flatten());
  c.chunk_size = 4096;
  c.send(make_control(message_type::window_acknowledgement_size, 2'500'000));
  c.call("releaseStream", 2, {"key?auth=1"});
  c.call("FCPublish", 3, {"key?auth=1"});
  c.call("createStream", 4);
  c.call("publish", 5, {"key?auth=1", "live"}, 1);
  ASSERT_EQ(c.all<publish_requested>().size(), 1u);
  EXPECT_EQ(c.all<publish_requested>()[0].name, "key");
  EXPECT_EQ(c.all<publish_requested>()[0].query, "auth=1");
  // librtmp's ping: format 1 on chunk stream 2.
  c.send_bytes(test::bytes{0x42, 0, 0, 0, 0, 0, 6, 4, 0, 6, 0, 0, 0, 9});
  c.send(media_message(message_type::audio, 1, 0, aac_frame()));
  c.call("FCUnpublish", 6, {"key?auth=1"});
  c.call("deleteStream", 7, {1.0});
  EXPECT_FALSE(c.server.is_closed());
  EXPECT_EQ(c.all<publish_ended>().size(), 1u);
  EXPECT_TRUE(c.got.command("onFCUnpublish"));
}

TEST(server_publish, P4_types_and_the_answer) {
  for (const char* type : {"live", "record", "append", "LIVE", ""}) {
    scripted_client c;
    c.connect();
    c.call("createStream", 2);
    c.got.messages.clear();
    std::vector<amf0::value> args{"a"};
    if (*type) args.push_back(type);
    c.call("publish", 3, args, 1);
    const std::string expected = std::string(type) == "record" || std::string(type) == "append" ? type : "live";
    EXPECT_EQ(c.all<publish_requested>().at(0).type, expected);
    EXPECT_THAT(c.got.outline(), ElementsAre("4:0", "onStatus NetStream.Publish.Start"));
    const auto status = c.got.status("NetStream.Publish.Start").value();
    EXPECT_EQ(status.level, "status");
    EXPECT_FALSE(status.description.empty());
    EXPECT_EQ(c.got.messages.back().msid, 1u);
    EXPECT_EQ(c.got.command("onStatus")->transaction, 0);
  }
}

TEST(server_publish, P5_wrong_message_streams) {
  auto c = publishing();
  c.call("publish", 6, {"b"}, 9);
  c.call("publish", 6, {"b"}, 0);
  EXPECT_EQ(c.got.count("NetStream.Publish.Failed"), 2);
  c.call("publish", 6, {"b"}, 1);  // publishes already: refused, and what is there goes on
  EXPECT_EQ(c.got.count("NetStream.Publish.BadName"), 1);
  EXPECT_EQ(c.all<publish_requested>().size(), 1u);
  c.send(media_message(message_type::audio, 1, 0, aac_frame()));
  EXPECT_EQ(c.all<frame_received>().size(), 1u);
  EXPECT_FALSE(c.server.is_closed());
}

TEST(server_publish, P5_bad_names_are_refused_with_text_and_closed_after_the_grace) {
  for (const auto& name : {std::string(""), std::string("/a"), std::string("../a"), std::string("a\nb"), std::string(257, 'a'),
                           std::string("?token=1"), "a?" + std::string(1025, 'q')}) {
    scripted_client c;
    c.connect();
    c.publish(name);
    EXPECT_EQ(c.got.count("NetStream.Publish.BadName"), 1) << name;
    EXPECT_FALSE(c.got.status("NetStream.Publish.BadName")->description.empty());
    EXPECT_TRUE(c.all<publish_requested>().empty());
    c.advance(2'999ms);
    EXPECT_FALSE(c.server.is_closed());
    c.advance(1ms);
    EXPECT_TRUE(c.server.is_closed());
  }
}

TEST(server_publish, P6_name_taken_away_by_the_server) {
  auto c = publishing();
  c.server.end_publish(1, {"error", "NetStream.Publish.BadName", "taken over"});
  c.settle();
  EXPECT_EQ(c.got.count("NetStream.Publish.BadName"), 1);
  EXPECT_TRUE(c.all<publish_ended>().empty());  // the driver knows
  c.send(media_message(message_type::audio, 1, 0, aac_frame()));
  EXPECT_EQ(c.server.media_dropped(), 1u);
  c.advance(3s);
  EXPECT_TRUE(c.server.is_closed());
}

TEST(server_publish, P7_refusal_comes_instead_of_start) {
  scripted_client c;
  c.connect();
  c.accept = false;
  c.publish();
  c.server.reject_publish(1, {"error", "NetStream.Publish.Denied", "wrong stream key"});
  c.settle();
  EXPECT_EQ(c.got.count("NetStream.Publish.Start"), 0);
  EXPECT_EQ(c.got.status("NetStream.Publish.Denied")->description, "wrong stream key");
  // It may try again within the grace.
  c.call("publish", 6, {"b"}, 1);
  EXPECT_EQ(c.all<publish_requested>().size(), 2u);
  c.server.accept_publish(1);
  c.settle();
  EXPECT_EQ(c.got.count("NetStream.Publish.Start"), 1);
}

TEST(server_publish, P8_media_without_a_publication_is_dropped_and_counted) {
  scripted_client c;
  c.connect();
  c.call("createStream", 2);
  c.send(media_message(message_type::video, 1, 0, avc_key_frame()));
  c.send(media_message(message_type::video, 7, 0, avc_key_frame()));
  c.send(media_message(message_type::video, 0, 0, avc_key_frame()));
  EXPECT_EQ(c.server.media_dropped(), 3u);
  c.call("publish", 3, {"a"}, 1);
  c.call("deleteStream", 0, {1.0});
  c.send(media_message(message_type::video, 1, 0, avc_key_frame()));
  EXPECT_EQ(c.server.media_dropped(), 4u);
  EXPECT_TRUE(c.all<frame_received>().empty());
}

TEST(server_publish, P8_media_behind_an_undecided_publish_waits_for_the_answer) {
  for (bool yes : {true, false}) {
    scripted_client c;
    c.connect();
    c.accept = false;
    c.publish();
    c.send(media_message(message_type::audio, 1, 0, aac_frame()));
    c.send(media_message(message_type::audio, 1, 20, aac_frame()));
    EXPECT_TRUE(c.all<frame_received>().empty());
    if (yes) c.server.accept_publish(1);
    if (!yes) c.server.reject_publish(1, {"error", "NetStream.Publish.Denied", "no"});
    c.settle();
    EXPECT_EQ(c.all<frame_received>().size(), yes ? 2u : 0u);
    EXPECT_EQ(c.server.media_dropped(), yes ? 0u : 2u);
  }
}

TEST(server_publish, P9_every_order_of_ending) {
  const std::vector<std::vector<std::string>> orders{{"FCUnpublish", "closeStream", "deleteStream"},
                                                     {"deleteStream", "FCUnpublish"},
                                                     {"closeStream"},
                                                     {"deleteStream"},
                                                     {"FCUnpublish"},
                                                     {"closeStream", "closeStream", "deleteStream", "deleteStream"},
                                                     {"FCUnpublish", "FCUnpublish"}};
  for (const auto& order : orders) {
    auto c = publishing();
    for (const auto& name : order) {
      if (name == "FCUnpublish") c.call(name, 6, {"a"});
      if (name == "closeStream") c.call(name, 0, {}, 1);
      if (name == "deleteStream") c.call(name, 0, {1.0});
    }
    EXPECT_EQ(c.got.count("NetStream.Unpublish.Success"), 1);
    EXPECT_EQ(c.all<publish_ended>().size(), 1u);
    c.server.on_transport_closed({base::error_kind::closed, "gone"});
    c.settle();
    EXPECT_EQ(c.all<publish_ended>().size(), 1u);
    EXPECT_EQ(c.all<closed>().size(), 1u);
  }
}

TEST(server_publish, P9_publishing_again_after_close_stream) {
  auto c = publishing();
  c.call("closeStream", 0, {}, 1);
  c.call("publish", 8, {"b"}, 1);
  EXPECT_EQ(c.all<publish_requested>().size(), 2u);
  EXPECT_EQ(c.got.count("NetStream.Publish.Start"), 2);
}

TEST(server_publish, P10_transport_loss_ends_once) {
  auto c = publishing();
  c.server.on_transport_closed({base::error_kind::unreachable, "reset"});
  c.server.on_transport_closed({base::error_kind::unreachable, "again"});
  c.settle();
  EXPECT_EQ(c.all<publish_ended>().size(), 1u);
  EXPECT_EQ(c.closed_by()->text, "reset");
  EXPECT_TRUE(std::holds_alternative<closed>(c.events.back()));
  c.send(media_message(message_type::audio, 1, 0, aac_frame()));
  EXPECT_FALSE(c.server.poll_timeout());
}

// What the peer sent behind the request has ended the session before the driver came to it.
TEST(server_publish, P10_a_request_that_is_answered_too_late_has_ended_once) {
  for (const bool refuse : {false, true}) {
    scripted_client c;
    c.connect();
    c.call("createStream", 4);
    const auto published = c.events.size();
    auto sent = encode_chunks(make_command(1, "publish", 5, amf0::null{}, {"a", "live"}), c.chunk_size).flatten();
    const auto broken = encode_chunks(media_message(message_type::set_chunk_size, 0, 0, {0, 0, 0, 0}), c.chunk_size).flatten();
    sent.insert(sent.end(), broken.begin(), broken.end());
    c.accept = !refuse;
    c.server.receive(c.now, sent);
    EXPECT_TRUE(c.server.is_closed());
    const auto request = c.server.poll_event();
    ASSERT_TRUE(request && std::holds_alternative<publish_requested>(*request));
    refuse ? c.server.reject_publish(1, {"error", "NetStream.Publish.Denied", "no"}) : c.server.accept_publish(1);
    c.settle();
    ASSERT_EQ(c.events.size(), published + 2);
    EXPECT_TRUE(std::holds_alternative<publish_ended>(c.events[published]));
    EXPECT_TRUE(std::holds_alternative<closed>(c.events.back()));
    EXPECT_EQ(c.got.count("NetStream.Publish.Start") + c.got.count("NetStream.Publish.Denied"), 0);
  }
}

TEST(server_publish, P10_silent_publisher_loses_its_name) {
  auto c = publishing();
  c.advance(20s);
  c.send(media_message(message_type::audio, 1, 0, aac_frame()));
  for (int i = 0; i < 5; ++i) {  // answering pings is no publishing
    c.advance(5s);
    c.send(make_user_control(user_event::ping_response, 1));
  }
  EXPECT_FALSE(c.server.is_closed());
  c.advance(5s);
  EXPECT_EQ(c.got.count("NetStream.Publish.Idle"), 1);
  EXPECT_EQ(c.all<publish_ended>().size(), 1u);
  ASSERT_TRUE(c.closed_by());
  EXPECT_EQ(c.closed_by()->kind, base::error_kind::timeout);
}

TEST(server_publish, P11_streams_of_one_connection_are_independent) {
  scripted_client c;
  c.connect();
  for (double t : {2, 3, 4}) c.call("createStream", t);
  c.call("publish", 5, {"a"}, 1);
  c.call("publish", 6, {"b"}, 2);
  c.call("play", 7, {"c"}, 3);
  c.send(media_message(message_type::audio, 1, 1000, aac_frame()));
  c.send(media_message(message_type::audio, 2, 50, aac_frame()));
  c.call("deleteStream", 0, {1.0});
  c.send(media_message(message_type::audio, 2, 70, aac_frame()));
  const auto frames = c.all<frame_received>();
  ASSERT_EQ(frames.size(), 3u);
  EXPECT_EQ(frames[0].msid, 1u);
  EXPECT_EQ(frames[0].frame.dts_ms, 1000);
  EXPECT_EQ(frames[2].msid, 2u);
  EXPECT_EQ(frames[2].frame.dts_ms, 70);
  // While a new publish is being decided, the accepted one flows on.
  c.accept = false;
  c.call("createStream", 8);
  c.call("publish", 9, {"d"}, 1);
  c.send(media_message(message_type::audio, 2, 90, aac_frame()));
  EXPECT_EQ(c.all<frame_received>().size(), 4u);
}

// ---- data -------------------------------------------------------------------------------------------------------

TEST(server_data, D1_set_data_frame_is_stripped) {
  auto c = publishing();
  const amf0::ecma_array meta{{{"width", 640.0}, {"videocodecid", 1635135537.0}}};
  c.send(data_message(1, amf({"@setDataFrame", "onMetaData", meta})));
  c.send(data_message(1, amf({"onMetaData", meta})));
  auto amf3 = amf({"@setDataFrame", "onMetaData", meta});
  amf3.insert(amf3.begin(), 0);
  c.send(data_message(1, amf3, message_type::data_amf3));
  const auto frames = c.all<frame_received>();
  ASSERT_EQ(frames.size(), 3u);
  for (const auto& f : frames) {
    EXPECT_EQ(f.frame.kind, media::frame_kind::data);
    EXPECT_FALSE(f.frame.key || f.frame.config);
    const auto v = f.frame.payload.view();
    EXPECT_EQ(test::bytes(v.begin(), v.end()), amf({"onMetaData", meta}));
  }
}

TEST(server_data, D2_D3_clear_and_others) {
  auto c = publishing();
  c.send(data_message(1, amf({"|RtmpSampleAccess", true, true})));
  c.send(data_message(1, amf({5.0})));
  c.send(data_message(1, {}));
  c.send(data_message(1, {0x02, 0xFF, 0xFF, 'x'}));
  EXPECT_TRUE(c.all<frame_received>().empty());
  EXPECT_EQ(c.server.media_dropped(), 4u);
  const auto clear = amf({"@clearDataFrame", "onMetaData"});  // whole, for the hub
  c.send(data_message(1, clear));
  const auto cue = amf({"onCuePoint", amf0::object{{{"name", "x"}}}});
  c.send(data_message(1, cue));
  const test::bytes strange{0x02, 0, 3, 'f', 'o', 'o', 0x99, 0x98};  // the rest is nobody's business
  c.send(data_message(1, strange));
  const auto frames = c.all<frame_received>();
  ASSERT_EQ(frames.size(), 3u);
  EXPECT_EQ(test::bytes(frames[0].frame.payload.view().begin(), frames[0].frame.payload.view().end()), clear);
  EXPECT_EQ(test::bytes(frames[1].frame.payload.view().begin(), frames[1].frame.payload.view().end()), cue);
  EXPECT_EQ(test::bytes(frames[2].frame.payload.view().begin(), frames[2].frame.payload.view().end()), strange);
}

// ---- media ------------------------------------------------------------------------------------------------------

TEST(server_media, frames_are_classified_and_stamped) {
  auto c = publishing();
  c.now += 1234ms;
  c.send(media_message(message_type::video, 1, 5, {0x17, 0, 0, 0, 0, 1}));
  c.send(media_message(message_type::video, 1, 5, avc_key_frame()));
  const auto frames = c.all<frame_received>();
  ASSERT_EQ(frames.size(), 2u);
  EXPECT_TRUE(frames[0].frame.config);
  EXPECT_FALSE(frames[0].frame.key);
  EXPECT_TRUE(frames[1].frame.key);
  EXPECT_EQ(frames[1].frame.arrival, c.now);
}

test::bytes part(unsigned type, std::uint32_t time, const test::bytes& body) {
  base::byte_writer w;
  w.u8(static_cast<std::uint8_t>(type))
      .u24(static_cast<std::uint32_t>(body.size()))
      .u24(time & 0xFFFFFF)
      .u8(static_cast<std::uint8_t>(time >> 24))
      .u24(0);
  w.bytes(body).u32(static_cast<std::uint32_t>(11 + body.size()));
  return std::move(w).take();
}

TEST(server_media, M7_aggregate_parts) {
  for (std::uint32_t base_time : {0u, 5000u, 0xFFFFFFF0u}) {  // relative, absolute and wrapping times inside come out alike
    auto c = publishing();
    test::bytes body = part(8, base_time, aac_frame());
    for (const auto& more : {part(9, base_time + 20, avc_key_frame()), part(20, base_time, {1}), part(8, base_time + 40, {})})
      body.insert(body.end(), more.begin(), more.end());
    c.send(media_message(message_type::aggregate, 1, 5000, body));
    const auto frames = c.all<frame_received>();
    ASSERT_EQ(frames.size(), 3u);
    EXPECT_EQ(frames[0].frame.dts_ms, 5000);
    EXPECT_EQ(frames[1].frame.dts_ms, 5020);
    EXPECT_TRUE(frames[1].frame.key);
    EXPECT_EQ(frames[2].frame.dts_ms, 5040);
    EXPECT_EQ(frames[2].frame.payload.size(), 0u);
  }
}

TEST(server_media, M7_bad_sizes_close) {
  auto good = part(8, 0, aac_frame());
  for (std::size_t cut = 1; cut < good.size(); ++cut) {
    auto c = publishing();
    c.send(media_message(message_type::aggregate, 1, 0, test::bytes(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(cut))));
    ASSERT_TRUE(c.closed_by()) << cut;
    EXPECT_THAT(c.closed_by()->text, HasSubstr("aggregate"));
    EXPECT_EQ(c.all<publish_ended>().size(), 1u);
  }
}

TEST(server_media, M7_an_aggregate_has_512_parts_at_most) {
  for (const std::size_t count : {aggregate_parts_max, aggregate_parts_max + 1}) {
    auto c = publishing();
    test::bytes body;
    const auto one = part(20, 0, {});  // no frame, and still one that is walked
    for (std::size_t i = 0; i < count; ++i) body.insert(body.end(), one.begin(), one.end());
    c.send(media_message(message_type::aggregate, 1, 0, body));
    const auto closed = c.closed_by();
    EXPECT_EQ(closed.has_value(), count > aggregate_parts_max);
    if (closed) {
      EXPECT_THAT(closed->text, HasSubstr("more than 512 parts"));
    }
  }
}

// Whoever keeps a part, as the hub does, keeps what it is charged for and not the message around it.
TEST(server_media, M7_a_part_keeps_no_more_than_itself) {
  test::bytes body = part(9, 0, avc_key_frame());
  const auto unused = part(1, 0, test::bytes(1'000));
  body.insert(body.end(), unused.begin(), unused.end());
  const auto bytes = std::make_shared<const test::bytes>(std::move(body));
  message m = media_message(message_type::aggregate, 1, 0, {});
  m.payload = base::slice(bytes, *bytes);
  std::vector<media::frame> frames;
  std::uint64_t dropped = 0;
  ASSERT_TRUE(frame_builder().build({}, m, frames, dropped));
  m.payload = {};
  ASSERT_EQ(frames.size(), 1u);
  EXPECT_EQ(base::as_text(frames[0].payload), base::as_text(avc_key_frame()));
  EXPECT_EQ(bytes.use_count(), 1);
}

TEST(server_media, M8_empty_audio_is_a_frame) {
  auto c = publishing();
  c.send(media_message(message_type::audio, 1, 40, {}));
  ASSERT_EQ(c.all<frame_received>().size(), 1u);
  EXPECT_TRUE(c.all<frame_received>()[0].frame.payload.empty());
}

TEST(dts_clock, T8_widens_across_2_to_the_32) {
  dts_clock clock;
  EXPECT_EQ(clock.widen(0xFFFFFFF0), 0xFFFFFFF0);  // the first value as it is
  EXPECT_EQ(clock.widen(0x10), 0x1'0000'0010);
  EXPECT_EQ(clock.widen(0xFFFFFFF8), 0xFFFFFFF8);  // a small step back
  EXPECT_EQ(clock.widen(0x20), 0x1'0000'0020);
}

TEST(dts_clock, T8_peers_that_mask_to_31_bits) {
  dts_clock clock;
  EXPECT_EQ(clock.widen(0x7FFFFFF0), 0x7FFFFFF0);
  EXPECT_EQ(clock.widen(0x10), 0x8000'0010);
  EXPECT_EQ(clock.widen(0x7FFFFFF8), 0x7FFFFFF8);  // audio that is a little behind
  EXPECT_EQ(clock.widen(0x20), 0x8000'0020);
  dts_clock full;  // a full 32-bit count passes 2^31 unharmed
  full.widen(0x7FFFFFF0);
  EXPECT_EQ(full.widen(0x80000010), 0x8000'0010);
}

TEST(dts_clock, T9_steps_back_are_kept) {
  dts_clock clock;
  clock.widen(10'000);
  EXPECT_EQ(clock.widen(9'990), 9'990);
  EXPECT_EQ(clock.widen(0), 0);
}

}  // namespace
}  // namespace millrace::rtmp
