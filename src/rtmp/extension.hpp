// What two millraces tell each other in connect and its answer, beyond RTMP and E-RTMP: the object `millrace` (live profile, "negotiation").
// A peer that does not know it ignores it, and gets plain RTMP or plain RoQR.
#pragma once
#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace millrace::rtmp {

namespace amf0 {
class value;
struct member;
}  // namespace amf0

struct extension {
  bool announced = false;
  bool groups = false;    // RoQR only: media on streams of its own, a stream for each group of pictures
  bool reliable = false;  // profile `reliable`: nothing is given up for being late
  bool reports = false;   // answer: the server wants to hear how a publisher is doing (publisher_report)
  std::string fell_back = {};  // connect: why this is no QUIC although QUIC was wished for; the client's words
  std::string resume = {};     // connect: the token of the publication that is to go on
};

// What only a publisher knows of its media's way to the server; live profile, "Reports".
struct publisher_report {
  std::chrono::milliseconds queue_age{0};  // of the oldest that its network has not taken
};
inline constexpr const char* report_command = "millraceReport";
amf0::value report_object(const publisher_report& report);
// Nothing: there is none in it, or no sensible one.
std::optional<publisher_report> read_report(const amf0::value* object);

// Of a command object, properties or information object.
extension read_extension(const amf0::value& object);
void append_extension(std::vector<amf0::member>& to, const extension& what);

}  // namespace millrace::rtmp
