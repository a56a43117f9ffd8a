// Commands out of order, of wrong types, and too many of them (RTMP 1.0 section 7.2).
#include <cmath>
#include <limits>

#include "hostile/attack.hpp"

namespace millrace::hostile {
namespace {

using enum message_type;
using values = std::vector<amf0::value>;

constexpr double nan = std::numeric_limits<double>::quiet_NaN(), infinite = std::numeric_limits<double>::infinity();

void storm(const striker& s, std::size_t times, std::string_view command, const values& args = {}) {
  for (std::size_t i = 0; i < times; ++i) s.call(command, args, s.msid);
}

void connect_with(const striker& s, std::vector<amf0::member> members, const values& args = {}) {
  s.at->call("connect", 1, args, 0, amf0::object{std::move(members)});
}

const std::vector<attack>& table() {
  static const std::vector<attack> all{
      // --- out of order
      {"publish before connect", from::handshaken, expect::closed, [](auto& s) { s.call("publish", {s.name, "live"}, 1); }},
      {"play before connect", from::handshaken, expect::closed, [](auto& s) { s.call("play", {s.name}, 1); }},
      {"createStream before connect", from::handshaken, expect::either, [](auto& s) { s.call("createStream"); }},
      {"deleteStream before connect", from::handshaken, expect::either, [](auto& s) { s.call("deleteStream", {1}); }},
      {"video before connect", from::handshaken, expect::either, [](auto& s) { s.message(video, conform::avc_frame(true), 1); }},
      {"metadata before connect", from::handshaken, expect::either, [](auto& s) { s.message(data_amf0, written("02 000a 'onMetaData' 05"), 1); }},
      {"an answer to connect from the client", from::handshaken, expect::either, [](auto& s) { s.call("_result", {amf0::object{}}); }},
      {"a command that nobody knows before connect", from::handshaken, expect::either, [](auto& s) { s.call("hello"); }},
      {"connect twice", from::connected, expect::either, [](auto& s) { connect_with(s, {{"app", "live"}}); }},
      {"connect a hundred times", from::connected, expect::either, [](auto& s) { for (int i = 0; i < 100; ++i) connect_with(s, {{"app", "other"}}); }},
      {"connect amid a publication", from::publishing, expect::either, [](auto& s) { connect_with(s, {{"app", "other"}}); }},
      {"publish without a stream", from::connected, expect::refused, [](auto& s) { s.call("publish", {s.name, "live"}, 0); }},
      {"publish on a stream that is not there", from::connected, expect::refused, [](auto& s) { s.call("publish", {s.name, "live"}, 77); }},
      {"publish on stream 2^32-1", from::connected, expect::refused, [](auto& s) { s.call("publish", {s.name, "live"}, 0xFFFFFFFF); }},
      {"play without a stream", from::connected, expect::refused, [](auto& s) { s.call("play", {s.name}, 0); }},
      {"play on a stream that is not there", from::connected, expect::refused, [](auto& s) { s.call("play", {s.name}, 77); }},
      {"publish twice", from::publishing, expect::refused, [](auto& s) { s.call("publish", {s.name, "live"}, s.msid); }},
      {"publish another name on the same stream", from::publishing, expect::refused, [](auto& s) { s.call("publish", {s.name + "-2", "live"}, s.msid); }},
      {"play on the stream that publishes", from::publishing, expect::refused, [](auto& s) { s.call("play", {s.name}, s.msid); }},
      {"play twice", from::playing, expect::either, [](auto& s) { s.call("play", {s.name}, s.msid); }},
      {"play fifty names after each other", from::playing, expect::either, [](auto& s) { for (int i = 0; i < 50; ++i) s.call("play", {s.name + std::to_string(i)}, s.msid); }},
      {"publish on the stream that plays", from::playing, expect::refused, [](auto& s) { s.call("publish", {s.name, "live"}, s.msid); }},
      {"play twice in one breath", from::stream, expect::either, [](auto& s) { storm(s, 2, "play", {s.name}); }},
      {"publish twice in one breath", from::stream, expect::either, [](auto& s) { storm(s, 2, "publish", {s.name, "live"}); }},
      {"publish, deleteStream, publish in one breath", from::stream, expect::either, [](auto& s) { storm(s, 1, "publish", {s.name, "live"}); s.call("deleteStream", {s.msid}); storm(s, 1, "publish", {s.name, "live"}); }},
      {"play and closeStream forty times in one breath", from::stream, expect::either, [](auto& s) { for (int i = 0; i < 40; ++i) { storm(s, 1, "play", {s.name}); storm(s, 1, "closeStream"); } }},
      {"publish and closeStream forty times in one breath", from::stream, expect::either, [](auto& s) { for (int i = 0; i < 40; ++i) { storm(s, 1, "publish", {s.name, "live"}); storm(s, 1, "closeStream"); } }},
      {"media before publish", from::stream, expect::lives, [](auto& s) { for (std::uint32_t i = 0; i < 100; ++i) s.media(i % 2 ? video : audio, i, conform::avc_frame(true)); }},
      {"media of a viewer", from::playing, expect::lives, [](auto& s) { for (std::uint32_t i = 0; i < 100; ++i) s.media(video, i, conform::avc_frame(true)); }},
      {"media after deleteStream", from::publishing, expect::lives, [](auto& s) { s.call("deleteStream", {s.msid}); for (std::uint32_t i = 0; i < 30; ++i) s.media(video, i, conform::avc_frame(true)); }},
      {"media on another stream than its publication's", from::publishing, expect::lives, [](auto& s) { for (std::uint32_t i = 2; i < 30; ++i) s.message(video, conform::avc_frame(true), i * 1000); }},
      // --- streams
      {"deleteStream of a stream that is not there", from::connected, expect::lives, [](auto& s) { s.call("deleteStream", {77}); }},
      {"deleteStream of 0, of -1, of NaN, of infinity, of 1e300", from::connected, expect::lives, [](auto& s) { for (const double id : {0.0, -1.0, nan, infinite, 1e300, 0.5}) s.call("deleteStream", {id}); }},
      {"deleteStream of a text, of an object, of nothing", from::connected, expect::lives, [](auto& s) { s.call("deleteStream", {"1"}); s.call("deleteStream", {amf0::object{}}); s.call("deleteStream"); }},
      {"deleteStream twice", from::publishing, expect::lives, [](auto& s) { s.call("deleteStream", {s.msid}); s.call("deleteStream", {s.msid}); }},
      {"closeStream of what is not open", from::connected, expect::lives, [](auto& s) { for (std::uint32_t i = 0; i < 50; ++i) s.call("closeStream", {}, i); }},
      {"createStream 1000 times", from::connected, expect::either, [](auto& s) { storm(s, 1000, "createStream"); }},
      {"createStream and deleteStream 200 times", from::connected, expect::lives, [](auto& s) { for (int i = 0; i < 200; ++i) { s.call("createStream"); s.call("deleteStream", {1}); } }},
      {"releaseStream 400 times", from::connected, expect::lives, [](auto& s) { for (int i = 0; i < 400; ++i) s.call("releaseStream", {s.name + std::to_string(i)}); }},
      {"releaseStream of a stream that another one publishes", from::connected, expect::lives, [](auto& s) { s.call("releaseStream", {"millrace-bystander-stream-a"}); s.call("FCUnpublish", {"millrace-bystander-stream-a"}); }},
      {"FCPublish 400 times", from::connected, expect::lives, [](auto& s) { storm(s, 400, "FCPublish", {s.name}); }},
      {"FCUnpublish without a publication", from::connected, expect::lives, [](auto& s) { storm(s, 100, "FCUnpublish", {s.name}); }},
      {"FCSubscribe 400 times", from::connected, expect::lives, [](auto& s) { storm(s, 400, "FCSubscribe", {s.name}); }},
      // --- playing without play
      {"seek without play", from::stream, expect::either, [](auto& s) { storm(s, 1, "seek", {1000}); }},
      {"seek to NaN, -1, infinity, 1e300 and a text", from::playing, expect::either, [](auto& s) { for (const double to : {nan, -1.0, infinite, -infinite, 1e300}) storm(s, 1, "seek", {to}); storm(s, 1, "seek", {"x"}); }},
      {"pause without play", from::stream, expect::either, [](auto& s) { storm(s, 1, "pause", {true, 0}); }},
      {"pause and go on 200 times", from::playing, expect::lives, [](auto& s) { for (int i = 0; i < 400; ++i) storm(s, 1, "pause", {i % 2 == 0, 0}); }},
      {"pause of wrong types", from::playing, expect::lives, [](auto& s) { storm(s, 1, "pause", {"yes", amf0::object{}}); storm(s, 1, "pause"); storm(s, 1, "pause", {nan, nan}); }},
      {"receiveAudio and receiveVideo of wrong types", from::playing, expect::lives, [](auto& s) { storm(s, 1, "receiveAudio", {"no"}); storm(s, 1, "receiveVideo", {nan}); storm(s, 1, "receiveVideo"); }},
      {"receiveAudio off and on 400 times", from::playing, expect::lives, [](auto& s) { for (int i = 0; i < 400; ++i) storm(s, 1, "receiveAudio", {i % 2 == 0}); }},
      {"play2 without play", from::stream, expect::either, [](auto& s) { storm(s, 1, "play2", {amf0::object{}}); }},
      {"play from NaN, for infinity", from::stream, expect::either, [](auto& s) { storm(s, 1, "play", {s.name, nan, infinite, "maybe"}); }},
      {"play from 1e300", from::stream, expect::either, [](auto& s) { storm(s, 1, "play", {s.name, 1e300, -1e300}); }},
      // --- types
      {"connect without an object", from::handshaken, expect::either, [](auto& s) { s.at->call("connect", 1); }},
      {"connect without an application", from::handshaken, expect::refused, [](auto& s) { connect_with(s, {}); }},
      {"connect whose application is a number", from::handshaken, expect::refused, [](auto& s) { connect_with(s, {{"app", 7}}); }},
      {"connect whose application is an object", from::handshaken, expect::refused, [](auto& s) { connect_with(s, {{"app", amf0::object{}}}); }},
      {"connect whose tcUrl is a number", from::handshaken, expect::either, [](auto& s) { connect_with(s, {{"app", "live"}, {"tcUrl", 9}}); }},
      {"connect with a tcUrl of 50,000 bytes", from::handshaken, expect::refused, [](auto& s) { connect_with(s, {{"app", "live"}, {"tcUrl", std::string(50'000, 'a')}}); }},
      {"connect with capabilities of wrong types", from::handshaken, expect::either, [](auto& s) { connect_with(s, {{"app", "live"}, {"capsEx", "x"}, {"fourCcList", 5}, {"videoFourCcInfoMap", "y"}, {"objectEncoding", nan}}); }},
      {"connect with 200 codecs that nobody knows", from::handshaken, expect::either, [](auto& s) { amf0::strict_array list; for (int i = 0; i < 200; ++i) list.items.emplace_back("zz" + std::to_string(i)); connect_with(s, {{"app", "live"}, {"fourCcList", list}}); }},
      {"publish without a name", from::stream, expect::refused, [](auto& s) { storm(s, 1, "publish"); }},
      {"publish whose name is a number", from::stream, expect::refused, [](auto& s) { storm(s, 1, "publish", {7, "live"}); }},
      {"publish whose name is an object", from::stream, expect::refused, [](auto& s) { storm(s, 1, "publish", {amf0::object{}, "live"}); }},
      {"publish of a type that nobody knows", from::stream, expect::either, [](auto& s) { storm(s, 1, "publish", {s.name, "backwards"}); }},
      {"publish to record and to append", from::stream, expect::either, [](auto& s) { storm(s, 1, "publish", {s.name, "record"}); storm(s, 1, "publish", {s.name, "append"}); }},
      {"play without a name", from::stream, expect::refused, [](auto& s) { storm(s, 1, "play"); }},
      {"play whose name is a boolean", from::stream, expect::refused, [](auto& s) { storm(s, 1, "play", {true}); }},
      {"an empty command name", from::connected, expect::lives, [](auto& s) { s.call(""); }},
      {"a command name of 50,000 bytes", from::connected, expect::either, [](auto& s) { s.call(std::string(50'000, 'x')); }},
      {"a command name of control bytes", from::connected, expect::lives, [](auto& s) { s.call("\x1b[2J\r\nlevel=error\x07"); }},
      // --- floods
      {"20,000 commands that nobody knows", from::connected, expect::closed, [](auto& s) { storm(s, 20'000, "hello", {1}); }},
      {"20,000 commands on one publication", from::publishing, expect::closed, [](auto& s) { storm(s, 20'000, "getStreamLength", {s.name}); }},
      {"400 commands whose answers are not read", from::connected, expect::lives, [](auto& s) { s.at->transport()->pause_receive(true); storm(s, 400, "hello"); s.at->transport()->pause_receive(false); }},
      {"answers that nobody asked for", from::connected, expect::either, [](auto& s) { storm(s, 100, "_result", {1}); storm(s, 100, "_error", {1}); storm(s, 100, "onStatus", {amf0::object{}}); }},
      {"one transaction for a hundred commands", from::connected, expect::either, [](auto& s) { for (int i = 0; i < 100; ++i) s.at->call("createStream", 5); }},
      {"checkBandwidth and _checkbw 100 times", from::connected, expect::lives, [](auto& s) { storm(s, 100, "checkBandwidth"); storm(s, 100, "_checkbw"); }},
      {"setPeerInfo and other commands of RTMFP", from::connected, expect::lives, [](auto& s) { storm(s, 50, "setPeerInfo", {"a", "b"}); storm(s, 50, "call", {amf0::null{}}); }},
      {"@setDataFrame as a command", from::publishing, expect::lives, [](auto& s) { storm(s, 10, "@setDataFrame", {"onMetaData", amf0::object{}}); }},
  };
  return all;
}

}  // namespace

void add_commands(cases& to) { add_attacks(to, "commands", all_ways, table()); }

}  // namespace millrace::hostile
