// Attacks over RTMP, a line each: from where, what is sent, and what the server has to do about it. The same line goes over every way that
// can carry it.
#pragma once
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "base/written_bytes.hpp"
#include "conform/steps.hpp"
#include "hostile/hostile.hpp"

namespace millrace::hostile {

using rtmp::message_type;
namespace amf0 = rtmp::amf0;

// How far an honest client has come when the attack begins.
enum class from : unsigned char { opened, handshaken, connected, stream, publishing, playing };

enum class expect : unsigned char {
  closed,   // the server ends the connection
  lives,    // it takes or ignores it: a ping that is sent behind it is answered
  refused,  // onStatus or _error of level error; the connection goes on or ends
  either,   // closed or lives, both are right, and it is one of them
};

// What a strike has in hand.
struct striker {
  arena& in;
  conform::peer_ptr at;
  std::uint32_t msid = 0;
  std::string name;  // of the stream

  void raw(base::bytes_view some) const { at->send_bytes(some); }
  void message(message_type type, base::bytes_view payload, std::uint32_t of_stream = 0) const;
  void media(message_type type, std::uint32_t time, base::bytes_view payload) const { at->send_media(type, msid, time, payload); }
  void call(std::string_view command, const std::vector<amf0::value>& args = {}, std::uint32_t of_stream = 0) const;
  void open(const conform::chunk& c) const { at->send_chunk(c); }
  // A chunk of what is announced to be longer: its first `payload` bytes.
  void announce(message_type type, std::uint32_t csid, std::uint32_t length, std::size_t payload = 0, unsigned format = 0) const;
};

struct attack {
  std::string name;
  from begin = from::connected;
  expect outcome = expect::lives;
  std::function<void(const striker&)> strike;
};

// Bytes of chunks go over the three byte streams, whole messages over RoQR as well.
inline const std::vector<way> byte_ways{way::rtmp, way::rtmps, way::rtmpq};
inline const std::vector<way> all_ways{way::rtmp, way::rtmps, way::rtmpq, way::roqr};
void add_attacks(cases& to, std::string_view family, const std::vector<way>& ways, const std::vector<attack>& table);

// Bytes as tests of the program write them: "02 0003 'abc' 05".
inline bytes written(std::string_view text) { return base::bytes_of(text); }
bytes repeated(base::bytes_view what, std::size_t times);
inline bytes operator+(bytes left, base::bytes_view right) {
  conform::append(left, right);
  return left;
}
// A command's front in AMF0: its name and transaction.
bytes command_head(std::string_view name, double transaction = 7);

}  // namespace millrace::hostile
