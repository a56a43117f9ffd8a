// Section 11, the codes of onStatus and _error: each is provoked once, and its message has the right shape.
#include <algorithm>

#include "base/escape.hpp"
#include "conform/scene.hpp"

namespace millrace::conform {
namespace {

namespace asio = boost::asio;
namespace amf0 = rtmp::amf0;

// Level, code and description are there; an onStatus has the transaction 0 and no command object.
void check_shape(const rtmp::command& c, std::string_view level) {
  const auto s = rtmp::read_status(c.arg(0));
  const auto about = base::escaped(c.name + " " + s.code) + ": ";
  check(s.level == level, about + "level '" + base::escaped(s.level) + "', expected '" + std::string(level) + "'");
  check(!s.description.empty(), about + "no description");
  if (c.name != "onStatus") return;
  check(c.transaction == 0, about + "transaction " + std::to_string(c.transaction) + ", expected 0");
  check(c.object.is_null_like(), about + "the command object is not null");
}

asio::awaitable<void> expect(peer_ptr at, std::string code, std::string_view level) {
  const auto found = co_await wait_code(at, std::move(code));
  check_shape(found, level);
}

// The same, but it is this server's choice whether it has this code: a refusal by another one is no fault.
asio::awaitable<void> expect_or_skip(peer_ptr at, std::string code, std::string_view level) {
  rtmp::command found;
  try {
    found = co_await wait_code(at, code);
  } catch (const failure& f) {
    throw skip{"does not say " + code + ": " + f.text};
  }
  check_shape(found, level);
}

// A publisher and its viewer, which has seen the key frame.
struct scene {
  on_stream out, in;
};
asio::awaitable<scene> running(context& c) {
  const auto name = c.name();
  scene s;
  s.out = co_await c.publishing(name);
  begin_media(s.out);
  s.in = co_await c.playing(name);
  co_await wait_video(s.in.at);
  co_return s;
}

void call_on(const on_stream& s, std::string_view name, const std::vector<amf0::value>& args) {
  s.at->call(name, s.at->next_transaction(), args, s.msid);
}

// ---- NetConnection ----------------------------------------------------------------------------------------------

asio::awaitable<void> connect_success(context& c) {
  const auto at = co_await c.handshaken();
  at->call("connect", 1, {}, 0, c.connect_object());
  const auto found = co_await at->wait_command("_result", 1);
  check(rtmp::read_status(found.arg(0)).code == "NetConnection.Connect.Success", "connect was not answered with Success");
  check_shape(found, "status");
}

asio::awaitable<void> connect_rejected(context& c) {
  const auto at = co_await c.handshaken();
  at->call("connect", 1, {}, 0, amf0::object{{{"flashVer", "FMLE/3.0 (compatible; millrace conform)"}}});
  co_await expect(at, "NetConnection.Connect.Rejected", "error");
}

asio::awaitable<void> connect_failed(context& c) {
  const auto at = co_await c.connected();
  at->call("connect", 2, {}, 0, c.connect_object());
  co_await expect_or_skip(at, "NetConnection.Connect.Failed", "error");
}

asio::awaitable<void> connect_closed(context& c) {
  const auto at = co_await c.connected();
  at->call("connect", 2, {}, 0, c.connect_object());
  co_await at->wait_closed();
  for (const auto& m : at->passed) {
    const auto found = command_of(m);
    if (!found || rtmp::read_status(found->arg(0)).code != "NetConnection.Connect.Closed") continue;
    check_shape(*found, "error");
    co_return;
  }
  throw skip{"ends connections without NetConnection.Connect.Closed"};
}

asio::awaitable<void> invalid_app(context& c) {
  std::vector<amf0::member> bad{{"app", "millrace/../none\x01"}};
  const auto at = co_await c.handshaken();
  at->call("connect", 1, {}, 0, c.connect_object(std::move(bad)));
  co_await expect_or_skip(at, "NetConnection.Connect.InvalidApp", "error");
}

asio::awaitable<void> reconnect_request(context& c) {
  if (!c.where().request_reconnect) throw skip{"the server asks for it in its own time; nothing here can make it do so"};
  std::vector<amf0::member> can{{"capsEx", 1.0}};
  const auto at = co_await c.connected_with(std::move(can));
  c.where().request_reconnect("");
  co_await expect(at, "NetConnection.Connect.ReconnectRequest", "status");
}

asio::awaitable<void> call_failed(context& c) {
  const auto at = co_await c.connected();
  at->call("millraceUnknown", 7);
  co_await expect(at, "NetConnection.Call.Failed", "error");
}

// ---- NetStream.Publish ------------------------------------------------------------------------------------------

asio::awaitable<void> publish_start(context& c) {
  const auto at = co_await c.connected();
  const auto msid = co_await at->barrier();
  at->call("publish", at->next_transaction(), {c.publish_name(c.name()), "live"}, msid);
  co_await expect(at, "NetStream.Publish.Start", "status");
}

asio::awaitable<void> publish_bad_name(context& c) {
  const auto first = co_await c.publishing(c.name());
  begin_media(first);
  const auto at = co_await c.connected();
  const auto msid = co_await at->barrier();
  at->call("publish", at->next_transaction(), {c.publish_name(c.name()), "live"}, msid);
  co_await expect_or_skip(at, "NetStream.Publish.BadName", "error");
}

asio::awaitable<void> publish_denied(context& c) {
  const auto at = co_await c.connected();
  const auto msid = co_await at->barrier();
  at->call("publish", at->next_transaction(), {c.name() + "?key=millrace-surely-wrong", "live"}, msid);
  co_await expect_or_skip(at, "NetStream.Publish.Denied", "error");
}

asio::awaitable<void> publish_failed(context& c) {
  const auto at = co_await c.connected();
  at->call("publish", at->next_transaction(), {c.publish_name(c.name()), "live"}, 4711);
  co_await expect_or_skip(at, "NetStream.Publish.Failed", "error");
}

asio::awaitable<void> publish_idle(context& c) {
  const auto out = co_await c.publishing(c.name());
  begin_media(out);
  try {
    co_await out.at->wait_closed(c.where().slow_patience);
  } catch (const failure&) {
    throw skip{"a silent publisher is kept for more than " + std::to_string(c.where().slow_patience.count()) + " ms"};
  }
  for (const auto& m : out.at->passed) {
    const auto found = command_of(m);
    if (!found || rtmp::read_status(found->arg(0)).code != "NetStream.Publish.Idle") continue;
    check_shape(*found, "status");
    check(found->msid == out.msid, "NetStream.Publish.Idle came on message stream " + std::to_string(found->msid));
    co_await c.publishing(c.name());  // the name is free
    co_return;
  }
  throw skip{"ends a silent publisher without NetStream.Publish.Idle"};
}

asio::awaitable<void> unpublish_success(context& c) {
  const auto out = co_await c.publishing(c.name());
  begin_media(out);
  out.at->call("FCUnpublish", out.at->next_transaction(), {c.publish_name(out.name)});
  out.at->call("deleteStream", 0, {out.msid});
  co_await expect(out.at, "NetStream.Unpublish.Success", "status");
}

// ---- NetStream.Play ---------------------------------------------------------------------------------------------

asio::awaitable<void> play_and_expect(context& c, std::string name, std::string code, std::string_view level) {
  const auto at = co_await c.connected();
  const auto msid = co_await at->barrier();
  at->call("play", at->next_transaction(), {std::move(name), -2.0, -1.0, true}, msid);
  const auto found = co_await wait_code(at, std::move(code));
  check_shape(found, level);
  check(found.msid == msid, "it came on message stream " + std::to_string(found.msid) + ", expected " + std::to_string(msid));
}

asio::awaitable<void> play_reset(context& c) {
  const auto s = co_await running(c);
  co_await play_and_expect(c, s.out.name, "NetStream.Play.Reset", "status");
}

asio::awaitable<void> play_started(context& c) {
  const auto s = co_await running(c);
  co_await play_and_expect(c, s.out.name, "NetStream.Play.Start", "status");
}

asio::awaitable<void> play_failed(context& c) {
  const auto out = co_await c.publishing(c.name());
  begin_media(out);
  out.at->call("play", out.at->next_transaction(), {c.name("b")}, out.msid);  // on the message stream that publishes
  co_await expect_or_skip(out.at, "NetStream.Play.Failed", "error");
}

asio::awaitable<void> not_found(context& c) {
  const auto at = co_await c.connected();
  const auto msid = co_await at->barrier();
  at->call("play", at->next_transaction(), {c.name("never"), 0.0}, msid);
  co_await expect_or_skip(at, "NetStream.Play.StreamNotFound", "error");
}

asio::awaitable<void> publish_notify(context& c) {
  const auto in = co_await c.playing(c.name());
  const auto out = co_await c.publishing(c.name());
  begin_media(out);
  co_await expect(in.at, "NetStream.Play.PublishNotify", "status");
}

asio::awaitable<void> unpublish_notify(context& c) {
  const auto s = co_await running(c);
  s.out.at->call("deleteStream", 0, {s.out.msid});
  co_await expect(s.in.at, "NetStream.Play.UnpublishNotify", "status");
}

asio::awaitable<void> pause_notify(context& c) {
  const auto s = co_await running(c);
  call_on(s.in, "pause", {true, 0.0});
  co_await expect(s.in.at, "NetStream.Pause.Notify", "status");
}

asio::awaitable<void> unpause_notify(context& c) {
  const auto s = co_await running(c);
  call_on(s.in, "pause", {true, 0.0});
  call_on(s.in, "pause", {false, 0.0});
  co_await expect(s.in.at, "NetStream.Unpause.Notify", "status");
}

asio::awaitable<void> seek_failed(context& c) {
  const auto s = co_await running(c);
  call_on(s.in, "seek", {1000.0});
  co_await expect_or_skip(s.in.at, "NetStream.Seek.Failed", "error");
}

// The one code that comes as a data message: ("onStatus", {code}).
asio::awaitable<void> data_start(context& c) {
  const auto out = co_await c.publishing(c.name());
  begin_media(out);
  co_await out.at->barrier();
  const auto in = co_await c.playing(c.name());
  co_await wait_video(in.at);
  for (const auto& m : in.at->passed) {
    if (m.type != rtmp::message_type::data_amf0 || data_name(m) != "onStatus") continue;
    const auto values = rtmp::amf0::decode_all(m.payload, {});
    check(values && values->size() > 1, "the data message onStatus has no information object");
    const auto* code = (*values)[1].find("code");
    if (code && code->text() && *code->text() == "NetStream.Data.Start") co_return;
  }
  throw skip{"does not say NetStream.Data.Start"};
}

}  // namespace

std::vector<test_case> status_cases() {
  return {
      {"S1", "NetConnection.Connect.Success", connect_success},
      {"S2", "NetConnection.Connect.Rejected", connect_rejected},
      {"S3", "NetConnection.Connect.Failed", connect_failed},
      {"S4", "NetConnection.Connect.Closed", connect_closed},
      {"S5", "NetConnection.Connect.InvalidApp", invalid_app},
      {"S7", "NetConnection.Connect.ReconnectRequest", reconnect_request},
      {"S8", "NetConnection.Call.Failed", call_failed},
      {"S9", "NetStream.Publish.Start", publish_start},
      {"S10", "NetStream.Publish.BadName", publish_bad_name},
      {"S11", "NetStream.Publish.Denied", publish_denied},
      {"S12", "NetStream.Publish.Failed", publish_failed},
      {"S13", "NetStream.Publish.Idle", publish_idle, true},
      {"S14", "NetStream.Unpublish.Success", unpublish_success},
      {"S15", "NetStream.Play.Reset", play_reset},
      {"S16", "NetStream.Play.Start", play_started},
      {"S18", "NetStream.Play.Failed", play_failed},
      {"S19", "NetStream.Play.StreamNotFound", not_found},
      {"S20", "NetStream.Play.PublishNotify", publish_notify},
      {"S21", "NetStream.Play.UnpublishNotify", unpublish_notify},
      {"S23", "NetStream.Pause.Notify", pause_notify},
      {"S24", "NetStream.Unpause.Notify", unpause_notify},
      {"S26", "NetStream.Seek.Failed", seek_failed},
      {"S27", "NetStream.Data.Start", data_start},
  };
}

}  // namespace millrace::conform
