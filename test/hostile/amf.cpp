// AMF0 (2007) that no encoder writes, as the arguments of a command and as the command itself.
#include "base/bytes.hpp"
#include "hostile/attack.hpp"

namespace millrace::hostile {
namespace {

using enum message_type;

// `createStream`, its transaction, and then what the line is about in the place of its arguments.
void behind_command(const striker& s, base::bytes_view argument) { s.message(command_amf0, command_head("createStream") + argument); }
void as_message(const striker& s, base::bytes_view whole) { s.message(command_amf0, whole); }

bytes nested_objects(std::size_t depth) { return repeated(written("03 0001 'a'"), depth); }
bytes nested_arrays(std::size_t depth, const char* count = "00000001") { return repeated(written(std::string("0a ") + count), depth); }
// `count` members "a": null.
bytes members(std::size_t count) { return repeated(written("0001 'a' 05"), count); }
bytes text(std::size_t size) {
  base::byte_writer to;
  if (size > 0xFFFF) {
    to.u8(0x0C).u32(static_cast<std::uint32_t>(size));
  } else {
    to.u8(2).u16(static_cast<std::uint16_t>(size));
  }
  to.bytes(bytes(size, 'a'));
  return std::move(to).take();
}

// A message cut behind each of its bytes, on one connection after the other until one of them is closed.
void truncated(const striker& s, base::bytes_view whole) {
  for (std::size_t size = 1; size < whole.size(); size += s.in.full ? 1 : 3) s.message(command_amf0, whole.first(size), s.msid);
}

const std::vector<attack>& table() {
  static const bytes publish = command_head("publish") + written("05 02 0001 'a' 02 0004 'live'");
  static const bytes connect = command_head("connect", 1) + written("03 0003 'app' 02 0004 'live' 0008 'flashVer' 02 0003 'abc' 0000 09");
  static const std::vector<attack> all{
      {"objects in objects, 17 deep", from::connected, expect::either, [](auto& s) { behind_command(s, nested_objects(17)); }},
      {"objects in objects, 15,000 deep", from::connected, expect::either, [](auto& s) { behind_command(s, nested_objects(15'000)); }},
      {"objects in objects, 15,000 deep, as a connect", from::handshaken, expect::either, [](auto& s) { as_message(s, command_head("connect", 1) + nested_objects(15'000)); }},
      {"arrays in arrays, 12,000 deep", from::connected, expect::either, [](auto& s) { behind_command(s, nested_arrays(12'000)); }},
      {"arrays in arrays, each of 2^32-1", from::connected, expect::either, [](auto& s) { behind_command(s, nested_arrays(15, "ffffffff")); }},
      {"an array of 2^32-1 without any", from::connected, expect::either, [](auto& s) { behind_command(s, written("0a ffffffff")); }},
      {"an array of 2^32-1 with 60,000", from::connected, expect::either, [](auto& s) { behind_command(s, written("0a ffffffff") + bytes(60'000, 5)); }},
      {"an ECMA array of 2^32-1 without any", from::connected, expect::either, [](auto& s) { behind_command(s, written("08 ffffffff 0000 09")); }},
      {"an ECMA array of 0 with 10,000", from::connected, expect::either, [](auto& s) { behind_command(s, written("08 00000000") + members(10'000) + written("0000 09")); }},
      {"an ECMA array without an end", from::connected, expect::either, [](auto& s) { behind_command(s, written("08 00000002") + members(2)); }},
      {"an object of 257 members", from::connected, expect::either, [](auto& s) { behind_command(s, written("03") + members(257) + written("0000 09")); }},
      {"an object of 15,000 members of one name", from::connected, expect::either, [](auto& s) { behind_command(s, written("03") + members(15'000) + written("0000 09")); }},
      {"an object whose members have no names", from::connected, expect::either, [](auto& s) { behind_command(s, written("03") + repeated(written("0000 05"), 100) + written("0000 09")); }},
      {"60,000 nulls", from::connected, expect::either, [](auto& s) { behind_command(s, bytes(60'000, 5)); }},
      {"a string of 65,535 with three bytes", from::connected, expect::either, [](auto& s) { behind_command(s, written("02 ffff 'abc'")); }},
      {"a long string of 2^32-1 with three bytes", from::connected, expect::either, [](auto& s) { behind_command(s, written("0c ffffffff 'abc'")); }},
      {"a string of 60,000", from::connected, expect::lives, [](auto& s) { behind_command(s, text(60'000)); }},
      {"a member name of 65,535 with three bytes", from::connected, expect::either, [](auto& s) { behind_command(s, written("03 ffff 'abc'")); }},
      {"a reference to nothing", from::connected, expect::either, [](auto& s) { behind_command(s, written("07 ffff")); }},
      {"an object that holds a reference to itself", from::connected, expect::either, [](auto& s) { behind_command(s, written("03 0001 'a' 07 0000 0000 09")); }},
      {"two objects that refer to each other", from::connected, expect::either, [](auto& s) { behind_command(s, written("03 0001 'a' 07 0001 0000 09 03 0001 'a' 07 0000 0000 09")); }},
      {"20,000 references to the object they are in", from::connected, expect::either, [](auto& s) { behind_command(s, written("0a 00004e20") + repeated(written("07 0000"), 20'000)); }},
      {"a reference of one byte", from::connected, expect::either, [](auto& s) { behind_command(s, written("07 00")); }},
      {"a movie clip", from::connected, expect::either, [](auto& s) { behind_command(s, written("04")); }},
      {"a record set", from::connected, expect::either, [](auto& s) { behind_command(s, written("0e")); }},
      {"AMF3 within AMF0", from::connected, expect::either, [](auto& s) { behind_command(s, written("11 0a 0b 01 09 01")); }},
      {"a marker that nobody knows", from::connected, expect::either, [](auto& s) { behind_command(s, written("12")); }},
      {"marker 255", from::connected, expect::either, [](auto& s) { behind_command(s, written("ff")); }},
      {"an object's end without an object", from::connected, expect::either, [](auto& s) { behind_command(s, written("09")); }},
      {"an object's end amid an array", from::connected, expect::either, [](auto& s) { behind_command(s, written("0a 00000002 09 05")); }},
      {"a member whose value is an object's end", from::connected, expect::either, [](auto& s) { behind_command(s, written("03 0001 'a' 09")); }},
      {"a typed object without its class", from::connected, expect::either, [](auto& s) { behind_command(s, written("10 ffff 'a'")); }},
      {"typed objects in typed objects", from::connected, expect::either, [](auto& s) { behind_command(s, repeated(written("10 0001 'c' 0001 'a'"), 8000)); }},
      {"an XML document of 2^32-1", from::connected, expect::either, [](auto& s) { behind_command(s, written("0f ffffffff '<a>'")); }},
      {"a date without its zone", from::connected, expect::either, [](auto& s) { behind_command(s, written("0b 7ff0000000000000")); }},
      {"half a number", from::connected, expect::either, [](auto& s) { behind_command(s, written("00 3ff0")); }},
      {"a boolean without its value", from::connected, expect::either, [](auto& s) { behind_command(s, written("01")); }},
      {"a transaction that is no number (NaN)", from::connected, expect::lives, [](auto& s) { as_message(s, written("02 000c 'createStream' 00 7ff8000000000000 05")); }},
      {"an infinite transaction", from::connected, expect::lives, [](auto& s) { as_message(s, written("02 000c 'createStream' 00 7ff0000000000000 05")); }},
      {"a negative transaction", from::connected, expect::lives, [](auto& s) { as_message(s, written("02 000c 'createStream' 00 bff0000000000000 05")); }},
      {"transaction 1e300", from::connected, expect::lives, [](auto& s) { as_message(s, written("02 000c 'createStream' 00 7e37e43c8800759c 05")); }},
      {"a transaction that is a text", from::connected, expect::either, [](auto& s) { as_message(s, written("02 000c 'createStream' 02 0001 '4' 05")); }},
      {"a command without a transaction", from::connected, expect::either, [](auto& s) { as_message(s, written("02 000c 'createStream'")); }},
      {"a command whose name is a number", from::connected, expect::either, [](auto& s) { as_message(s, written("00 3ff0000000000000 00 3ff0000000000000 05")); }},
      {"a command whose name is an object", from::connected, expect::either, [](auto& s) { as_message(s, written("03 0000 09 00 3ff0000000000000 05")); }},
      {"a command of one byte", from::connected, expect::either, [](auto& s) { as_message(s, written("02")); }},
      {"a command of zeros", from::connected, expect::either, [](auto& s) { as_message(s, bytes(4000, 0)); }},
      {"a command of 0xFF", from::connected, expect::either, [](auto& s) { as_message(s, bytes(4000, 0xFF)); }},
      {"connect, truncated behind each byte", from::handshaken, expect::either, [](auto& s) { truncated(s, connect); }},
      {"createStream, truncated behind each byte", from::connected, expect::either, [](auto& s) { truncated(s, command_head("createStream") + written("05")); }},
      {"publish, truncated behind each byte", from::stream, expect::either, [](auto& s) { truncated(s, publish); }},
      {"metadata, 15,000 objects deep", from::publishing, expect::either, [](auto& s) { s.message(data_amf0, written("02 000d '@setDataFrame' 02 000a 'onMetaData'") + nested_objects(15'000), s.msid); }},
      {"metadata that refers to itself", from::publishing, expect::either, [](auto& s) { s.message(data_amf0, written("02 000a 'onMetaData' 08 00000001 0001 'a' 07 0000 0000 09"), s.msid); }},
  };
  return all;
}

// A connection for each place: what is behind the cut never comes, and the connection ends in order or stays half a message behind.
asio::awaitable<void> cut_connections(arena& in, way via) {
  const bytes whole = command_head("connect", 1) + written("03 0003 'app' 02 0004 'live' 0005 'tcUrl' 02 0015 'rtmp://127.0.0.1/live' 0000 09");
  auto where = in.target(via);
  conform::context c(in.io, where, "");
  for (std::size_t size = 1; size < whole.size(); size += in.full ? 1 : 9) {
    const auto at = co_await c.handshaken();
    at->send(conform::message_of(command_amf0, 0, 3, 0, base::bytes_view(whole).first(size)));
    // What it may not do is to wait for more: the message is whole.
    co_await at->wait_refusal();
  }
}

}  // namespace

void add_amf(cases& to) {
  add_attacks(to, "amf", all_ways, table());
  for (const auto via : all_ways) {
    to.push_back({"amf over " + std::string(name(via)), "connections whose connect is cut, each elsewhere", "each refused or closed within 8 s",
                  [via](arena& in) { return cut_connections(in, via); }});
  }
}

}  // namespace millrace::hostile
