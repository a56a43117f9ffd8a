// Section 7, connect (RTMP 1.0 section 7.2.1.1).
#include <algorithm>

#include "base/escape.hpp"
#include "conform/scene.hpp"

namespace millrace::conform {
namespace {

namespace asio = boost::asio;
namespace amf0 = rtmp::amf0;

const char flash_ver[] = "FMLE/3.0 (compatible; millrace conform)";

asio::awaitable<void> every_member(context& c) {
  std::vector<amf0::member> known{{"type", "nonprivate"},
                                  {"swfUrl", "http://example.com/p.swf"},
                                  {"pageUrl", "http://example.com/"},
                                  {"fpad", false},
                                  {"capabilities", 239.0},
                                  {"audioCodecs", 3575.0},
                                  {"videoCodecs", 252.0},
                                  {"videoFunction", 1.0},
                                  {"objectEncoding", 0.0},
                                  {"x-list", amf0::strict_array{{amf0::value(1.0), amf0::value("a")}}},
                                  {"x-object", amf0::object{{{"inside", amf0::object{{{"deep", true}}}}}}},
                                  {"x-null", amf0::null{}},
                                  {"x-undefined", amf0::undefined{}},
                                  {"x-date", amf0::date{1e12, 0}}};
  const auto at = co_await c.connected_with(std::move(known));
  co_await at->barrier();
  // The courtesies of the wrong type are as good as absent.
  std::vector<amf0::member> odd{{"swfUrl", 1.0}, {"pageUrl", amf0::null{}}, {"audioCodecs", "all"}, {"objectEncoding", amf0::undefined{}}};
  const auto other = co_await c.connected_with(std::move(odd));
  co_await other->barrier();
}

asio::awaitable<void> application_from_url(context& c) {
  const auto at = co_await c.handshaken();
  at->call("connect", 1, {}, 0, amf0::object{{{"tcUrl", c.where().tc_url}, {"flashVer", flash_ver}}});
  co_await at->wait_command("_result", 1);
  const auto name = c.name();
  const auto out = co_await c.publish_on(at, name);
  begin_media(out);
  const auto in = co_await c.playing(name);  // who says app finds it there
  co_await wait_video(in.at);

  const auto lost = co_await c.handshaken();
  lost->call("connect", 1, {}, 0, amf0::object{{{"flashVer", flash_ver}}});
  const auto said = co_await lost->wait_refusal();
  check(said.code == "NetConnection.Connect.Rejected", "connect without app and tcUrl: expected NetConnection.Connect.Rejected, got '" +
                                                           base::escaped(said.code + ": " + said.description) + "'");
}

asio::awaitable<void> forms_of_names(context& c) {
  const auto name = c.name();
  const auto out = co_await c.publishing(name);
  begin_media(out);
  co_await out.at->barrier();
  const auto& app = c.where().app;
  struct form {
    std::string app, tc_url, name;
  };
  const std::vector<form> forms{
      {app + "/", c.where().tc_url, name},     {app + "?who=me", c.where().tc_url, name},
      {app, c.where().tc_url + "/", name},     {app, c.where().tc_url + "?who=me", name},
      {app, "rtmp://127.0.0.1/" + app, name},  {app, "rtmp://127.0.0.1:1936/" + app, name},
      {app, "rtmp://[::1]:1935/" + app, name}, {app, c.where().tc_url, name + "?who=me&again=1"},
  };
  for (const auto& one : forms) {
    std::vector<amf0::member> said{{"app", one.app}, {"tcUrl", one.tc_url}};
    const auto at = co_await c.connected_with(std::move(said));
    const auto msid = co_await at->barrier();
    at->call("play", at->next_transaction(), {one.name}, msid);
    const auto answer = co_await wait_answer(at, "NetStream.Play.Start");
    const auto shown = "app '" + one.app + "', tcUrl '" + one.tc_url + "', name '" + one.name + "'";
    check(answer.code == "NetStream.Play.Start", shown + ": " + base::escaped(answer.code + " " + answer.description));
    try {
      co_await wait_video(at);
    } catch (const failure& f) {
      throw failure{shown + " is another stream: " + f.text};
    }
  }
}

asio::awaitable<void> shape_of_result(context& c) {
  const auto at = co_await c.handshaken();
  at->call("connect", 1, {}, 0, c.connect_object());
  const auto answer = co_await at->wait_command("_result");
  check(answer.transaction == 1, "_result has the transaction " + std::to_string(answer.transaction) + ", expected 1");
  const auto* version = answer.object.find("fmsVer");
  check(version && version->text() && !version->text()->empty(), "the properties have no fmsVer");
  const auto* capabilities = answer.object.find("capabilities");
  check(capabilities && capabilities->number(), "the properties have no capabilities");
  const auto* info = answer.arg(0);
  const auto s = rtmp::read_status(info);
  check(s.level == "status", "level is '" + base::escaped(s.level) + "'");
  check(s.code == "NetConnection.Connect.Success", "code is '" + base::escaped(s.code) + "'");
  check(!s.description.empty(), "there is no description");
  const auto* encoding = info ? info->find("objectEncoding") : nullptr;
  check(encoding && encoding->number(), "the information object has no objectEncoding");
}

asio::awaitable<void> order_of_commands(context& c) {
  const auto early = co_await c.handshaken();
  early->call("createStream", 2);
  co_await early->wait_closed();
  for (const auto& m : early->passed) {
    const auto answer = command_of(m);
    check(!answer || answer->name != "_result", "createStream before connect was served");
  }
  const auto twice = co_await c.connected();
  twice->call("connect", 2, {}, 0, c.connect_object());
  const auto said = co_await twice->wait_refusal();
  check(!said.code.empty(), "a second connect was closed without an error");
  co_await twice->wait_closed();
}

asio::awaitable<void> refusal_is_told(context& c) {
  const auto at = co_await c.handshaken();
  at->call("connect", 1, {}, 0, amf0::object{{{"app", ""}, {"flashVer", flash_ver}}});
  const auto answer = co_await at->wait_command("_error");
  check(answer.transaction == 1, "_error has the transaction " + std::to_string(answer.transaction) + ", expected 1");
  const auto s = rtmp::read_status(answer.arg(0));
  check(s.level == "error", "level is '" + base::escaped(s.level) + "'");
  check(s.code.rfind("NetConnection.Connect.", 0) == 0, "code is '" + base::escaped(s.code) + "'");
  check(!s.description.empty(), "there is no description");
  co_await at->wait_closed();
}

asio::awaitable<void> unknown_commands(context& c) {
  const auto at = co_await c.connected();
  at->call("millraceUnknown", 0, {"a", 1.0});
  at->call("millraceUnknown", 7, {"a", 1.0});
  const auto answer = co_await wait_code(at, "NetConnection.Call.Failed");
  check(answer.name == "_error" && answer.transaction == 7,
        "expected _error of transaction 7, got " + base::escaped(answer.name) + " of " + std::to_string(answer.transaction));
  co_await at->barrier();
  check(at->codes().empty(),
        "a command that asked for no answer was answered with " + (at->codes().empty() ? "" : base::escaped(at->codes()[0])));
}

asio::awaitable<void> user_and_password(context& c) {
  std::vector<amf0::member> asking{{"app", c.where().app + "?authmod=adobe&user=millrace"}};
  const auto at = co_await c.handshaken();
  at->call("connect", 1, {}, 0, c.connect_object(std::move(asking)));
  std::string answered;
  rtmp::status said;
  peer::wanted is = [&](const rtmp::message& m) {
    const auto got = command_of(m);
    if (!got || (got->name != "_result" && got->name != "_error")) return false;
    answered = got->name;
    said = rtmp::read_status(got->arg(0));
    return true;
  };
  co_await at->wait(std::move(is), "an answer to connect");
  if (answered == "_result") {
    c.note("user and password are not looked at");
    co_return;
  }
  check(!said.description.empty(), "refused without a text");
  if (said.description.find("authmod=") == std::string::npos) c.note("refused: " + base::escaped(said.description));
}

}  // namespace

std::vector<test_case> connect_cases() {
  return {
      {"N1", "every known member of connect is taken, unknown and odd ones are ignored", every_member},
      {"N2", "app from tcUrl; without both NetConnection.Connect.Rejected", application_from_url},
      {"N3", "slashes, queries, ports and IPv6 in app, tcUrl and name lead to the same stream", forms_of_names},
      {"N4", "the answer to connect: transaction, properties, information", shape_of_result},
      {"N5", "a command before connect and a second connect: error and close", order_of_commands},
      {"N6", "a refused connect is told in words before the close", refusal_is_told},
      {"N8", "unknown commands: NetConnection.Call.Failed, or nothing for transaction 0", unknown_commands},
      {"N10", "the user and password dialogue is held or refused in words", user_and_password},
  };
}

}  // namespace millrace::conform
