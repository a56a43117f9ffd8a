// The client role against a scripted server (conformance sections 7, 8, 10 for C).
#include <gmock/gmock.h>

#include "rtmp/rejection.hpp"
#include "rtmp/wire_image.hpp"
#include "support/rtmp_peer.hpp"

namespace millrace::rtmp {
namespace {

using namespace std::chrono_literals;
using test::scripted_server;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

client_config config_for(client_role role, bool pipeline = true) {
  client_config c;
  c.role = role;
  c.app = "live";
  c.tc_url = "rtmp://host/live";
  c.stream_name = "a?key=1";
  c.pipeline = pipeline;
  return c;
}

std::vector<std::string> names(const test::transcript& got) {
  std::vector<std::string> out;
  for (const auto& c : got.commands()) out.push_back(c.name);
  return out;
}

scripted_server running(client_role role) {
  scripted_server s(config_for(role));
  s.accept_connect();
  s.result(4, 1.0);
  s.status("status", role == client_role::publish ? "NetStream.Publish.Start" : "NetStream.Play.Start", "go");
  return s;
}

TEST(client_publish, H3_nothing_but_c2_before_s2) {
  client_session client(config_for(client_role::publish), test::at(0ms), 9);
  server_handshake shake(3);
  ASSERT_TRUE(shake.receive(test::at(0ms), client.poll_output().flatten()));
  const auto answer = shake.poll_output();
  client.receive(test::at(0ms), base::bytes_view(answer).first(1 + handshake_size));
  EXPECT_EQ(client.poll_output().size(), handshake_size);
  client.receive(test::at(0ms), base::bytes_view(answer).subspan(1 + handshake_size, handshake_size - 1));
  EXPECT_TRUE(client.poll_output().empty());
  client.receive(test::at(0ms), base::bytes_view(answer).last(1));
  EXPECT_FALSE(client.poll_output().empty());
}

TEST(client_publish, connect_is_the_first_message_and_says_who_we_are) {
  scripted_server s(config_for(client_role::publish));
  ASSERT_FALSE(s.got.messages.empty());
  const auto c = parse_command(s.got.messages.front(), {}).value();
  EXPECT_EQ(c.name, "connect");
  EXPECT_EQ(c.transaction, 1);
  EXPECT_EQ(*c.object.find("app")->text(), "live");
  EXPECT_EQ(*c.object.find("tcUrl")->text(), "rtmp://host/live");
  EXPECT_EQ(*c.object.find("type")->text(), "nonprivate");
  EXPECT_THAT(*c.object.find("flashVer")->text(), HasSubstr("FMLE/3.0"));
  EXPECT_NE(c.object.find("fourCcList"), nullptr);
}

TEST(client_publish, pipelined_and_stepwise) {
  for (bool pipeline : {true, false}) {
    scripted_server s(config_for(client_role::publish, pipeline));
    EXPECT_EQ(names(s.got).size(), pipeline ? 4u : 1u);
    s.accept_connect();
    EXPECT_EQ(s.all<connected>().size(), 1u);
    EXPECT_THAT(names(s.got), ElementsAre("connect", "releaseStream", "FCPublish", "createStream"));
    s.result(4, 3.0);
    const auto publish = s.got.command("publish").value();
    EXPECT_EQ(publish.msid, 3u);
    EXPECT_EQ(publish.text_arg(0), "a?key=1");
    EXPECT_EQ(publish.text_arg(1), "live");
    EXPECT_FALSE(s.client.running());
    s.status("status", "NetStream.Publish.Start", "go", 3);
    EXPECT_TRUE(s.client.running());
    EXPECT_EQ(s.client.msid(), 3u);
    EXPECT_EQ(s.all<started>().at(0).info.description, "go");
    EXPECT_FALSE(s.client.poll_timeout());
  }
}

TEST(client_publish, N9_bandwidth_checks_and_courtesies) {
  scripted_server s(config_for(client_role::publish));
  s.send(make_command(0, "onBWDone", 0, amf0::null{}));
  s.send(make_command(0, "_onbwcheck", 7, amf0::null{}, {"x"}));
  s.send(make_command(0, "_onbwdone", 0, amf0::null{}, {100.0}));
  s.accept_connect();
  s.send(make_command(0, "onBWDone", 0, amf0::null{}, {8192.0}));
  s.send(make_error(0, 2, {"error", "NetConnection.Call.Failed", "no releaseStream here"}));
  s.send(make_error(0, 3, {"error", "NetConnection.Call.Failed", "no FCPublish here"}));
  s.send(make_command(0, "onFCPublish", 0, amf0::null{}, {information({"status", "NetStream.Publish.Start", "a"})}));
  EXPECT_FALSE(s.client.running());
  s.result(4, 1.0);
  s.status("status", "NetStream.Publish.Start", "go");
  EXPECT_TRUE(s.client.running());
  EXPECT_EQ(s.got.command("_result")->transaction, 7);
}

TEST(client_publish, D1_metadata_goes_out_with_set_data_frame) {
  auto s = running(client_role::publish);
  base::byte_writer meta;
  amf0::encode(meta, "onMetaData");
  amf0::encode(meta, amf0::ecma_array{{{"width", 640.0}}});
  media::frame f;
  f.payload = std::move(meta).take_slice();
  s.client.send(f);
  base::byte_writer cue;
  amf0::encode(cue, "onCuePoint");
  f.payload = std::move(cue).take_slice();
  s.client.send(f);
  f.kind = media::frame_kind::video;
  f.dts_ms = 0x1'0000'0005;
  f.payload = base::slice(test::avc_key_frame());
  s.client.send(f);
  s.settle();
  auto outline = s.got.outline();
  EXPECT_EQ(outline.at(outline.size() - 3), "data @setDataFrame");
  EXPECT_EQ(outline.at(outline.size() - 2), "data onCuePoint");
  EXPECT_EQ(s.got.messages.back().type, message_type::video);
  EXPECT_EQ(s.got.messages.back().timestamp, 5u);
}

TEST(client_publish, nothing_is_sent_before_start_or_after_the_end) {
  media::frame f;
  f.kind = media::frame_kind::audio;
  f.payload = base::slice(test::aac_frame());
  scripted_server early(config_for(client_role::publish));
  early.client.send(f);
  EXPECT_TRUE(early.client.poll_output().empty());
  auto s = running(client_role::publish);
  s.client.end();
  s.settle();
  EXPECT_EQ(s.got.command("FCUnpublish")->text_arg(0), "a?key=1");
  EXPECT_EQ(s.got.command("deleteStream")->number_arg(0, 0), 1);
  EXPECT_EQ(s.all<closed>().at(0).reason.kind, base::error_kind::closed);
  s.client.send(f);
  s.client.end();
  EXPECT_TRUE(s.client.poll_output().empty());
}

TEST(client_publish, P16_refusals_by_class) {
  struct row {
    const char* code;
    const char* description;
    base::error_kind kind;
  };
  for (const auto& row : {row{"NetStream.Publish.BadName", "stream already publishing", base::error_kind::busy},
                          row{"NetStream.Publish.BadName", "Authentication failed", base::error_kind::denied},
                          row{"NetStream.Publish.BadName", "invalid stream name: empty", base::error_kind::denied},
                          row{"NetStream.Publish.Denied", "", base::error_kind::denied},
                          row{"NetStream.Publish.Failed", "oops", base::error_kind::protocol}}) {
    for (bool while_running : {false, true}) {
      scripted_server s(config_for(client_role::publish));
      s.accept_connect();
      s.result(4, 1.0);
      if (while_running) s.status("status", "NetStream.Publish.Start", "go");
      s.status("error", row.code, row.description);
      ASSERT_EQ(s.all<rejected>().size(), 1u);
      EXPECT_EQ(s.all<rejected>()[0].reason.kind, row.kind) << row.description;
      EXPECT_THAT(s.all<rejected>()[0].reason.text, HasSubstr(row.code));
      EXPECT_THAT(s.all<rejected>()[0].reason.text, HasSubstr(row.description));
      EXPECT_EQ(s.all<closed>().size(), 1u);
      EXPECT_TRUE(s.client.is_closed());
    }
  }
}

TEST(client_connect, N6_refusals) {
  struct row {
    const char* code;
    const char* description;
    base::error_kind kind;
  };
  for (const auto& row : {row{"NetConnection.Connect.Rejected", "authentication required", base::error_kind::denied},
                          row{"NetConnection.Connect.Rejected", "too many connections", base::error_kind::busy},
                          row{"NetConnection.Connect.InvalidApp", "no such app", base::error_kind::not_found},
                          row{"NetConnection.Connect.AppShutdown", "", base::error_kind::busy},
                          row{"NetConnection.Connect.Rejected",
                              "[ AccessManager.Reject ] : [ code=403 need auth; authmod=adobe ] : ", base::error_kind::denied}}) {
    scripted_server s(config_for(client_role::publish));
    s.send(make_error(0, 1, {"error", row.code, row.description}));
    ASSERT_EQ(s.all<rejected>().size(), 1u);
    EXPECT_EQ(s.all<rejected>()[0].reason.kind, row.kind) << row.description;
    EXPECT_TRUE(s.all<connected>().empty());
  }
  // By _result, by onStatus, and with the object in the wrong place.
  scripted_server by_result(config_for(client_role::publish));
  by_result.result(1, information({"error", "NetConnection.Connect.Rejected", "no"}));
  EXPECT_EQ(by_result.all<rejected>().size(), 1u);
  scripted_server by_status(config_for(client_role::publish));
  by_status.status("error", "NetConnection.Connect.Rejected", "no", 0);
  EXPECT_EQ(by_status.all<rejected>().size(), 1u);
  scripted_server misplaced(config_for(client_role::publish));
  misplaced.send(make_command(0, "_error", 1, information({"error", "NetConnection.Connect.InvalidApp", "no"})));
  EXPECT_EQ(misplaced.all<rejected>().at(0).info.code, "NetConnection.Connect.InvalidApp");
  scripted_server bare(config_for(client_role::publish));
  bare.send(make_command(0, "_error", 1, amf0::null{}));
  EXPECT_EQ(bare.all<rejected>().at(0).info.code, "NetConnection.Connect.Failed");
}

TEST(client_connect, create_stream_refused_or_answered_with_nonsense) {
  scripted_server refused(config_for(client_role::publish));
  refused.accept_connect();
  refused.send(make_error(0, 4, {"error", "NetConnection.Call.Failed", "limit"}));
  EXPECT_EQ(refused.all<rejected>().at(0).reason.kind, base::error_kind::busy);
  for (const amf0::value& id :
       {amf0::value(0.0), amf0::value(-1.0), amf0::value(1.5), amf0::value("1"), amf0::value(amf0::null{}), amf0::value(1e20)}) {
    scripted_server s(config_for(client_role::publish));
    s.accept_connect();
    s.result(4, id);
    EXPECT_EQ(s.all<closed>().at(0).reason.kind, base::error_kind::protocol);
  }
}

TEST(client_connect, deadlines) {
  client_session silent(config_for(client_role::publish), test::at(0ms), 1);
  EXPECT_EQ(silent.poll_timeout(), test::at(10s));
  silent.on_timer(test::at(9'999ms));
  EXPECT_FALSE(silent.is_closed());
  silent.on_timer(test::at(10s));
  EXPECT_TRUE(silent.is_closed());

  scripted_server s(config_for(client_role::publish));
  s.now = test::at(8s);
  s.accept_connect();
  s.client.on_timer(test::at(17s));
  EXPECT_FALSE(s.client.is_closed());
  s.client.on_timer(test::at(18s));
  s.settle();
  EXPECT_THAT(s.all<closed>().at(0).reason.text, HasSubstr("createStream"));
}

TEST(client_connect, connect_only) {
  scripted_server s(config_for(client_role::connect_only));
  EXPECT_THAT(names(s.got), ElementsAre("connect"));
  s.accept_connect();
  EXPECT_TRUE(s.client.running());
  EXPECT_EQ(s.all<connected>().size(), 1u);
  EXPECT_TRUE(s.all<started>().empty());
}

TEST(client_connect, server_says_close) {
  auto s = running(client_role::publish);
  s.send(make_command(0, "close", 0, amf0::null{}));
  EXPECT_EQ(s.all<closed>().at(0).reason.kind, base::error_kind::closed);
}

TEST(client_connect, server_says_that_the_connection_is_closed) {
  auto s = running(client_role::play);
  s.status("status", "NetConnection.Connect.Closed", "shut\x1b[31m down", 0);
  EXPECT_EQ(s.all<closed>().at(0).reason.kind, base::error_kind::closed);
  EXPECT_EQ(s.all<closed>()[0].reason.text, "shut\\x1b[31m down");
  auto hard = running(client_role::publish);
  hard.status("error", "NetConnection.Connect.Closed", "\nping timeout", 0);
  EXPECT_EQ(hard.all<rejected>().at(0).reason.kind, base::error_kind::busy);
  EXPECT_THAT(hard.all<rejected>()[0].reason.text, HasSubstr("\\x0aping timeout"));
}

TEST(client_play, commands) {
  auto config = config_for(client_role::play);
  config.buffer_ms = 2500;
  scripted_server s(config);
  EXPECT_THAT(names(s.got), ElementsAre("connect", "createStream"));
  s.accept_connect();
  s.result(4, 1.0);
  const auto outline = s.got.outline();
  EXPECT_THAT(std::vector<std::string>(outline.end() - 2, outline.end()), ElementsAre("4:3", "play"));
  const auto buffer = parse_user_control(s.got.messages[s.got.messages.size() - 2]).value();
  EXPECT_EQ(buffer.value, 1u);
  EXPECT_EQ(buffer.second, 2500u);
  EXPECT_EQ(s.got.command("play")->text_arg(0), "a?key=1");
  EXPECT_EQ(s.got.command("play")->number_arg(1, 0), -2);
}

TEST(client_play, frames) {
  auto s = running(client_role::play);
  s.send(make_data(1, {"|RtmpSampleAccess", true, true}));
  s.send(make_data(1, {"onStatus", amf0::object{{{"code", "NetStream.Data.Start"}}}}));
  s.send(make_data(1, {"@clearDataFrame", "onMetaData"}));  // of a server that passes on what it should keep to itself
  s.send(make_data(1, {"onMetaData", amf0::ecma_array{}}));
  s.send(test::media_message(message_type::video, 1, 0xFFFFFFF0, test::avc_key_frame()));
  s.send(test::media_message(message_type::video, 1, 0x10, test::avc_key_frame()));
  const auto frames = s.all<frame_received>();
  ASSERT_EQ(frames.size(), 3u);
  EXPECT_EQ(frames[0].frame.kind, media::frame_kind::data);
  EXPECT_TRUE(frames[1].frame.key);
  EXPECT_EQ(frames[2].frame.dts_ms - frames[1].frame.dts_ms, 0x20);
}

TEST(client_play, L11_media_without_play_start) {
  scripted_server s(config_for(client_role::play));
  s.accept_connect();
  s.result(4, 1.0);
  s.send(make_user_control(user_event::stream_begin, 1));
  EXPECT_FALSE(s.client.running());
  s.send(test::media_message(message_type::video, 1, 0, test::avc_key_frame()));
  EXPECT_TRUE(s.client.running());
  EXPECT_EQ(s.all<started>().size(), 1u);
  EXPECT_EQ(s.all<frame_received>().size(), 1u);
}

TEST(client_play, L11_play_start_alone_is_enough_and_metadata_is_not_missed) {
  scripted_server s(config_for(client_role::play));
  s.accept_connect();
  s.result(4, 1.0);
  s.status("status", "NetStream.Play.Start", "go");
  EXPECT_TRUE(s.client.running());
  s.send(test::media_message(message_type::video, 1, 0, test::avc_key_frame()));
  EXPECT_EQ(s.all<frame_received>().size(), 1u);
}

// Window, bandwidth and chunk size are courtesies: none, several, and after the answer.
TEST(client_play, A6_control_messages_missing_repeated_and_late) {
  for (int round = 0; round < 3; ++round) {
    scripted_server s(config_for(client_role::play));
    const auto controls = [&] {
      for (int i = 0; i < round; ++i) {
        s.send(make_control(message_type::window_acknowledgement_size, 2'500'000));
        s.send(make_set_peer_bandwidth(2'500'000, bandwidth_limit::dynamic));
        s.send(make_control(message_type::set_chunk_size, 128));
      }
    };
    controls();
    s.accept_connect();
    controls();
    s.result(4, 1.0);
    controls();
    s.status("status", "NetStream.Play.Start", "go");
    s.send(test::media_message(message_type::video, 1, 0, test::avc_key_frame()));
    EXPECT_EQ(s.all<frame_received>().size(), 1u) << round;
    EXPECT_FALSE(s.client.is_closed());
  }
}

TEST(client_play, L11_aggregate) {
  auto s = running(client_role::play);
  base::byte_writer w;
  w.u8(8).u24(2).u24(0).u8(0).u24(0).u16(0xAF01).u32(13);
  auto m = test::media_message(message_type::aggregate, 1, 70, std::move(w).take());
  s.send(m);
  EXPECT_EQ(s.all<frame_received>().at(0).frame.dts_ms, 70);
}

TEST(client_play, L9_end_and_return_are_told_once) {
  auto s = running(client_role::play);
  s.send(make_user_control(user_event::stream_eof, 1));
  s.status("status", "NetStream.Play.UnpublishNotify", "gone");
  EXPECT_EQ(s.all<stream_ended>().size(), 1u);
  EXPECT_EQ(s.all<status_received>().at(0).info.code, "NetStream.Play.UnpublishNotify");
  s.status("status", "NetStream.Play.PublishNotify", "back");
  s.send(test::media_message(message_type::audio, 1, 0, test::aac_frame()));
  s.status("status", "NetStream.Play.Stop", "over");
  s.send(make_user_control(user_event::stream_eof, 1));
  EXPECT_EQ(s.all<stream_ended>().size(), 2u);
  EXPECT_FALSE(s.client.is_closed());
}

TEST(client_play, L3_refusals) {
  struct row {
    const char* code;
    base::error_kind kind;
  };
  for (const auto& row :
       {row{"NetStream.Play.StreamNotFound", base::error_kind::not_found}, row{"NetStream.Play.Failed", base::error_kind::protocol}}) {
    scripted_server s(config_for(client_role::play));
    s.accept_connect();
    s.result(4, 1.0);
    s.status("error", row.code, "x");
    EXPECT_EQ(s.all<rejected>().at(0).reason.kind, row.kind);
  }
  auto s = running(client_role::play);
  s.status("error", "NetStream.Seek.Failed", "x");
  EXPECT_FALSE(s.client.is_closed());
  s.status("warning", "NetStream.Play.InsufficientBW", "x");
  EXPECT_EQ(s.all<status_received>().size(), 2u);
}

TEST(client_play, A1_acknowledges) {
  auto s = running(client_role::play);
  s.send(make_control(message_type::window_acknowledgement_size, 1000));
  s.send(test::media_message(message_type::video, 1, 0, test::bytes(1500, 0x27)));
  EXPECT_EQ(s.got.messages.back().type, message_type::acknowledgement);
}

TEST(client_play, A1_acknowledges_at_once_what_it_only_counts) {
  auto s = running(client_role::play);
  const auto before = s.got.messages.size();
  s.client.skip_received(test::at(std::chrono::seconds(1)), 700);
  s.settle();
  ASSERT_EQ(s.got.messages.size(), before + 1);
  EXPECT_EQ(s.got.messages.back().type, message_type::acknowledgement);
  s.client.skip_received(test::at(std::chrono::seconds(2)), 300);
  s.settle();
  ASSERT_EQ(s.got.messages.size(), before + 2);
  const auto value = [&s](std::size_t i) { return parse_control(s.got.messages.at(i)).value(); };
  EXPECT_EQ(value(before + 1) - value(before), 300u);
}

}  // namespace
}  // namespace millrace::rtmp
