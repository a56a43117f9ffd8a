// Reconnect Request and redirect in the sessions (conformance Q1, Q6, N7, section 11).
#include <gmock/gmock.h>

#include "rtmp/rejection.hpp"
#include "support/rtmp_peer.hpp"

namespace millrace::rtmp {
namespace {

using test::scripted_client;
using test::scripted_server;
using ::testing::HasSubstr;
using object = amf0::object;

const char code[] = "NetConnection.Connect.ReconnectRequest";

client_config config_for(client_role role = client_role::publish) {
  client_config c;
  c.role = role;
  c.app = "live";
  c.tc_url = "rtmp://host/live";
  c.stream_name = "a";
  return c;
}

TEST(reconnect_request, Q1_goes_to_those_who_can_in_the_form_of_the_specification) {
  for (const auto* where : {"", "rtmps://other:1936/live"}) {
    scripted_client c;
    c.connect("live", {{"capsEx", 1.0}});
    EXPECT_TRUE(c.server.request_reconnect(where, "moving house"));
    c.settle();
    const auto said = c.got.commands().back();
    EXPECT_EQ(said.name, "onStatus");
    EXPECT_EQ(said.transaction, 0);
    EXPECT_EQ(said.msid, 0U);
    EXPECT_TRUE(said.object.is_null_like());
    const auto info = read_status(said.arg(0));
    EXPECT_EQ(info.level, "status");
    EXPECT_EQ(info.code, code);
    EXPECT_EQ(info.description, "moving house");
    const auto* tc_url = said.arg(0)->find("tcUrl");
    ASSERT_EQ(tc_url != nullptr, *where != 0);
    if (tc_url) {
      EXPECT_EQ(*tc_url->text(), where);
    }
  }
}

TEST(reconnect_request, Q1_does_not_go_to_those_who_cannot) {
  for (const double caps : {0.0, 2.0, 14.0}) {
    scripted_client c;
    c.connect("live", {{"capsEx", caps}});
    EXPECT_FALSE(c.server.request_reconnect("", "x"));
    c.settle();
    EXPECT_EQ(c.got.count(code), 0);
  }
  scripted_client old;
  old.connect();
  EXPECT_FALSE(old.server.request_reconnect("", "x"));
}

TEST(reconnect_request, Q2_changes_nothing_for_what_is_running) {
  scripted_client c;
  c.connect("live", {{"capsEx", 1.0}});
  c.publish();
  EXPECT_TRUE(c.server.request_reconnect("", "x"));
  c.send(test::media_message(message_type::video, 1, 0, test::avc_key_frame()));
  EXPECT_EQ(c.all<frame_received>().size(), 1U);
  EXPECT_TRUE(c.all<publish_ended>().empty());
}

TEST(reconnect_request, Q6_before_the_answer_to_connect_it_waits_for_it) {
  scripted_client c;
  EXPECT_FALSE(c.server.request_reconnect("/other", "early"));
  c.accept = false;
  c.connect("live", {{"capsEx", 1.0}});
  EXPECT_FALSE(c.server.request_reconnect("/other", "early"));
  EXPECT_TRUE(c.got.messages.empty());
  c.server.accept_connect();
  c.settle();
  EXPECT_EQ(c.got.count(code), 1);
  const auto said = c.got.outline();
  EXPECT_LT(std::find(said.begin(), said.end(), "_result NetConnection.Connect.Success"),
            std::find(said.begin(), said.end(), std::string("onStatus ") + code));
}

void ask(scripted_server& s, std::vector<amf0::member> extra = {}) {
  s.send(make_command(0, "onStatus", 0, amf0::null{}, {information({"status", code, "please"}, std::move(extra))}));
}

TEST(reconnect_request, Q6_the_client_tells_it_in_every_phase_and_goes_on) {
  scripted_server s(config_for());
  ask(s);
  EXPECT_EQ(s.all<reconnect_requested>().size(), 1U);
  s.accept_connect();
  ask(s, {{"tcUrl", "/other"}});
  s.result(4, 1.0);
  ask(s, {{"tcUrl", 5.0}});
  s.status("status", "NetStream.Publish.Start", "go");
  ask(s, {{"tcUrl", "rtmps://o/live"}});
  EXPECT_TRUE(s.client.running());
  const auto all = s.all<reconnect_requested>();
  ASSERT_EQ(all.size(), 4U);
  EXPECT_EQ(all[0].tc_url, "");
  EXPECT_EQ(all[0].description, "please");
  EXPECT_EQ(all[1].tc_url, "/other");
  EXPECT_EQ(all[2].tc_url, "");
  EXPECT_EQ(all[3].tc_url, "rtmps://o/live");
  EXPECT_TRUE(s.all<status_received>().empty());
}

TEST(redirect, N7_the_refusal_names_the_target) {
  const auto target = [](object ex, bool by_status) {
    scripted_server s(config_for());
    const auto info = information({"error", "NetConnection.Connect.Rejected", "moved"}, {{"ex", std::move(ex)}});
    if (by_status) {
      s.accept_connect();  // as SRS does it
      s.send(make_command(0, "onStatus", 0, amf0::null{}, {info}));
    } else {
      s.send(make_command(0, "_error", 1, amf0::null{}, {info}));
    }
    const auto said = s.all<rejected>().at(0);
    EXPECT_EQ(said.reason.kind, base::error_kind::unsupported);
    EXPECT_TRUE(s.client.is_closed());
    return said.redirect;
  };
  for (const bool by_status : {false, true}) {
    EXPECT_EQ(target({{{"code", 302.0}, {"redirect", "rtmp://other/live"}}}, by_status), "rtmp://other/live");
    EXPECT_EQ(target({{{"code", 302.0}, {"redirect", "rtmp://o/live"}, {"redirect2", "rtmp://o/live/a"}}}, by_status), "rtmp://o/live");
    EXPECT_EQ(target({{{"code", 302.0}, {"redirect2", "rtmp://o/live/a"}}}, by_status), "rtmp://o/live/a");
  }
  scripted_server plain(config_for());
  plain.send(make_error(0, 1, {"error", "NetConnection.Connect.Rejected", "no"}));
  EXPECT_EQ(plain.all<rejected>().at(0).redirect, "");
}

TEST(redirect, N7_the_server_can_send_a_client_elsewhere) {
  test::session_pair p(config_for());
  p.accept_connects = false;
  p.settle();
  p.server.reject_connect({"error", "NetConnection.Connect.Rejected", "moved"}, "rtmps://other/live");
  p.settle();
  const auto said = test::events_of<rejected>(p.client_events).at(0);
  EXPECT_EQ(said.redirect, "rtmps://other/live");
  EXPECT_EQ(said.info.description, "moved");
}

TEST(client_connect, N10_a_refusal_that_asks_for_credentials_is_denied_in_clear_words) {
  for (const auto* method : {"adobe", "llnw"}) {
    const status s{"error", "NetConnection.Connect.Rejected", std::string("[ code=403 need auth; authmod=") + method + " ]"};
    EXPECT_TRUE(wants_dialogue(s));
    const auto e = classify_rejection(s, nullptr);
    EXPECT_EQ(e.kind, base::error_kind::denied);
    EXPECT_THAT(e.text, HasSubstr("user name"));
  }
}

}  // namespace
}  // namespace millrace::rtmp
