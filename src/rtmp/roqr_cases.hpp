// One table of RoQR frames as bytes and what they mean. The unit test decodes and encodes by it, the fuzzer takes its seeds from it, and
// doc/protocol/vectors/roqr.json is written from it for others to test with. Not part of any library: only tests include this.
#pragma once
#include <string_view>
#include <vector>

#include "base/written_bytes.hpp"
#include "rtmp/roqr_frame.hpp"

namespace millrace::rtmp::roqr_cases {

struct good {
  const char* name;  // letters, digits and '_': also names a file of the fuzzer
  std::vector<std::uint8_t> bytes;
  roqr_frame meaning;
  bool canonical = true;  // shortest forms: an encoder may be expected to write exactly these bytes
};

inline std::vector<good> all_good() {
  std::vector<good> out;
  const auto add = [&](const char* name, std::string_view written, std::uint64_t flow, std::uint32_t timestamp, unsigned type, std::uint32_t msid,
                       std::uint32_t csid, std::string_view payload, bool canonical = true) {
    out.push_back({name,
                   base::bytes_of(written),
                   {flow, {static_cast<message_type>(type), msid, csid, timestamp, base::slice(base::bytes_of(payload))}},
                   canonical});
  };
  add("smallest", "00 00 14 00 03 01 02", 0, 0, 20, 0, 3, "02");
  add("command_close", "00 00 14 00 03 11 02 0005 'close' 00 0000000000000000", 0, 0, 20, 0, 3, "02 0005 'close' 00 0000000000000000");
  add("audio_aac", "00 15 08 01 04 04 af 01 21 10", 0, 21, 8, 1, 4, "af 01 21 10");
  add("video_avc", "00 21 09 01 06 07 27 01 000000 65 88", 0, 33, 9, 1, 6, "27 01 000000 65 88");
  add("data", "00 00 12 01 05 0d 02 000a 'onMetaData'", 0, 0, 18, 1, 5, "02 000a 'onMetaData'");
  add("timestamp_63", "00 3f 08 01 04 01 af", 0, 63, 8, 1, 4, "af");
  add("timestamp_64", "00 4040 08 01 04 01 af", 0, 64, 8, 1, 4, "af");
  add("timestamp_16383", "00 7fff 08 01 04 01 af", 0, 16383, 8, 1, 4, "af");
  add("timestamp_16384", "00 80004000 08 01 04 01 af", 0, 16384, 8, 1, 4, "af");
  // No sentinel here: 0xFFFFFF is a time like any other, while in RTMP's chunks it announces the extended field.
  add("timestamp_ffffff", "00 80ffffff 08 01 04 01 af", 0, 0xffffff, 8, 1, 4, "af");
  add("timestamp_1000000", "00 81000000 08 01 04 01 af", 0, 0x1000000, 8, 1, 4, "af");
  add("timestamp_2_30", "00 c000000040000000 08 01 04 01 af", 0, 0x40000000, 8, 1, 4, "af");
  add("timestamp_last", "00 c0000000ffffffff 08 01 04 01 af", 0, 0xffffffff, 8, 1, 4, "af");
  // A sender that counts on past 2^32: RTMP's time is modulo that.
  add("timestamp_past_2_32", "00 c000000100000005 08 01 04 01 af", 0, 5, 8, 1, 4, "af", false);
  add("flow_63", "3f 00 08 01 04 01 af", 63, 0, 8, 1, 4, "af");
  add("flow_64", "4040 00 08 01 04 01 af", 64, 0, 8, 1, 4, "af");
  add("flow_16384", "80004000 00 08 01 04 01 af", 16384, 0, 8, 1, 4, "af");
  add("flow_last", "ffffffffffffffff 00 08 01 04 01 af", 0x3fffffffffffffff, 0, 8, 1, 4, "af");
  add("type_unknown", "00 00 c8 01 03 02 0102", 0, 0, 200, 1, 3, "0102");
  add("type_0", "00 00 00 00 02 01 00", 0, 0, 0, 0, 2, "00");
  add("type_set_chunk_size", "00 00 01 00 02 04 00001000", 0, 0, 1, 0, 2, "00001000");
  add("user_control", "00 00 04 00 02 06 0006 00000001", 0, 0, 4, 0, 2, "0006 00000001");
  add("aggregate", "00 05 16 01 06 10 08 000001 000005 00 000000 af 0000000c", 0, 5, 22, 1, 6, "08 000001 000005 00 000000 af 0000000c");
  add("csid_65599", "00 00 08 01 8001003f 01 af", 0, 0, 8, 1, 65599, "af");
  add("csid_0", "00 00 08 01 00 01 af", 0, 0, 8, 1, 0, "af");
  add("msid_last", "00 00 08 c0000000ffffffff 04 01 af", 0, 0, 8, 0xffffffff, 4, "af");
  add("long_forms", "4000 80000000 14 c000000000000000 4003 80000001 02", 0, 0, 20, 0, 3, "02", false);
  for (const std::size_t length : {63u, 64u, 16383u, 16384u}) {
    roqr_frame f{4 * 1 + 2, {message_type::video, 1, 6, 40, {}}};
    std::vector<std::uint8_t> payload(length, 0x27), bytes = base::bytes_of("06 28 09 01 06");
    const auto header = length == 63 ? "3f" : length == 64 ? "4040" : length == 16383 ? "7fff" : "80004000";
    for (const auto byte : base::bytes_of(header)) bytes.push_back(byte);
    bytes.insert(bytes.end(), payload.begin(), payload.end());
    f.message.payload = base::slice(std::move(payload));
    out.push_back({length == 63 ? "length_63" : length == 64 ? "length_64" : length == 16383 ? "length_16383" : "length_16384", std::move(bytes),
                   std::move(f)});
  }
  return out;
}

struct bad {
  const char* name;
  std::vector<std::uint8_t> bytes;
  const char* why;  // part of the error's text
};

inline std::vector<bad> all_bad() {
  std::vector<bad> out;
  const auto add = [&](const char* name, std::string_view written, const char* why) { out.push_back({name, base::bytes_of(written), why}); };
  add("length_0", "00 00 08 01 04 00", "without payload");
  add("length_0_long_form", "00 00 08 01 04 c000000000000000", "without payload");
  add("msid_past_32_bits", "00 00 08 c000000100000000 04 01 af", "32 bits");
  add("csid_past_32_bits", "00 00 08 01 c000000100000000 01 af", "32 bits");
  add("video_too_long", "00 00 09 01 06 81000001", "16777217 > limit 16777216");
  add("video_absurd", "00 00 09 01 06 ffffffffffffffff", "> limit 16777216");
  add("command_too_long", "00 00 14 00 03 80010001", "65537 > limit 65536");
  add("unknown_type_too_long", "00 00 c8 00 03 80010001", "65537 > limit 65536");
  return out;
}

}  // namespace millrace::rtmp::roqr_cases
