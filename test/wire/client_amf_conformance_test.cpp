// Section 6 of doc/protocol/conformance.md for the client.
#include <algorithm>
#include <cmath>
#include <limits>

#include "base/bytes.hpp"
#include "conform/steps.hpp"
#include "support/client_script.hpp"

namespace millrace::conform {
namespace {

namespace asio = boost::asio;
namespace amf0 = rtmp::amf0;
using rtmp::client_role;
using rtmp::message_type;
using test::client_script;

bytes encoded(const std::vector<amf0::value>& values) {
  base::byte_writer to;
  for (const auto& v : values) amf0::encode(to, v);
  return std::move(to).take();
}
rtmp::message command_of(bytes body, std::uint32_t msid = 0) { return message_of(message_type::command_amf0, msid, 3, 0, body); }
rtmp::message status_with(amf0::value object, amf0::value info, std::vector<amf0::value> more = {}) {
  more.insert(more.begin(), std::move(info));
  return rtmp::make_command(1, "onStatus", 0, object, more);
}
const amf0::ecma_array success{{{"level", "status"}, {"code", "NetConnection.Connect.Success"}, {"description", "ok"}}};
const amf0::ecma_array play_start{{{"level", "status"}, {"code", "NetStream.Play.Start"}, {"description", "go"}}};

// The way to a started player in the server's own words.
asio::awaitable<peer_ptr> played(client_script& s, bytes connect_result, std::vector<rtmp::message> create_result, rtmp::message start) {
  s.start(client_role::play);
  const auto c = co_await s.accept_connect_command();
  c.at->send(command_of(std::move(connect_result)));
  co_await c.at->wait_command("createStream");
  for (const auto& m : create_result) c.at->send(m);
  co_await c.at->wait_command("play");
  c.at->send(start);
  co_await s.until([&s] { return s.started.has_value() || s.down; }, "the player to have started");
  check(s.started.has_value(), "the player went down: " + (s.down ? s.down->reason.text : ""));
  co_return c.at;
}
// What createStream (4) is answered with.
std::vector<rtmp::message> stream_1() { return {rtmp::make_command(0, "_result", 4, amf0::null{}, {1.0})}; }

asio::awaitable<void> arrays_are_objects(client_script& s) {
  auto result = encoded({"_result", 1.0, amf0::ecma_array{{{"fmsVer", "FMS/3,0,1,123"}}}});
  const auto at_array = result.size();
  append(result, encoded({success}));
  const auto start = status_with(amf0::null{}, play_start);
  for (const int count : {0, 1, 255}) {
    for (std::size_t i = 1; i <= 4; ++i) result[at_array + i] = static_cast<std::uint8_t>(count);
    co_await played(s, result, stream_1(), start);
  }
}

asio::awaitable<void> writes_objects(client_script& s) {
  for (const auto role : {client_role::publish, client_role::play}) {
    s.start(role);
    const auto c = co_await s.accept_connect_command();
    check(std::holds_alternative<amf0::object>(c.connect.object.get()), "the command object of connect is no object");
    for (const auto& m : *c.connect.object.members()) {
      check(!std::holds_alternative<amf0::ecma_array>(m.val.get()), "connect has an ECMA array in it: " + m.name);
    }
  }
}

asio::awaitable<void> missing_object_end(client_script& s) {
  auto at = co_await s.running(client_role::play);
  auto body = encoded({"onMetaData", amf0::ecma_array{{{"width", 320.0}}}});
  body.resize(body.size() - 3);
  const std::vector<bytes> frames{body};
  at->send(message_of(message_type::data_amf0, 1, 5, 0, body));
  co_await s.take(frames);
  at = co_await s.running(client_role::play);
  body = encoded({"onStatus", 0.0, amf0::null{}, amf0::object{{{"level", "status"}, {"code", "NetStream.Play.Reset"}}}});
  body.resize(body.size() - 3);
  at->send(command_of(body, 1));
  co_await s.until_down(base::error_kind::protocol, "object end is missing");
}

asio::awaitable<void> odd_names(client_script& s) {
  const std::string not_utf8("\xFF\xC3", 2), with_nul("a\0b", 3);
  std::vector<amf0::member> odd{
      {"", 1.0}, {"\xE2\x82\xAC", "\xF0\x9F\x8E\xA5"}, {not_utf8, not_utf8}, {with_nul, with_nul}, {"code", "NetStream.Play.Failed"}};
  auto info = odd;
  info.insert(info.end(), play_start.members.begin(), play_start.members.end());  // the last `code` is the one that holds
  const auto result = encoded({"_result", 1.0, amf0::object{odd}, success});
  const auto start = status_with(amf0::null{}, amf0::object{info});
  const auto at = co_await played(s, result, stream_1(), start);
  const std::vector<bytes> frames{encoded({"onMetaData", amf0::ecma_array{odd}})};
  at->send(message_of(message_type::data_amf0, 1, 5, 0, frames[0]));
  co_await s.take(frames);
}

asio::awaitable<void> hostile_values(client_script& s) {
  bytes deep, many;
  for (int i = 0; i < 2'000; ++i) append(deep, bytes{0x03, 0, 1, 'a'});
  for (int i = 0; i < 3'000; ++i) append(many, bytes{0x05});
  const std::vector<bytes> hostile{
      deep, many, {0x0C, 0xFF, 0xFF, 0xFF, 0xFF, 'x'}, {0x02, 0xFF, 0xFF, 'x'}, {0x0A, 0xFF, 0xFF, 0xFF, 0xFF, 0x05}, {0x0B, 0}};
  for (const auto& rest : hostile) {
    const auto at = co_await s.running(client_role::play);
    auto body = encoded({"onStatus", 0.0});
    append(body, rest);
    at->send(command_of(body, 1));
    co_await s.until([&s] { return s.down.has_value(); }, "the link to go down");
    const auto kind = s.down->reason.kind;
    check(kind == base::error_kind::protocol || kind == base::error_kind::limit,
          "the link went down for another reason: " + s.down->reason.text);
  }
}

asio::awaitable<void> odd_transactions(client_script& s) {
  std::vector<rtmp::message> answers;
  for (const double transaction : {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity(), -4.0, 4.5, 0.0}) {
    answers.push_back(rtmp::make_command(0, "_result", transaction, amf0::null{}, {7.0}));  // nobody asked for those
    answers.push_back(rtmp::make_command(0, "_error", transaction, amf0::null{}, {7.0}));
  }
  answers.push_back(stream_1()[0]);
  const auto result = encoded({"_result", 1.0, amf0::null{}, success});
  const auto start = rtmp::make_command(1, "onStatus", std::numeric_limits<double>::quiet_NaN(), amf0::null{}, {play_start});
  co_await played(s, result, answers, start);
}

asio::awaitable<void> arguments_more_and_less(client_script& s) {
  // More than anybody knows, and any command object.
  std::vector<rtmp::message> create{rtmp::make_command(0, "_result", 4, amf0::object{{{"x", 1.0}}}, {1.0, "more", amf0::object{}})};
  auto start = status_with(amf0::object{{{"x", 1.0}}}, play_start, {"more", 1.0});
  auto result = encoded({"_result", 1.0, amf0::undefined{}, success, 1.0, "more"});
  co_await played(s, result, create, start);
  // As little as still says it.
  start = status_with(amf0::null{}, amf0::object{{{"code", "NetStream.Play.Start"}}});
  result = encoded({"_result", 1.0});
  const auto at = co_await played(s, result, stream_1(), start);
  // Commands that nobody needs, with anything behind them.
  for (const char* name : {"onBWDone", "onFCSubscribe", "|RtmpSampleAccess", "somethingNew"}) {
    at->send(command_of(encoded({name})));
    at->send(command_of(encoded({name, 0.0})));
    at->send(command_of(encoded({name, 0.0, amf0::null{}, amf0::date{1.0, 0}, amf0::xml{"<a/>"}, amf0::reference{1}})));
  }
  co_await ping(at, 9);
}

asio::awaitable<void> unknown_markers(client_script& s) {
  const std::vector<bytes> bad{{0x7F, 1}, {0x11, 1}, {0x04, 1}};
  for (const auto& rest : bad) {
    const auto at = co_await s.running(client_role::play);
    auto body = encoded({"onStatus", 0.0});
    append(body, rest);
    at->send(command_of(body, 1));
    const auto text = hex(base::bytes_view(rest).first(1));
    co_await s.until_down(base::error_kind::protocol, "0x" + text);
  }
}

const bool registered = test::register_client_cases({
    {"F2", "an ECMA array, whatever its count, is as good as an object", arrays_are_objects},
    {"F3", "connect says what it says in objects", writes_objects},
    {"F4", "metadata without its object end is handed on, a command without is refused", missing_object_end},
    {"F5", "odd, double and foreign names are accepted and kept", odd_names},
    {"F6", "depth, counts and lengths beyond the message end the connection", hostile_values},
    {"F7", "answers to transactions that nobody began are ignored", odd_transactions},
    {"F8", "more and fewer arguments than known, any command object", arguments_more_and_less},
    {"F11", "unknown AMF0 markers are refused by their byte", unknown_markers},
});

}  // namespace
}  // namespace millrace::conform
