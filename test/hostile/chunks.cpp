// The chunk layer (RTMP 1.0 section 5.3): headers and sizes that no client sends.
#include "hostile/attack.hpp"

namespace millrace::hostile {
namespace {

using enum message_type;

void set_size(const striker& s, std::uint32_t size) { s.at->send(rtmp::make_control(set_chunk_size, size)); }

// A chunk whose format needs a predecessor on its chunk stream.
void orphan(const striker& s, unsigned format, std::uint32_t csid) {
  conform::chunk c;
  c.format = format;
  c.csid = csid;
  c.length = 4;
  c.type = audio;
  c.payload = bytes(4, 0);
  s.open(c);
}

// A second message begins on a chunk stream whose first one is half read.
void amid(const striker& s, unsigned format) {
  s.announce(command_amf0, 9, 9000, 4096);
  s.announce(command_amf0, 9, 16, 16, format);
}

// `count` chunk streams from 8 on, each with `payload` bytes of a message of `length`.
void many_streams(const striker& s, std::uint32_t count, std::uint32_t length, std::size_t payload) {
  bytes all;
  auto one = conform::whole_chunk(conform::message_of(audio, 0, 8, 0, bytes(payload, 0)));
  one.length = length;
  for (std::uint32_t i = 0; i < count; ++i, ++one.csid) conform::append(all, conform::encode(one));
  s.raw(all);
}

void basic_header(const striker& s, std::uint32_t csid, int header_bytes) {
  auto one = conform::whole_chunk(rtmp::make_user_control(rtmp::user_event::ping_response, 1));
  one.csid = csid;
  one.basic_header_bytes = header_bytes;
  s.open(one);
}

void at_time(const striker& s, unsigned format, std::uint32_t time) {
  auto one = conform::whole_chunk(conform::message_of(audio, s.msid, 4, time, conform::aac_frame()), format);
  s.open(one);
}

// Video messages of 200 bytes on as many chunk streams, in chunks of one byte, a byte of each in turn.
void interleaved(const striker& s, std::uint32_t streams) {
  s.at->set_chunk_size(1);
  bytes all;
  auto one = conform::whole_chunk(conform::message_of(video, s.msid, 8, 0, bytes(1, 0x27)));
  one.length = 200;
  for (std::uint32_t turn = 0; turn < one.length; ++turn) {
    one.format = turn == 0 ? 0 : 3;
    for (one.csid = 8; one.csid < 8 + streams; ++one.csid) conform::append(all, conform::encode(one));
  }
  s.raw(all);
  s.at->set_chunk_size(4096);
}

void abort_of(const striker& s, std::uint32_t csid) { s.at->send(rtmp::make_control(abort, csid)); }

const std::vector<attack>& table() {
  static const std::vector<attack> all{
      {"chunk size 0", from::connected, expect::closed, [](auto& s) { set_size(s, 0); }},
      {"chunk size 2^31, the bit that has to be zero", from::connected, expect::closed, [](auto& s) { set_size(s, 0x80000000); }},
      {"chunk size 2^32-1", from::connected, expect::closed, [](auto& s) { set_size(s, 0xFFFFFFFF); }},
      {"chunk size 1, and everything in it", from::connected, expect::lives, [](auto& s) { s.at->set_chunk_size(1); }},
      {"chunk size 2^31-1", from::connected, expect::lives, [](auto& s) { s.at->set_chunk_size(0x7FFFFFFF); }},
      {"chunk size 2^24, above any message", from::connected, expect::lives, [](auto& s) { s.at->set_chunk_size(1u << 24); }},
      {"chunk size changes 2000 times", from::connected, expect::lives, [](auto& s) { for (std::uint32_t i = 0; i < 2000; ++i) s.at->set_chunk_size(1 + i % 7); }},
      {"Set Chunk Size of three bytes", from::connected, expect::closed, [](auto& s) { s.message(set_chunk_size, written("000100")); }},
      {"Set Chunk Size of no bytes", from::connected, expect::closed, [](auto& s) { s.message(set_chunk_size, {}); }},
      {"Set Chunk Size of 4000 bytes", from::connected, expect::either, [](auto& s) { s.message(set_chunk_size, bytes(4000, 1)); }},
      {"Set Chunk Size before connect", from::handshaken, expect::lives, [](auto& s) { s.at->set_chunk_size(77); }},
      {"format 1 without a predecessor, which senders of old do", from::connected, expect::lives, [](auto& s) { orphan(s, 1, 77); }},
      {"format 2 without a predecessor", from::connected, expect::closed, [](auto& s) { orphan(s, 2, 77); }},
      {"format 3 without a predecessor", from::connected, expect::closed, [](auto& s) { orphan(s, 3, 77); }},
      {"format 3 without a predecessor, before connect", from::handshaken, expect::closed, [](auto& s) { orphan(s, 3, 5); }},
      {"format 3 without a predecessor on chunk stream 65599", from::connected, expect::closed, [](auto& s) { orphan(s, 3, 65'599); }},
      {"format 0 amid a message", from::connected, expect::closed, [](auto& s) { amid(s, 0); }},
      {"format 1 amid a message", from::connected, expect::closed, [](auto& s) { amid(s, 1); }},
      {"format 2 amid a message", from::connected, expect::closed, [](auto& s) { amid(s, 2); }},
      {"65,536 chunk streams", from::connected, expect::closed, [](auto& s) { many_streams(s, 65'536, 1, 1); }},
      {"65,536 chunk streams with half a message each", from::connected, expect::closed, [](auto& s) { many_streams(s, 65'536, 100, 1); }},
      {"65 chunk streams", from::connected, expect::closed, [](auto& s) { many_streams(s, 65, 1, 1); }},
      {"40 chunk streams", from::connected, expect::lives, [](auto& s) { many_streams(s, 40, 1, 1); }},
      {"half messages of 480 kB on 60 chunk streams before publish", from::connected, expect::closed, [](auto& s) { many_streams(s, 60, 16'000, 4096); many_streams(s, 60, 16'000, 4096); }},
      {"a command of 16 MB is announced", from::connected, expect::closed, [](auto& s) { s.announce(command_amf0, 3, 0xFFFFFF); }},
      {"a command of 64 KB and a byte", from::connected, expect::closed, [](auto& s) { s.announce(command_amf0, 3, 65'537); }},
      {"a data message of 256 KB and a byte", from::connected, expect::closed, [](auto& s) { s.announce(data_amf0, 5, (256u << 10) + 1); }},
      {"audio of 16 MB is announced and does not come", from::connected, expect::lives, [](auto& s) { s.announce(audio, 4, 0xFFFFFF, 4096); }},
      {"video of 16 MB is announced and does not come", from::publishing, expect::lives, [](auto& s) { s.announce(video, 6, 0xFFFFFF, 4096); }},
      {"300 kB of a video message before publish", from::connected, expect::closed, [](auto& s) { s.announce(video, 6, 0xFFFFFF, 4096); for (int i = 0; i < 75; ++i) s.announce(video, 6, 0xFFFFFF, 4096, 3); }},
      {"16 MB on each of two chunk streams of a publisher", from::publishing, expect::closed, [](auto& s) {
         s.at->set_chunk_size(1u << 20);
         for (unsigned part = 0; part < 13; ++part) for (const std::uint32_t csid : {6u, 7u}) s.announce(video, csid, 0xFFFFFF, 1u << 20, part == 0 ? 0 : 3);
       }},
      {"Abort of a chunk stream that is not there", from::connected, expect::lives, [](auto& s) { abort_of(s, 60'000); }},
      {"Abort of chunk stream 2^32-1", from::connected, expect::lives, [](auto& s) { abort_of(s, 0xFFFFFFFF); }},
      {"Abort amid a message", from::connected, expect::lives, [](auto& s) { s.announce(command_amf0, 9, 9000, 4096); abort_of(s, 9); }},
      {"Abort amid a message, and format 3 goes on with it", from::connected, expect::either, [](auto& s) { s.announce(command_amf0, 9, 9000, 4096); abort_of(s, 9); s.announce(command_amf0, 9, 0, 4096, 3); }},
      {"Abort amid a message 2000 times", from::connected, expect::lives, [](auto& s) { for (int i = 0; i < 2000; ++i) { s.announce(audio, 9, 9000, 4096); abort_of(s, 9); } }},
      {"Abort of its own chunk stream", from::connected, expect::lives, [](auto& s) { abort_of(s, 2); }},
      {"Abort of two bytes", from::connected, expect::closed, [](auto& s) { s.message(abort, written("0000")); }},
      {"20,000 Aborts", from::connected, expect::lives, [](auto& s) { s.raw(repeated(conform::encode_as(rtmp::make_control(abort, 9), 0, 0), 20'000)); }},
      {"chunk stream 3 in the form of two bytes", from::connected, expect::either, [](auto& s) { s.raw(written("00 03 000000 000000 01 00000000")); }},
      {"chunk stream 64 in the form of three bytes", from::connected, expect::lives, [](auto& s) { basic_header(s, 64, 3); }},
      {"chunk stream 65599", from::connected, expect::lives, [](auto& s) { basic_header(s, 65'599, 3); }},
      {"extended time 2^32-1", from::publishing, expect::lives, [](auto& s) { at_time(s, 0, 0xFFFFFFFF); }},
      {"extended time that would fit without", from::publishing, expect::lives, [](auto& s) { s.raw(written("04 ffffff 000002 08 01000000 00000001 af 00")); }},
      {"delta 2^32-1 a hundred times", from::publishing, expect::lives, [](auto& s) { at_time(s, 0, 0); for (int i = 0; i < 100; ++i) at_time(s, 1, 0xFFFFFFFF); }},
      {"times that jump to and fro by 2^31", from::publishing, expect::lives, [](auto& s) { for (std::uint32_t i = 0; i < 200; ++i) at_time(s, 0, i % 2 == 0 ? i : i + 0x80000000u); }},
      {"format 3 repeats an extended time that is another", from::publishing, expect::either, [](auto& s) {
         auto one = conform::whole_chunk(conform::message_of(video, s.msid, 6, 0x01000000, bytes(4096, 0x27)));
         one.length = 8000;
         s.open(one);
         one.format = 3;
         one.extended_time = 0x7777;
         one.payload.resize(3904);
         s.open(one);
       }},
      {"50 messages in chunks of one byte, a byte of each in turn", from::publishing, expect::lives, [](auto& s) { interleaved(s, 50); }},
      {"a message of 64 KB in chunks of one byte", from::connected, expect::either, [](auto& s) { s.at->set_chunk_size(1); s.message(data_amf0, bytes(60'000, 5)); s.at->set_chunk_size(4096); }},
      {"length 0 a thousand times, each type in turn", from::connected, expect::either, [](auto& s) { for (unsigned i = 0; i < 1000; ++i) s.announce(static_cast<message_type>(i % 256), 20, 0); }},
      {"audio of no bytes", from::publishing, expect::lives, [](auto& s) { s.announce(audio, 4, 0); }},
      {"a megabyte of zeros: 80,000 messages of no bytes on chunk stream 64", from::connected, expect::lives, [](auto& s) { s.raw(bytes(13 * 80'000, 0)); }},
      {"a megabyte of 0xFF", from::connected, expect::closed, [](auto& s) { s.raw(bytes(1u << 20, 0xFF)); }},
      {"an HTTP request behind the handshake", from::handshaken, expect::closed, [](auto& s) { s.raw(repeated(base::as_bytes("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), 20)); }},
      {"a second handshake behind the first", from::handshaken, expect::closed, [](auto& s) { bytes c0c1(1537, 0x5A); c0c1[0] = 3; s.raw(repeated(c0c1, 3)); }},
  };
  return all;
}

}  // namespace

void add_chunks(cases& to) { add_attacks(to, "chunks", byte_ways, table()); }

}  // namespace millrace::hostile
