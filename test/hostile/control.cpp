// Protocol control and user control messages (RTMP 1.0 sections 5.4 and 7.1.7), aggregates, shared objects and types that nobody knows.
#include "base/bytes.hpp"
#include "hostile/attack.hpp"

namespace millrace::hostile {
namespace {

using enum message_type;

void control(const striker& s, message_type type, std::uint32_t value) { s.at->send(rtmp::make_control(type, value)); }
void event(const striker& s, unsigned number, std::uint32_t value = 0) { s.message(user_control, (base::byte_writer().u16(static_cast<std::uint16_t>(number)).u32(value)).view()); }

// One message of an aggregate (section 7.1.6): an FLV tag with its length behind it, as announced.
bytes part(message_type type, std::uint32_t announced, base::bytes_view payload, std::uint32_t behind) {
  base::byte_writer to;
  to.u8(static_cast<std::uint8_t>(type)).u24(announced).u24(0).u8(0).u24(0).bytes(payload).u32(behind);
  return std::move(to).take();
}
bytes good_part(message_type type, base::bytes_view payload) {
  const auto size = static_cast<std::uint32_t>(payload.size());
  return part(type, size, payload, size + 11);
}
bytes nested(int depth) {
  bytes inner = good_part(audio, conform::aac_frame());
  for (int i = 0; i < depth; ++i) inner = good_part(aggregate, inner);
  return inner;
}

const std::vector<attack>& both() {
  static const std::vector<attack> all{
      {"acknowledgements of what was never sent", from::connected, expect::lives, [](auto& s) { control(s, acknowledgement, 0xFFFFFFFF); control(s, acknowledgement, 0); }},
      {"20,000 acknowledgements", from::connected, expect::lives, [](auto& s) { for (std::uint32_t i = 0; i < 20'000; ++i) control(s, acknowledgement, i); }},
      {"acknowledgement window 0", from::connected, expect::lives, [](auto& s) { control(s, window_acknowledgement_size, 0); }},
      {"acknowledgement window 1", from::connected, expect::lives, [](auto& s) { control(s, window_acknowledgement_size, 1); s.call("createStream"); }},
      {"acknowledgement window 2^32-1", from::connected, expect::lives, [](auto& s) { control(s, window_acknowledgement_size, 0xFFFFFFFF); }},
      {"acknowledgement window changes 5000 times", from::connected, expect::lives, [](auto& s) { for (std::uint32_t i = 0; i < 5000; ++i) control(s, window_acknowledgement_size, i); }},
      {"acknowledgement window of two bytes", from::connected, expect::either, [](auto& s) { s.message(window_acknowledgement_size, written("0001")); }},
      {"peer bandwidth 0", from::connected, expect::lives, [](auto& s) { s.message(set_peer_bandwidth, written("00000000 00")); }},
      {"peer bandwidth with limit type 9", from::connected, expect::lives, [](auto& s) { s.message(set_peer_bandwidth, written("00001000 09")); }},
      {"peer bandwidth changes 5000 times", from::connected, expect::closed, [](auto& s) { for (std::uint32_t i = 0; i < 5000; ++i) s.at->send(rtmp::make_set_peer_bandwidth(i, rtmp::bandwidth_limit::hard)); }},
      {"peer bandwidth of one byte", from::connected, expect::either, [](auto& s) { s.message(set_peer_bandwidth, written("00")); }},
  };
  return all;
}

const std::vector<attack>& table() {
  static const std::vector<attack> all{
      {"user control of one byte", from::connected, expect::either, [](auto& s) { s.message(user_control, written("00")); }},
      {"a ping request without its time", from::connected, expect::either, [](auto& s) { s.message(user_control, written("0006 00")); }},
      {"user control event 65535", from::connected, expect::lives, [](auto& s) { event(s, 65'535); }},
      {"every user control event up to 300", from::connected, expect::lives, [](auto& s) { for (unsigned i = 0; i < 300; ++i) if (i != 3 && i != 6) event(s, i); }},
      {"5000 ping requests, answers are read", from::connected, expect::either, [](auto& s) { for (std::uint32_t i = 0; i < 5000; ++i) event(s, 6, i); }},
      {"100,000 ping requests, answers are not read", from::connected, expect::either, [](auto& s) { s.at->transport()->pause_receive(true); for (std::uint32_t i = 0; i < 100'000; ++i) event(s, 6, i); s.at->transport()->pause_receive(false); }},
      {"ping responses that nobody asked for", from::connected, expect::lives, [](auto& s) { for (std::uint32_t i = 0; i < 300; ++i) event(s, 7, i); }},
      {"20,000 ping responses that nobody asked for", from::connected, expect::closed, [](auto& s) { for (std::uint32_t i = 0; i < 20'000; ++i) event(s, 7, i); }},
      {"Stream Begin, EOF, Dry and Is Recorded from a client", from::connected, expect::lives, [](auto& s) { for (const unsigned i : {0u, 1u, 2u, 4u}) event(s, i, 1); }},
      {"Set Buffer Length of a stream that is not there", from::connected, expect::lives, [](auto& s) { s.at->send(rtmp::make_set_buffer_length(0xFFFFFFFF, 0xFFFFFFFF)); }},
      {"Set Buffer Length without its milliseconds", from::playing, expect::either, [](auto& s) { event(s, 3, s.msid); }},
      {"user control of 60,000 bytes", from::connected, expect::either, [](auto& s) { s.message(user_control, bytes(60'000, 0)); }},
      {"each type that nobody knows", from::connected, expect::lives, [](auto& s) {
         for (unsigned type = 23; type < 256; ++type) s.message(static_cast<message_type>(type), written("00000001"));
         for (const unsigned type : {0u, 7u, 10u, 11u, 12u, 13u, 14u, 21u}) s.message(static_cast<message_type>(type), written("00000001"));
       }},
      {"200 kB of a type that nobody knows", from::connected, expect::either, [](auto& s) { s.message(static_cast<message_type>(99), bytes(200'000, 1)); }},
      {"shared objects of both kinds", from::connected, expect::lives, [](auto& s) { s.message(shared_object_amf0, written("0001 'a' 00000000 00000000 00000000")); s.message(shared_object_amf3, written("00 0001 'a'")); }},
      {"a command that says it is AMF3", from::connected, expect::either, [](auto& s) { s.message(command_amf3, written("03 02 0001 'a'")); }},
      {"a data message that says it is AMF3", from::publishing, expect::either, [](auto& s) { s.message(data_amf3, written("03 02 0001 'a'"), s.msid); }},
      {"a command in AMF3's type with no format in front", from::connected, expect::lives, [](auto& s) { s.message(command_amf3, command_head("createStream") + written("05")); }},
      {"audio on message stream 2^32-1", from::connected, expect::lives, [](auto& s) { s.message(audio, conform::aac_frame(), 0xFFFFFFFF); }},
      {"an aggregate of one byte", from::publishing, expect::either, [](auto& s) { s.message(aggregate, written("08"), s.msid); }},
      {"an aggregate whose message is longer than it", from::publishing, expect::either, [](auto& s) { s.message(aggregate, part(audio, 0xFFFFFF, written("af01"), 13), s.msid); }},
      {"an aggregate with a wrong length behind a message", from::publishing, expect::either, [](auto& s) { s.message(aggregate, part(audio, 2, written("af01"), 0xFFFFFFFF), s.msid); }},
      {"aggregates in an aggregate, 1000 deep", from::publishing, expect::either, [](auto& s) { s.message(aggregate, nested(1000), s.msid); }},
      {"an aggregate of 60,000 messages without a byte", from::publishing, expect::either, [](auto& s) { s.message(aggregate, repeated(good_part(audio, {}), 60'000), s.msid); }},
      {"an aggregate with commands in it", from::publishing, expect::either, [](auto& s) { s.message(aggregate, repeated(good_part(command_amf0, command_head("deleteStream") + written("05 00 3ff0000000000000")), 50), s.msid); }},
      {"an aggregate with Set Chunk Size 1 in it", from::publishing, expect::either, [](auto& s) { s.message(aggregate, good_part(set_chunk_size, written("00000001")), s.msid); }},
      {"an aggregate before publish", from::connected, expect::either, [](auto& s) { s.message(aggregate, repeated(good_part(video, conform::avc_frame(true)), 100)); }},
  };
  return all;
}

}  // namespace

void add_control(cases& to) {
  // RoQR has no chunks, no windows and no bandwidths: to send what has no meaning there has lines of its own in roqr.cpp.
  add_attacks(to, "control", byte_ways, both());
  add_attacks(to, "control", all_ways, table());
}

}  // namespace millrace::hostile
