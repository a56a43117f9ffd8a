#include "server/hook_text.hpp"

#include <gtest/gtest.h>

#include <boost/json.hpp>

namespace millrace::server {
namespace {

hook_question question(hook what) {
  hook_question q;
  q.what = what;
  q.who = {"17", "192.0.2.7", "live", "rtmp://example.com/live", "http://example.com/page", "http://example.com/x.swf", "FMLE/3.0"};
  q.stream = "a";
  q.query = "token=x%20y&key=z";
  q.server = "host-1";
  return q;
}

boost::json::object json(const hook_question& q) { return boost::json::parse(encode_hook({}, q, "http://h/").body).as_object(); }

std::string form(const hook_question& q) {
  hook_settings set;
  set.form = hook_form::form;
  return encode_hook(set, q, "http://h/").body;
}

http::client_response answer(unsigned status, std::string body = {}, std::string location = {}) { return {status, std::move(location), std::move(body), {}}; }

TEST(HookText, JsonNamesAreThoseOfSrs) {
  const std::vector<std::pair<hook, std::string>> actions{{hook::connect, "on_connect"}, {hook::disconnect, "on_close"}, {hook::publish, "on_publish"}, {hook::publish_done, "on_unpublish"},
                                                          {hook::play, "on_play"}, {hook::play_done, "on_stop"}, {hook::record_done, "on_dvr"}};
  for (const auto& [what, action] : actions) EXPECT_EQ(json(question(what)).at("action").as_string(), action);
  auto done = question(hook::done);
  EXPECT_EQ(json(done).at("action").as_string(), "on_stop");
  done.publishing = true;
  EXPECT_EQ(json(done).at("action").as_string(), "on_unpublish");
}

TEST(HookText, JsonOfPublish) {
  const auto o = json(question(hook::publish));
  EXPECT_EQ(o.at("client_id").as_string(), "17");
  EXPECT_EQ(o.at("ip").as_string(), "192.0.2.7");
  EXPECT_EQ(o.at("vhost").as_string(), "__defaultVhost__");
  EXPECT_EQ(o.at("app").as_string(), "live");
  EXPECT_EQ(o.at("tcUrl").as_string(), "rtmp://example.com/live");
  EXPECT_EQ(o.at("stream").as_string(), "a");
  EXPECT_EQ(o.at("param").as_string(), "?token=x%20y&key=z");
  EXPECT_EQ(o.at("stream_url").as_string(), "/live/a");
  EXPECT_EQ(o.at("server_id").as_string(), "host-1");
  EXPECT_FALSE(o.contains("pageUrl"));
  EXPECT_EQ(json(question(hook::play)).at("pageUrl").as_string(), "http://example.com/page");
}

TEST(HookText, JsonOfTheEnds) {
  auto gone = question(hook::disconnect);
  gone.sent = 10;
  gone.received = 20;
  EXPECT_EQ(json(gone).at("send_bytes").to_number<int>(), 10);
  EXPECT_EQ(json(gone).at("recv_bytes").to_number<int>(), 20);
  EXPECT_FALSE(json(gone).contains("stream"));
  auto file = question(hook::record_done);
  file.directory = "/var/lib/x";
  file.file = "live/a.mp4";
  EXPECT_EQ(json(file).at("cwd").as_string(), "/var/lib/x");
  EXPECT_EQ(json(file).at("file").as_string(), "live/a.mp4");
}

TEST(HookText, JsonIsValidWhateverAPeerSays) {
  auto q = question(hook::connect);
  q.who.flash_ver = q.who.tc_url = "\xff\"\n\x01";
  EXPECT_EQ(json(q).at("tcUrl").as_string(), "\xef\xbf\xbd\"\n\x01");
}

TEST(HookText, FormOfPublish) {
  EXPECT_EQ(form(question(hook::publish)),
            "app=live&flashver=FMLE%2F3.0&swfurl=http%3A%2F%2Fexample.com%2Fx.swf&tcurl=rtmp%3A%2F%2Fexample.com%2Flive&pageurl=http%3A%2F%2Fexample.com%2Fpage"
            "&addr=192.0.2.7&clientid=17&call=publish&name=a&type=live&token=x%20y&key=z");
}

TEST(HookText, FormNamesCalls) {
  const std::vector<std::pair<hook, std::string>> calls{{hook::connect, "connect"}, {hook::disconnect, "disconnect"}, {hook::publish_done, "publish_done"}, {hook::play, "play"},
                                                        {hook::play_done, "play_done"}, {hook::done, "done"}, {hook::record_done, "record_done"}};
  for (const auto& [what, call] : calls) EXPECT_NE((form(question(what)) + "&").find("&call=" + call + "&"), std::string::npos) << call;
  auto file = question(hook::record_done);
  file.directory = "/var/lib/x";
  file.file = "live/a.flv";
  EXPECT_NE(form(file).find("&path=%2Fvar%2Flib%2Fx%2Flive%2Fa.flv"), std::string::npos);
}

// The peer writes the query, and many back ends take the last field of a name.
TEST(HookText, AQueryCannotSpeakForTheServer) {
  auto q = question(hook::publish);
  q.query = "addr=127.0.0.1&call=done&%61ddr=127.0.0.1&name=b&ok=1&broken%zz=1&&";
  const auto body = form(q);
  EXPECT_EQ(body.find("127.0.0.1"), std::string::npos);
  EXPECT_EQ(body.find("=done"), std::string::npos);
  EXPECT_TRUE(body.ends_with("&type=live&ok=1")) << body;
}

// A name that a back end's parser makes one of ours out of: PHP trims it, ends it at a NUL and at '[', and writes '_' for '.'; others split at ';' too, or know no case.
TEST(HookText, AQueryCannotSpeakForTheServerByWhatABackEndMakesOfNames) {
  for (const auto* name : {"%20name", "+addr", "app%00", "name[]", "name%5B%5D", "name[", "NAME", "Addr", "%41DDR", "name%20", "x;name", "%09name", "name.", "", "%ffname"}) {
    auto q = question(hook::publish);
    q.query = std::string(name) + "=alice&ok-1_A=1";
    EXPECT_TRUE(form(q).ends_with("&type=live&ok-1_A=1")) << name;
  }
  auto q = question(hook::publish);
  q.query = "x=1;name=alice&y;name=b&flag";
  EXPECT_TRUE(form(q).ends_with("&type=live&x=1%3Bname=alice&flag")) << form(q);
}

TEST(HookText, JsonAnswers) {
  const auto allowed = [](const http::client_response& r) { return decode_hook(hook_form::json, hook::publish, r).allowed; };
  for (const auto* yes : {"0", "{\"code\":0}", "{\"code\": 0, \"msg\": \"OK\"}", " 0\n", "0.0"}) EXPECT_TRUE(allowed(answer(200, yes))) << yes;
  for (const auto* no : {"1", "{\"code\":1}", "{\"code\":-1}", "", "ok", "{}", "{\"code\":\"0\"}", "[0]", "null", "true", "{\"code\":0", "1e999"}) EXPECT_FALSE(allowed(answer(200, no))) << no;
  for (const unsigned status : {201U, 204U, 302U, 403U, 500U}) EXPECT_FALSE(allowed(answer(status, "0"))) << status;
}

TEST(HookText, RefusalsSayWhy) {
  EXPECT_EQ(decode_hook(hook_form::json, hook::publish, answer(200, "{\"code\":7,\"msg\":\"no \\n such key\"}")).why, "code 7: no \\x0a such key");
  EXPECT_EQ(decode_hook(hook_form::json, hook::publish, answer(500)).why, "status 500, 200 is wanted");
  EXPECT_EQ(decode_hook(hook_form::form, hook::publish, answer(404)).why, "status 404");
  EXPECT_EQ(decode_hook(hook_form::form, hook::publish, {0, {}, {}, "timed out"}).why, "timed out");
}

TEST(HookText, FormAnswers) {
  const auto decoded = [](unsigned status, const std::string& location = {}, hook what = hook::publish) { return decode_hook(hook_form::form, what, answer(status, {}, location)); };
  EXPECT_TRUE(decoded(200).allowed);
  EXPECT_TRUE(decoded(204).allowed);
  for (const unsigned status : {100U, 400U, 403U, 404U, 500U}) EXPECT_FALSE(decoded(status).allowed);
  EXPECT_EQ(decoded(302, "other").stream, "other");
  EXPECT_EQ(decoded(302, "other?x=1").stream, "other");
  EXPECT_FALSE(decoded(302, "rtmp://elsewhere/live/a").allowed);
  EXPECT_FALSE(decoded(302, "").allowed);
  EXPECT_FALSE(decoded(302, "/etc/passwd").allowed);
  EXPECT_FALSE(decoded(302, "../x").allowed);
  EXPECT_FALSE(decoded(302, "other", hook::connect).allowed);
}

// nginx-rtmp's users publish to a secret name, and the back end says whose it is.
TEST(HookText, NamesThatMayBeSecretsAreNotForTheLog) {
  hook_settings set;
  set.form = hook_form::form;
  EXPECT_EQ(loggable(set, hook::publish, "live/x/s3cret"), "live/x/s3cret") << "nobody is asked";
  set.urls[static_cast<std::size_t>(hook::publish)] = {"http://h/"};
  EXPECT_EQ(loggable(set, hook::publish, "live/x/s3cret"), "live/x/***");
  EXPECT_EQ(loggable(set, hook::play, "live/x/s3cret"), "live/x/s3cret");
  set.form = hook_form::json;
  EXPECT_EQ(loggable(set, hook::publish, "live/x/s3cret"), "live/x/s3cret") << "the answer gives no other name";
}

// Or everybody behind one address would be locked out for a fault of the back end.
TEST(HookText, ABackEndInTroubleSaysNothingAboutWhoAsked) {
  for (const auto form : {hook_form::json, hook_form::form}) {
    for (const unsigned status : {0U, 429U, 500U, 503U}) EXPECT_TRUE(decode_hook(form, hook::publish, answer(status)).unheard) << status;
    for (const unsigned status : {200U, 302U, 400U, 401U, 403U, 404U}) EXPECT_FALSE(decode_hook(form, hook::publish, answer(status)).unheard) << status;
  }
}

TEST(HookText, Names) {
  EXPECT_EQ(split_name("live/a"), (std::pair<std::string, std::string>("live", "a")));
  EXPECT_EQ(split_name("live/x/a"), (std::pair<std::string, std::string>("live/x", "a")));
  EXPECT_EQ(split_name("a"), (std::pair<std::string, std::string>("", "a")));
}

}  // namespace
}  // namespace millrace::server
