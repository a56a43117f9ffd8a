// Section 6, AMF0 in commands and data (AMF 0 specification; RTMP 1.0 sections 7.1.1 and 7.1.2).
#include <algorithm>
#include <cmath>
#include <limits>

#include "base/bytes.hpp"
#include "base/escape.hpp"
#include "conform/steps.hpp"

namespace millrace::conform {
namespace {

namespace asio = boost::asio;
namespace amf0 = rtmp::amf0;
using rtmp::message_type;

rtmp::message command_of(bytes body, message_type type = message_type::command_amf0, std::uint32_t msid = 0) {
  return message_of(type, msid, 3, 0, body);
}
bytes encoded(const std::vector<amf0::value>& values) {
  base::byte_writer to;
  for (const auto& v : values) amf0::encode(to, v);
  return std::move(to).take();
}
// A command with something behind its transaction that no encoder of ours would write.
bytes call_with(std::string name, double transaction, base::bytes_view rest) {
  auto out = encoded({std::move(name), transaction});
  append(out, rest);
  return out;
}
bytes with_selector(bytes body) {
  body.insert(body.begin(), 0);
  return body;
}

// createStream in any form of message, and its answer.
asio::awaitable<void> expect_served(peer_ptr at, bytes call, double transaction, message_type type = message_type::command_amf0) {
  at->send(command_of(std::move(call), type));
  co_await at->wait_command("_result", transaction);
}

// As type 17 with its format selector, and as type 20 beside it.
asio::awaitable<void> both_types_are_served(peer_ptr at) {
  const auto call_17 = with_selector(encoded({"createStream", 60.0, amf0::null{}}));
  const auto call_20 = encoded({"createStream", 61.0, amf0::null{}});
  co_await expect_served(at, call_17, 60, message_type::command_amf3);
  co_await expect_served(at, call_20, 61);
}

asio::awaitable<void> arrays_are_objects(context& c) {
  for (const std::uint32_t count : {0u, 1u, 9'999u}) {
    const auto at = co_await c.handshaken();
    const auto object = c.connect_object();
    auto body = encoded({"connect", 1.0});
    const auto at_array = body.size();
    append(body, encoded({amf0::ecma_array{*object.members()}}));
    for (std::size_t i = 0; i < 4; ++i) body[at_array + 1 + i] = static_cast<std::uint8_t>(count >> (8 * (3 - i)));
    at->send(command_of(std::move(body)));
    const auto answer = co_await at->wait_command("_result", 1);
    check(rtmp::read_status(answer.arg(0)).code == "NetConnection.Connect.Success", "connect with an ECMA array was refused");
  }
}

asio::awaitable<void> writes_objects(context& c) {
  const auto at = co_await c.handshaken();
  at->call("connect", 1, {}, 0, c.connect_object());
  const auto answer = co_await at->wait_command("_result", 1);
  check(answer.object.is_null_like() || std::holds_alternative<amf0::object>(answer.object.get()),
        "the properties in the answer to connect are no object");
  check(answer.arg(0) && std::holds_alternative<amf0::object>(answer.arg(0)->get()),
        "the information in the answer to connect is no object");
  co_await c.publish_on(at, c.name());
  peer::wanted more = [](const rtmp::message& m) {
    const auto said = command_in(m);
    if (!said || said->name != "onStatus") return false;
    check(said->arg(0) && std::holds_alternative<amf0::object>(said->arg(0)->get()), "the information of an onStatus is no object");
    return true;
  };
  const auto other = co_await at->barrier();
  at->call("play", 0, {c.name()}, other);
  co_await at->wait(std::move(more), "an onStatus to play");
}

asio::awaitable<void> missing_object_end(context& c) {
  const auto r = co_await relayed(c);
  auto body = encoded({"@setDataFrame", "onMetaData", amf0::ecma_array{{{"width", 320.0}, {"height", 240.0}}}});
  body.resize(body.size() - 3);
  r.from.at->send(message_of(message_type::data_amf0, r.from.msid, 5, 40, body));
  const std::vector<bytes> frames{avc_frame(true, 100, 1)};
  r.from.at->send_media(message_type::video, r.from.msid, 40, frames[0]);
  co_await arrivals(r.to.at, frames);
  // In a command what is missing may be anything.
  const auto at = co_await c.connected();
  auto object = encoded({amf0::object{{{"a", 1.0}}}});
  object.resize(object.size() - 3);
  at->send(command_of(call_with("createStream", 9, object)));
  if (co_await lives(at)) c.note("a command whose object has no end is accepted");
}

asio::awaitable<void> odd_names(context& c) {
  const std::string not_utf8("\xFF\xC3", 2), with_nul("a\0b", 3);
  const std::vector<amf0::member> odd{
      {"", 1.0}, {"\xE2\x82\xAC", "\xF0\x9F\x8E\xA5"}, {not_utf8, not_utf8}, {with_nul, with_nul}, {"twice", 1.0}, {"twice", 2.0}};
  const auto at = co_await c.handshaken();
  auto object = c.connect_object();
  auto members = *object.members();
  members.insert(members.begin(), odd.begin(), odd.end());
  at->call("connect", 1, {}, 0, amf0::object{members});
  const auto answer = co_await at->wait_command("_result", 1);
  check(rtmp::read_status(answer.arg(0)).code == "NetConnection.Connect.Success", "connect with odd names was refused");
  // And as metadata, in their order.
  const auto r = co_await relayed(c);
  r.from.at->send(rtmp::make_data(r.from.msid, {"@setDataFrame", "onMetaData", amf0::ecma_array{odd}}));
  peer::wanted metadata = [](const rtmp::message& m) {
    const auto values = data_in(m);
    return values && values->size() > 1 && (*values)[0].text() && *(*values)[0].text() == "onMetaData" && (*values)[1].find("twice");
  };
  const auto m = co_await r.to.at->wait(std::move(metadata), "the metadata with odd names");
  const auto values = data_in(m);
  const auto& got = *(*values)[1].members();
  for (const auto& one : odd) {
    check(std::any_of(got.begin(), got.end(), [&one](const amf0::member& other) { return other.name == one.name; }),
          "the name '" + base::escaped(one.name) + "' is gone from the metadata");
  }
  check(*(*values)[1].find("twice")->number() == 2.0, "of two members of one name the first one was kept");
}

asio::awaitable<void> hostile_values(context& c) {
  bytes deep;
  for (int i = 0; i < 2'000; ++i) append(deep, bytes{0x03, 0, 1, 'a'});
  bytes many;
  for (int i = 0; i < 3'000; ++i) append(many, bytes{0x05});
  const std::vector<bytes> hostile{
      deep,
      many,
      {0x0C, 0xFF, 0xFF, 0xFF, 0xFF, 'x'},   // a long string beyond the message
      {0x02, 0xFF, 0xFF, 'x'},               // a string
      {0x0A, 0xFF, 0xFF, 0xFF, 0xFF, 0x05},  // a strict array
      {0x08, 0xFF, 0xFF, 0xFF, 0xFF, 0, 5},  // an ECMA array
      {0x03, 0xFF, 0xFF, 'x'},               // a key
      {0x00, 0x3F},                          // a number
      {0x0B, 0},                             // a date
  };
  for (const auto& rest : hostile) {
    const auto at = co_await c.connected();
    at->send(command_of(call_with("createStream", 9, rest)));
    co_await lives(at);  // or not: either is an answer
  }
  co_await c.connected();
}

asio::awaitable<void> odd_transactions(context& c) {
  const auto at = co_await c.connected();
  for (const double transaction : {2.5, 1e15, 4294967296.5}) {
    at->call("createStream", transaction);
    const auto answer = co_await at->wait_command("_result");
    check(answer.transaction == transaction,
          "createStream of transaction " + std::to_string(transaction) + " was answered as " + std::to_string(answer.transaction));
  }
  at->passed.clear();
  for (const double transaction : {0.0, std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity(), -3.0}) {
    at->call("millraceUnknown", transaction);
  }
  co_await at->barrier();
  for (const auto& m : at->passed) {
    const auto said = command_in(m);
    check(!said || (said->name != "_result" && said->name != "_error") || said->transaction != 0, "a call of transaction 0 was answered");
  }
}

asio::awaitable<void> arguments_more_and_less(context& c) {
  const auto at = co_await c.connected();
  // No command object, one with something in it, and something behind it.
  const std::vector<bytes> calls{encoded({"createStream", 50.0}), encoded({"createStream", 51.0, amf0::object{{{"x", 1.0}}}}),
                                 encoded({"createStream", 52.0, amf0::undefined{}, 1.0, "more", amf0::object{}})};
  for (std::size_t i = 0; i < calls.size(); ++i) co_await expect_served(at, calls[i], 50 + static_cast<double>(i));
  const auto msid = co_await at->barrier();
  at->call("publish", 0, {c.publish_name(c.name()), "live", 1.0, true, "more", amf0::null{}}, msid);
  co_await at->wait_status("NetStream.Publish.Start");
  const auto second = co_await at->barrier();
  at->call("publish", 0, {c.publish_name(c.name("b"))}, second);  // no type
  co_await at->wait_status("NetStream.Publish.Start");
}

asio::awaitable<void> amf3_types(context& c) {
  const auto r = co_await relayed(c);
  co_await both_types_are_served(r.from.at);
  const auto body = with_selector(encoded({"@setDataFrame", "onMetaData", amf0::ecma_array{{{"width", 321.0}}}}));
  r.from.at->send(message_of(message_type::data_amf3, r.from.msid, 5, 40, body));
  peer::wanted metadata = [](const rtmp::message& m) {
    const auto values = data_in(m);
    if (!values || values->size() < 2 || !(*values)[1].find("width")) return false;
    return *(*values)[1].find("width")->number() == 321.0;
  };
  co_await r.to.at->wait(std::move(metadata), "metadata that was sent as type 15");
}

asio::awaitable<void> object_encoding(context& c) {
  std::vector<amf0::member> encoding{{"objectEncoding", 3.0}};
  const auto at = co_await c.handshaken();
  at->call("connect", 1, {}, 0, c.connect_object(encoding));
  const auto answer = co_await at->wait_command("_result", 1);
  const auto* told = answer.arg(0) ? answer.arg(0)->find("objectEncoding") : nullptr;
  if (told && told->number())
    check(*told->number() == 0 || *told->number() == 3, "objectEncoding 3 was answered with " + std::to_string(*told->number()));
  c.note(told && told->number() ? "answered with " + std::to_string(static_cast<int>(*told->number()))
                                : "not answered in the information object");
  co_await both_types_are_served(at);
}

asio::awaitable<void> unknown_markers(context& c) {
  const std::vector<bytes> bad{
      {0x7F}, {0x11, 0x0C}, {0x04}, {0x0E}};  // unknown, AMF3 (with a value it does not end), and two that are reserved
  for (const auto& rest : bad) {
    const auto at = co_await c.connected();
    at->send(command_of(call_with("createStream", 9, rest)));
    const auto why = co_await at->wait_refusal();
    c.note(hex(base::bytes_view(rest).first(1)) + ": " +
           base::escaped(why.code.empty() ? why.description : why.code + " " + why.description));
  }
}

asio::awaitable<void> shared_objects(context& c) {
  const auto on = co_await c.publishing(c.name());
  for (const auto type : {message_type::shared_object_amf0, message_type::shared_object_amf3}) {
    on.at->send(message_of(type, 0, 3, 0, bytes{0, 4, 't', 'e', 's', 't', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0}));
    on.at->send(message_of(type, on.msid, 3, 0, bytes{1, 2, 3}));
  }
  co_await on.at->barrier();
}

}  // namespace

std::vector<test_case> amf_cases() {
  return {
      {"F2", "an ECMA array, whatever its count, is as good as an object", arrays_are_objects},
      {"F3", "information is written as an object", writes_objects},
      {"F4", "metadata without its object end is accepted", missing_object_end},
      {"F5", "odd, double and foreign names are accepted and kept", odd_names},
      {"F6", "depth, counts and lengths beyond the message end one connection at most", hostile_values},
      {"F7", "any transaction number comes back; 0 asks for no answer", odd_transactions},
      {"F8", "more and fewer arguments than known, any command object", arguments_more_and_less},
      {"F9", "messages of types 15 and 17 with AMF0 inside are understood", amf3_types},
      {"F10", "objectEncoding 3 is answered with 0 or 3, and commands of type 17 are understood", object_encoding},
      {"F11", "unknown AMF0 markers are refused", unknown_markers},
      {"F12", "shared object messages are ignored", shared_objects},
  };
}

}  // namespace millrace::conform
