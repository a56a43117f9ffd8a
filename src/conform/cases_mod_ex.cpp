// Section 16, extensions of single messages (E-RTMP v2 "ModEx").
#include <algorithm>

#include "conform/enhanced.hpp"
#include "media/codec.hpp"

namespace millrace::conform {
namespace {

namespace asio = boost::asio;
namespace codecs = media::codecs;

asio::awaitable<void> extensions(context& c) {
  const std::string record = "81050c000a010000";
  // Size minus one; then the extension's type and the next packet type in one byte.
  const auto start = video(0, "97 00 01 70 'av01' " + record);
  auto wide = video(40, "a7 ff 00ff");  // 256 bytes: the size goes on in 16 bits
  wide.payload.insert(wide.payload.end(), 256, 0xA5);
  append(wide.payload, video(0, "71 'av01' 120002").payload);
  const std::vector<av> all{
      start,
      video(0, "97 00 01 17 00 02 27 01 0304 31 'av01' 120001"),  // three in a row
      wide,
      audio(60, "97 03 01020304 f1 'Opus' f803"),
      video(80, "a7 00 09 93 'av01' 120004"),
  };
  const auto from = co_await publish_enhanced(c, c.name(), rtmp::caps_mod_ex);
  const auto viewer = co_await watch(c, from.name);
  send(from, all);
  co_await taken(from);
  check_arrived(all, co_await until(viewer, all.back().payload));
  // What it wraps is what it is: a configuration, a key frame.
  check_begins(co_await join(c, from, video(120, "97 00 09 71 'av01' 120005")), start, "a configuration behind ModEx, for a late viewer");

  std::vector<av> hostile;
  for (const char* cut : {"97", "97 ff", "97 ff 01", "97 05 0102", "97 00 01", "97 00 01 17", "97 ff ffff 00", "97 00 01 19 'av01' 1200"}) {
    hostile.push_back(odd(video(160, cut)));
  }
  auto chain = video(160, "97");  // 2000 extensions in a row, and then nothing
  for (int i = 0; i < 2'000; ++i) append(chain.payload, bytes{0, 1, 0x17});
  hostile.push_back(odd(chain));
  hostile.push_back(video(200, "91 'av01' 120006"));
  const auto late = co_await watch(c, from.name);
  send(from, hostile);
  if (!co_await survived(from)) {
    c.note("a broken ModEx ends the publication");
    co_return;
  }
  co_await until(late, hostile.back().payload);
}

asio::awaitable<void> nano_offsets(context& c) {
  const auto from = co_await publish_enhanced(c, c.name(), rtmp::caps_mod_ex | rtmp::caps_timestamp_nano_offset);
  const auto viewer = co_await watch(c, from.name);
  const std::vector<av> all{
      start_of(codecs::av1, 1'000),
      video(1'000, "97 02 0003e8 01 'av01' 120001"),
      video(1'016, "a7 02 0a2c2b 01 'av01' 120002"),
      audio(1'020, "97 02 0f423f 01 'Opus' f803"),
      video(1'033, "a7 02 051616 01 'av01' 120004"),
      odd(video(1'040, "a7 02 0f4240 01 'av01' 120005")),  // a millisecond and more is none
      odd(video(1'045, "a7 01 0102 01 'av01' 120006")),    // two bytes are none
      video(1'050, "a7 03 00000107 01 'av01' 120007"),     // what follows the three is of a later version
      video(1'066, "a1 'av01' 120008"),                    // and it holds for one message only
  };
  send(from, all);
  co_await taken(from);
  const auto got = co_await until(viewer, all.back().payload);
  check_arrived(all, got);
  const auto first = got.front().time;
  for (const auto& m : got) {
    const auto sent = std::find_if(all.begin(), all.end(), [&m](const av& s) { return s.payload == m.payload; });
    check(m.time - first == sent->time - all.front().time,
          "the RTMP time of " + hex(m.payload, 8) + " is off by " +
              std::to_string(static_cast<std::int32_t>(m.time - first - (sent->time - all.front().time))));
  }
}

}  // namespace

std::vector<test_case> mod_ex_cases() {
  return {
      {"R7", "ModEx of any size and number goes through, and what it wraps is known", extensions},
      {"R8", "TimestampOffsetNano goes through and never into the RTMP time", nano_offsets},
  };
}

}  // namespace millrace::conform
