// connect and the connection commands of the server role (conformance sections 6, 7, 13).
#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "rtmp/names.hpp"
#include "support/rtmp_peer.hpp"

namespace millrace::rtmp {
namespace {

using namespace std::chrono_literals;
using test::scripted_client;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using object = amf0::object;

message connect_message(const amf0::value& o) { return make_command(0, "connect", 1, o); }

TEST(server_connect, N1_reads_what_the_client_says_and_ignores_the_rest) {
  scripted_client c;
  c.connect("live", {{"swfUrl", "http://s"},
                     {"pageUrl", "http://p"},
                     {"fpad", true},
                     {"objectEncoding", 3.0},
                     {"audioCodecs", 4071.0},
                     {"videoCodecs", 252.0},
                     {"capabilities", 239.0},
                     {"videoFunction", 1.0},
                     {"type", "nonprivate"},
                     {"what", "ever"}});
  const auto r = c.all<connect_requested>().at(0);
  EXPECT_EQ(r.app, "live");
  EXPECT_EQ(r.tc_url, "rtmp://host/live");
  EXPECT_EQ(r.flash_ver, "test");
  EXPECT_EQ(r.swf_url, "http://s");
  EXPECT_EQ(r.page_url, "http://p");
  EXPECT_EQ(r.object_encoding, 3);
  EXPECT_EQ(r.audio_codecs, 4071);
  EXPECT_EQ(r.video_codecs, 252);
  EXPECT_EQ(r.flash_capabilities, 239);
  EXPECT_EQ(r.capabilities.video_function, 1u);
  EXPECT_EQ(r.type, "nonprivate");
  EXPECT_TRUE(r.fpad);
  EXPECT_FALSE(r.digest_handshake);
  EXPECT_TRUE(c.server.connected());
}

TEST(server_connect, N2_N3_table_of_forms) {
  struct row {
    const char* app;
    const char* tc_url;
    const char* expected_app;
    const char* expected_query;
  };
  for (const auto& row :
       {row{"live", "rtmp://h/live", "live", ""}, row{"live/", "rtmp://h/live/", "live", ""},
        row{"live/sub", "rtmp://h/live/sub", "live/sub", ""}, row{"live?token=a%2Fb&x=?", "rtmp://h/live", "live", "token=a%2Fb&x=?"},
        row{"live", "rtmp://h/live?token=1", "live", "token=1"}, row{"live?a=1", "rtmp://h/live?a=2", "live", "a=1"},
        row{nullptr, "rtmp://h:1936/live", "live", ""}, row{nullptr, "rtmp://[2001:db8::1]:1935/live/x?k=v", "live/x", "k=v"},
        row{"", "rtmps://h/live/", "live", ""}, row{"live", nullptr, "live", ""},
        row{"live?vhost=v.example", "rtmp://h/live", "live", "vhost=v.example"}, row{"l%69ve", "rtmp://h/l%69ve", "l%69ve", ""}}) {
    scripted_client c;
    object o;
    if (row.app) o.members.push_back({"app", row.app});
    if (row.tc_url) o.members.push_back({"tcUrl", row.tc_url});
    c.send(connect_message(o));
    ASSERT_EQ(c.all<connect_requested>().size(), 1u) << (row.tc_url ? row.tc_url : row.app);
    EXPECT_EQ(c.all<connect_requested>()[0].app, row.expected_app);
    EXPECT_EQ(c.all<connect_requested>()[0].query, row.expected_query);
  }
}

TEST(server_connect, N2_nothing_that_names_an_application_is_refused) {
  const std::vector<amf0::value> objects{object{}, amf0::null{}, object{{{"tcUrl", "rtmp://host"}}}, object{{{"app", 5.0}}}};
  for (const auto& o : objects) {
    scripted_client c;
    c.send(connect_message(o));
    EXPECT_THAT(c.got.codes("_error"), ElementsAre("NetConnection.Connect.Rejected"));
    EXPECT_TRUE(c.all<connect_requested>().empty());
    EXPECT_TRUE(c.server.is_closed());
  }
  // The name and transaction alone.
  scripted_client c;
  base::byte_writer w;
  amf0::encode(w, "connect");
  amf0::encode(w, 1.0);
  message m;
  m.payload = std::move(w).take_slice();
  c.send(m);
  EXPECT_THAT(c.got.codes("_error"), ElementsAre("NetConnection.Connect.Rejected"));
}

TEST(server_connect, N3_names_that_are_refused) {
  for (const auto& app : {std::string("/live"), std::string("a/../b"), std::string(".."), std::string("li\0ve", 5), std::string("li\nve"),
                          std::string("\xff\xfe"), std::string(129, 'a'), std::string("\xc0\xaf")}) {
    scripted_client c;
    c.connect(app);
    EXPECT_THAT(c.got.codes("_error"), ElementsAre("NetConnection.Connect.InvalidApp")) << app;
    ASSERT_TRUE(c.closed_by());
    EXPECT_EQ(c.closed_by()->kind, base::error_kind::denied);
    EXPECT_FALSE(c.got.status("NetConnection.Connect.InvalidApp")->description.empty());
  }
  scripted_client query;
  query.connect("live?" + std::string(1025, 'q'));
  EXPECT_THAT(query.got.codes("_error"), ElementsAre("NetConnection.Connect.Rejected"));
  scripted_client url;
  url.send(connect_message(object{{{"app", "live"}, {"tcUrl", "rtmp://h/" + std::string(2048, 'u')}}}));
  EXPECT_THAT(url.got.codes("_error"), ElementsAre("NetConnection.Connect.Rejected"));
}

TEST(server_connect, N4_F10_the_result) {
  scripted_client c;
  c.connect("live", {{"objectEncoding", 3.0}});
  const auto result = c.got.command("_result").value();
  EXPECT_EQ(result.transaction, 1);
  EXPECT_NE(result.object.find("fmsVer"), nullptr);
  EXPECT_NE(result.object.find("capabilities"), nullptr);
  const auto info = read_status(result.arg(0));
  EXPECT_EQ(info.level, "status");
  EXPECT_EQ(info.code, "NetConnection.Connect.Success");
  EXPECT_FALSE(info.description.empty());
  EXPECT_EQ(*result.arg(0)->find("objectEncoding")->number(), 0);  // we speak AMF0, whatever was asked
}

TEST(server_connect, N5_command_before_connect_and_second_connect_close) {
  scripted_client early;
  early.call("createStream", 2);
  EXPECT_THAT(early.got.codes("_error"), ElementsAre("NetConnection.Call.Failed"));
  EXPECT_EQ(early.closed_by()->kind, base::error_kind::protocol);

  scripted_client twice;
  twice.connect();
  twice.connect();
  EXPECT_THAT(twice.got.codes("_error"), ElementsAre("NetConnection.Connect.Failed"));
  EXPECT_EQ(twice.closed_by()->text, "second connect");
}

TEST(server_connect, N6_refusal_is_flushed_before_the_close) {
  for (const char* code : {"NetConnection.Connect.Rejected", "NetConnection.Connect.InvalidApp", "NetConnection.Connect.AppShutdown"}) {
    scripted_client c;
    c.accept = false;
    c.connect();
    c.server.reject_connect({"error", code, "because"});
    EXPECT_TRUE(c.server.is_closed());
    c.settle();
    EXPECT_THAT(c.got.codes("_error"), ElementsAre(code));
    EXPECT_EQ(c.got.status(code)->description, "because");
    EXPECT_EQ(c.got.command("_error")->transaction, 1);
    EXPECT_EQ(c.closed_by()->kind, base::error_kind::denied);
  }
}

TEST(server_connect, N6_a_server_that_goes_down_tells_those_who_are_about_to_connect) {
  scripted_client c;
  c.server.reject_connect({"error", "NetConnection.Connect.AppShutdown", "going down"});
  c.settle();
  EXPECT_THAT(c.got.codes("_error"), ElementsAre("NetConnection.Connect.AppShutdown"));
  EXPECT_EQ(c.got.command("_error")->transaction, 1);
  EXPECT_TRUE(c.server.is_closed());

  scripted_client early({}, false);
  early.server.reject_connect({"error", "NetConnection.Connect.AppShutdown", "going down"});
  EXPECT_TRUE(early.server.is_closed());
  EXPECT_TRUE(early.server.poll_output().empty()) << "no message in the middle of a handshake";
}

TEST(server_connect, N8_unknown_commands) {
  scripted_client c;
  c.connect();
  c.call("frobnicate", 9, {"x"});
  c.call("frobnicate", 0);
  c.call("frobnicate", -1);
  c.call("frobnicate", std::nan(""));
  c.call("frobnicate", std::numeric_limits<double>::infinity());
  EXPECT_THAT(c.got.codes("_error"), ElementsAre("NetConnection.Call.Failed"));
  EXPECT_EQ(c.got.command("_error")->transaction, 9);
  EXPECT_FALSE(c.server.is_closed());
}

TEST(server_connect, F7_fractional_transaction_is_echoed) {
  scripted_client c;
  c.connect();
  c.call("createStream", 2.5);
  const auto results = c.got.commands();
  EXPECT_EQ(results.back().name, "_result");
  EXPECT_EQ(results.back().transaction, 2.5);
}

TEST(server_connect, F8_extra_missing_and_odd_arguments) {
  scripted_client c;
  c.send(make_command(0, "connect", 1, object{{{"app", "live"}}}, {"user", "password", amf0::undefined{}, 4.0}));
  c.send(make_command(0, "createStream", 2, object{{{"x", 1.0}}}, {1.0, 2.0}));
  base::byte_writer w;  // createStream without a command object
  amf0::encode(w, "createStream");
  amf0::encode(w, 3.0);
  message m;
  m.payload = std::move(w).take_slice();
  c.send(m);
  EXPECT_EQ(c.got.command("_result")->transaction, 1);
  EXPECT_EQ(c.got.commands().back().transaction, 3);
  EXPECT_EQ(c.got.commands().back().number_arg(0, 0), 2);
}

TEST(server_connect, L8_small_calls_of_players_and_encoders_are_never_fatal) {
  scripted_client c;
  c.connect();
  double t = 10;
  for (const char* name :
       {"releaseStream", "FCPublish", "FCSubscribe", "FCUnsubscribe", "getStreamLength", "_checkbw", "checkBandwidth", "FCUnpublish"}) {
    c.call(name, ++t, {"a"});
    c.call(name, 0, {"a"});
    c.call(name, 0);
  }
  c.call("_result", 3);
  c.call("_error", 3);
  c.send(make_set_buffer_length(1, 3000));
  EXPECT_FALSE(c.server.is_closed());
  EXPECT_TRUE(c.got.codes("_error").empty());
  EXPECT_EQ(c.got.codes("_result").size(), 1u + 8u);
  EXPECT_TRUE(c.got.command("onFCSubscribe"));
  EXPECT_TRUE(c.got.command("onFCUnsubscribe"));
}

TEST(server_connect, commands_behind_connect_wait_for_its_answer) {
  scripted_client c;
  c.accept = false;
  c.connect();
  c.call("createStream", 2);
  c.call("publish", 3, {"a"}, 1);
  EXPECT_TRUE(c.got.messages.empty());
  EXPECT_TRUE(c.all<publish_requested>().empty());
  c.server.accept_connect();
  c.settle();
  EXPECT_EQ(c.got.codes("_result").size(), 2u);
  EXPECT_EQ(c.all<publish_requested>().size(), 1u);
}

TEST(names, table) {
  EXPECT_FALSE(bad_name("n", "a", 10));
  EXPECT_FALSE(bad_name("n", "a/b..c/...d", 20));
  EXPECT_FALSE(bad_name("n", "caf\xc3\xa9 %2e%2e", 20));
  EXPECT_FALSE(bad_name("n", "\xf0\x9f\x8e\xa5", 20));
  for (const auto& bad : std::vector<std::string>{"", "/a", "a/..", "../a", "a/./b", "a\x7f", "a\x1b", "\xc2\x85", "\xed\xa0\x80",
                                                  "\xe2\x82", "\xf5\x80\x80\x80"}) {
    EXPECT_TRUE(bad_name("n", bad, 20)) << bad;
  }
  EXPECT_TRUE(bad_name("n", std::string(11, 'a'), 10));
  EXPECT_FALSE(bad_query("", 10));
  EXPECT_FALSE(bad_query("../?&=", 10));
  EXPECT_TRUE(bad_query("a\rb", 10));
  EXPECT_EQ(app_of_tc_url("rtmp://h"), "");
  EXPECT_EQ(app_of_tc_url("nonsense"), "");
  EXPECT_EQ(app_of_tc_url("rtmp://h?q=1"), "?q=1");
}

}  // namespace
}  // namespace millrace::rtmp
