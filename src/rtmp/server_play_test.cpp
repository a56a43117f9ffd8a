// Play of the server role (conformance section 10), with the dialects of real players.
#include <gmock/gmock.h>

#include "rtmp/wire_image.hpp"
#include "support/rtmp_peer.hpp"

namespace millrace::rtmp {
namespace {

using namespace std::chrono_literals;
using test::scripted_client;
using ::testing::ElementsAre;
using ::testing::IsSupersetOf;

scripted_client playing(std::string_view name = "a") {
  scripted_client c;
  c.connect();
  c.play(name);
  return c;
}

media::frame frame(media::frame_kind kind, std::int64_t dts_ms, test::bytes payload) {
  media::frame f;
  f.kind = kind;
  f.dts_ms = dts_ms;
  f.payload = base::slice(std::move(payload));
  return f;
}

std::size_t media_count(const scripted_client& c, message_type type) {
  return static_cast<std::size_t>(
      std::count_if(c.got.messages.begin(), c.got.messages.end(), [type](const auto& m) { return m.type == type; }));
}

TEST(server_play, L1_order_of_the_answer) {
  scripted_client c;
  c.connect();
  c.call("createStream", 2);
  c.got.messages.clear();
  c.call("play", 3, {"a?token=x", -2.0, -1.0, true}, 1);
  const auto r = c.all<play_requested>().at(0);
  EXPECT_EQ(r.name, "a");
  EXPECT_EQ(r.query, "token=x");
  EXPECT_EQ(r.start, -2);
  EXPECT_THAT(c.got.outline(), ElementsAre("4:0", "onStatus NetStream.Play.Reset", "onStatus NetStream.Play.Start",
                                           "data |RtmpSampleAccess", "data onStatus"));
  for (const auto& m : c.got.messages) {
    EXPECT_EQ(m.msid, m.type == message_type::user_control ? 0u : 1u);
  }
  const auto data = amf0::decode_all(c.got.messages.back().payload, {}).value();
  EXPECT_EQ(*data.at(1).find("code")->text(), "NetStream.Data.Start");
}

TEST(server_play, L1_without_reset) {
  for (const amf0::value& no : {amf0::value(false), amf0::value(0.0)}) {
    scripted_client c;
    c.connect();
    c.call("createStream", 2);
    c.call("play", 3, {"a", -2.0, -1.0, no}, 1);
    EXPECT_EQ(c.got.count("NetStream.Play.Reset"), 0);
    EXPECT_EQ(c.got.count("NetStream.Play.Start"), 1);
  }
}

TEST(server_play, L1_start_in_the_units_of_every_player) {
  struct row {
    amf0::value sent;
    double expected;
  };
  for (const auto& row : {row{-2.0, -2}, row{-2000.0, -2}, row{-1.0, -1}, row{-1000.0, -1}, row{0.0, 0}, row{12.5, 12.5},
                          row{amf0::null{}, -2}, row{"x", -2}}) {
    scripted_client c;
    c.connect();
    c.call("createStream", 2);
    c.call("play", 3, {"a", row.sent}, 1);
    EXPECT_EQ(c.all<play_requested>().at(0).start, row.expected);
  }
}

TEST(server_play, L2_frames_go_out_as_the_shared_image) {
  auto c = playing();
  const auto f = frame(media::frame_kind::video, 40, test::avc_key_frame());
  const auto wire = std::make_shared<const base::send_chain>(encode_wire(f));
  c.server.send(c.now, 1, f, wire);
  const auto out = c.server.poll_output();
  EXPECT_EQ(out.parts().at(0).data(), wire->parts().at(0).data());
  EXPECT_EQ(out.parts().at(1).data(), f.payload.data());
}

TEST(server_play, L2_another_message_stream_gets_its_own_image) {
  scripted_client c;
  c.connect();
  c.call("createStream", 2);
  c.play("a", 2);
  const auto f = frame(media::frame_kind::audio, 40, test::aac_frame());
  const auto wire = std::make_shared<const base::send_chain>(encode_wire(f));
  c.server.send(c.now, 2, f, wire);
  c.settle();
  EXPECT_EQ(c.got.messages.back().type, message_type::audio);
  EXPECT_EQ(c.got.messages.back().msid, 2u);
  EXPECT_EQ(c.got.messages.back().timestamp, 40u);
  c.server.send(c.now, 2, f, nullptr);
  c.settle();
  EXPECT_EQ(media_count(c, message_type::audio), 2u);
}

TEST(server_play, L3_refusals) {
  scripted_client c;
  c.connect();
  c.accept = false;
  c.play();
  c.server.reject_play(1, {"error", "NetStream.Play.StreamNotFound", "nobody publishes a"});
  c.settle();
  EXPECT_EQ(c.got.count("NetStream.Play.StreamNotFound"), 1);
  EXPECT_EQ(c.got.count("NetStream.Play.Start"), 0);
  c.advance(3s);
  EXPECT_TRUE(c.server.is_closed());

  scripted_client bad;
  bad.connect();
  bad.play("../x");
  bad.call("play", 9, {"a"}, 0);
  bad.call("play", 9, {"a"}, 5);
  EXPECT_EQ(bad.got.count("NetStream.Play.Failed"), 3);
  EXPECT_TRUE(bad.all<play_requested>().empty());
}

TEST(server_play, L4_pause_and_unpause) {
  auto c = playing();
  const auto f = frame(media::frame_kind::audio, 40, test::aac_frame());
  c.call("pause", 0, {true, 1000.0}, 1);
  EXPECT_EQ(c.got.count("NetStream.Pause.Notify"), 1);
  c.server.send(c.now, 1, f, nullptr);
  c.settle();
  EXPECT_EQ(media_count(c, message_type::audio), 0u);
  c.call("pauseRaw", 0, {false, 1000.0}, 1);
  EXPECT_EQ(c.got.count("NetStream.Unpause.Notify"), 1);
  c.server.send(c.now, 1, f, nullptr);
  c.settle();
  EXPECT_EQ(media_count(c, message_type::audio), 1u);
  const auto events = c.all<pause_requested>();
  ASSERT_EQ(events.size(), 2u);
  EXPECT_TRUE(events[0].pause);
  EXPECT_FALSE(events[1].pause);
  c.call("pause", 0, {true}, 9);  // no such stream: nothing
  EXPECT_EQ(c.all<pause_requested>().size(), 2u);
}

TEST(server_play, L5_seek_on_live) {
  auto c = playing();
  c.call("seek", 0, {5000.0}, 1);
  EXPECT_EQ(c.got.status("NetStream.Seek.Failed")->level, "error");
  EXPECT_FALSE(c.server.is_closed());
}

// A player of a recording, already accepted.
scripted_client playing_recorded() {
  server_config config;
  config.recordings = true;
  scripted_client c(config);
  c.connect();
  c.call("createStream", 2);
  c.accept = false;
  c.got.messages.clear();
  c.call("play", 3, {"a", 0.0}, 1);
  c.server.accept_play_recorded(1);
  c.settle();
  c.accept = true;
  return c;
}

TEST(server_play, L1_a_recording_says_that_it_is_one) {
  auto c = playing_recorded();
  EXPECT_THAT(c.got.outline(), ElementsAre("4:4", "4:0", "onStatus NetStream.Play.Reset", "onStatus NetStream.Play.Start", "data |RtmpSampleAccess", "data onStatus"));
}

TEST(server_play, L5_seek_in_a_recording) {
  auto c = playing_recorded();
  c.call("seek", 0, {5000.0}, 1);
  c.call("seek", 0, {-1.0}, 1);
  c.call("seek", 0, {1e300}, 1);
  const auto wishes = c.all<seek_requested>();
  ASSERT_EQ(wishes.size(), 3u);
  EXPECT_EQ(wishes[0].msid, 1u);
  EXPECT_EQ(wishes[0].to_ms, 5000);
  EXPECT_EQ(wishes[1].to_ms, 0);
  EXPECT_EQ(wishes[2].to_ms, 0);
  c.server.finish_seek(1, std::int64_t{4000});
  c.server.finish_seek(1, base::error{base::error_kind::input, "it ends there"});
  c.settle();
  EXPECT_EQ(c.got.status("NetStream.Seek.Notify")->level, "status");
  EXPECT_EQ(c.got.status("NetStream.Seek.InvalidTime")->level, "error");
  EXPECT_FALSE(c.server.is_closed());
}

TEST(server_play, L5_a_recording_ends_and_its_message_stream_may_play_again) {
  auto c = playing_recorded();
  c.got.messages.clear();
  c.server.complete_play(1);
  c.settle();
  EXPECT_THAT(c.got.outline(), ElementsAre("data onPlayStatus", "4:1", "onStatus NetStream.Play.Stop"));
  c.call("seek", 0, {5000.0}, 1);
  EXPECT_TRUE(c.all<seek_requested>().empty());
  c.call("play", 4, {"b"}, 1);
  EXPECT_EQ(c.all<play_requested>().back().name, "b");
  c.call("seek", 0, {5000.0}, 1);
  EXPECT_TRUE(c.all<seek_requested>().empty()) << "that one is live";
}

TEST(server_play, length_is_asked_for_where_there_are_recordings) {
  auto c = playing_recorded();
  c.call("getStreamLength", 9, {"b?recording=newest"});
  const auto asked = c.all<length_requested>();
  ASSERT_EQ(asked.size(), 1u);
  EXPECT_EQ(asked[0].name, "b");
  EXPECT_EQ(asked[0].query, "recording=newest");
  c.got.messages.clear();
  c.server.tell_length(asked[0].transaction, 12.5);
  c.settle();
  EXPECT_THAT(c.got.outline(), ElementsAre("_result"));
  c.call("getStreamLength", 10, {"../b"});
  EXPECT_EQ(c.all<length_requested>().size(), 1u) << "what cannot be a name is nobody's length";
}

TEST(server_play, L6_tracks) {
  auto c = playing();
  c.call("receiveVideo", 0, {false}, 1);
  c.server.send(c.now, 1, frame(media::frame_kind::video, 0, test::avc_key_frame()), nullptr);
  c.server.send(c.now, 1, frame(media::frame_kind::audio, 0, test::aac_frame()), nullptr);
  c.settle();
  EXPECT_EQ(media_count(c, message_type::video), 0u);
  EXPECT_EQ(media_count(c, message_type::audio), 1u);
  c.call("receiveVideo", 0, {true}, 1);
  c.call("receiveAudio", 0, {false}, 1);
  c.server.send(c.now, 1, frame(media::frame_kind::video, 0, test::avc_key_frame()), nullptr);
  c.settle();
  EXPECT_EQ(media_count(c, message_type::video), 1u);
  const auto events = c.all<receive_changed>();
  ASSERT_EQ(events.size(), 3u);
  EXPECT_TRUE(events[0].audio && !events[0].video);
  EXPECT_TRUE(events[1].audio && events[1].video);
  EXPECT_TRUE(!events[2].audio && events[2].video);
}

TEST(server_play, L7_close_delete_switch_and_play2) {
  auto c = playing();
  c.call("play", 6, {"b"}, 1);
  c.call("play2", 0, {amf0::object{{{"streamName", "c"}, {"oldStreamName", "b"}, {"transition", "switch"}}}}, 1);
  EXPECT_EQ(c.all<play_ended>().size(), 2u);
  ASSERT_EQ(c.all<play_requested>().size(), 3u);
  EXPECT_EQ(c.all<play_requested>()[2].name, "c");
  c.call("closeStream", 0, {}, 1);
  c.call("closeStream", 0, {}, 1);
  EXPECT_EQ(c.all<play_ended>().size(), 3u);
  c.server.send(c.now, 1, frame(media::frame_kind::audio, 0, test::aac_frame()), nullptr);
  c.settle();
  EXPECT_EQ(media_count(c, message_type::audio), 0u);
  c.call("play", 7, {"d"}, 1);
  c.call("deleteStream", 0, {1.0});
  EXPECT_EQ(c.all<play_ended>().size(), 4u);
  EXPECT_FALSE(c.server.is_closed());
}

TEST(server_play, L9_publisher_gone_and_back) {
  auto c = playing();
  c.got.messages.clear();
  c.server.notify_unpublish(1);
  c.server.notify_publish(1);
  c.settle();
  EXPECT_THAT(c.got.outline(),
              ElementsAre("4:1", "onStatus NetStream.Play.UnpublishNotify", "4:0", "onStatus NetStream.Play.PublishNotify"));
  EXPECT_TRUE(c.all<play_ended>().empty());
}

TEST(server_play, L10_a_slow_player_is_told) {
  auto c = playing();
  c.got.messages.clear();
  c.server.notify_play(1, {"warning", "NetStream.Play.InsufficientBW", "too slow"});
  c.server.notify_play(2, {"warning", "NetStream.Play.InsufficientBW", "nobody plays here"});
  c.settle();
  EXPECT_THAT(c.got.outline(), ElementsAre("onStatus NetStream.Play.InsufficientBW"));
  EXPECT_EQ(c.got.messages.at(0).msid, 1u);
  EXPECT_EQ(c.got.status("NetStream.Play.InsufficientBW")->level, "warning");
  EXPECT_EQ(c.got.status("NetStream.Play.InsufficientBW")->description, "too slow");
}

TEST(server_play, end_play_leaves_the_connection) {
  auto c = playing();
  c.got.messages.clear();
  c.server.end_play(1, {"status", "NetStream.Play.Stop", "over"});
  c.settle();
  EXPECT_THAT(c.got.outline(), ElementsAre("4:1", "onStatus NetStream.Play.Stop"));
  EXPECT_FALSE(c.server.is_closed());
  c.call("play", 9, {"b"}, 1);
  EXPECT_EQ(c.all<play_requested>().size(), 2u);
}

TEST(server_play, dialect_ffmpeg_player) {
  scripted_client c;
  c.connect("live", {{"fpad", false}, {"capabilities", 15.0}, {"audioCodecs", 4071.0}, {"videoCodecs", 252.0}, {"videoFunction", 1.0}});
  c.send(make_control(message_type::window_acknowledgement_size, 2'500'000));
  c.call("createStream", 2);
  c.call("FCSubscribe", 3, {"a"});
  c.call("getStreamLength", 4, {"a"});
  c.call("play", 5, {"a", -2000.0}, 1);
  c.send(make_set_buffer_length(1, 3000));
  c.call("_checkbw", 6);
  EXPECT_TRUE(c.got.codes("_error").empty());
  EXPECT_EQ(c.got.count("NetStream.Play.Start"), 1);
  c.call("deleteStream", 0, {1.0});
  EXPECT_EQ(c.all<play_ended>().size(), 1u);
}

TEST(server_play, dialect_librtmp_player) {
  scripted_client c;
  c.connect();
  c.send(make_control(message_type::window_acknowledgement_size, 2'500'000));
  c.send(make_set_buffer_length(0, 300));
  c.call("createStream", 2);
  c.call("FCSubscribe", 3, {"a"});
  c.call("play", 4, {"a", -1000.0}, 1);
  c.send(make_set_buffer_length(1, 36'000'000));
  c.call("pause", 5, {true, 0.0}, 1);
  c.call("pause", 6, {false, 0.0}, 1);
  EXPECT_THAT(c.got.codes(), IsSupersetOf({"NetStream.Play.Start", "NetStream.Pause.Notify", "NetStream.Unpause.Notify"}));
  EXPECT_FALSE(c.server.is_closed());
}

TEST(server_play, closing_tells_the_player_why) {
  auto c = playing();
  c.server.close({base::error_kind::closed, "the server shuts down"});
  c.settle();
  EXPECT_EQ(c.got.status("NetConnection.Connect.Closed")->description, "the server shuts down");
  EXPECT_EQ(c.all<play_ended>().size(), 1u);
  EXPECT_EQ(c.closed_by()->kind, base::error_kind::closed);
}

}  // namespace
}  // namespace millrace::rtmp
