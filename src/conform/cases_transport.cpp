// Section 18, what holds whatever carries the messages.
#include "conform/enhanced.hpp"
#include "media/codec.hpp"
#include "net/quic_client.hpp"

namespace millrace::conform {
namespace {

namespace asio = boost::asio;
namespace codecs = media::codecs;
using rtmp::message_type;

av legacy(bool key, std::uint32_t time, std::size_t size) {
  return {message_type::video, time, avc_frame(key, size, static_cast<std::uint8_t>(time))};
}

asio::awaitable<void> byte_equal(context& c) {
  const auto from = co_await c.publishing(c.name());
  const auto viewer = co_await c.playing(from.name);
  std::vector<av> all{{message_type::video, 0, avc_config()}, {message_type::audio, 0, aac_config()}};
  // Around the chunk sizes in use, and more than any window.
  std::uint32_t time = 0;
  for (const std::size_t size :
       {10UL, 127UL, 128UL, 129UL, 255UL, 256UL, 257UL, 4'095UL, 4'096UL, 4'097UL, 8'193UL, 65'535UL, 65'536UL, 400'000UL, 20UL}) {
    all.push_back(legacy(time == 0, time, size));
    all.push_back({message_type::audio, time + 7, aac_frame(size % 300, static_cast<std::uint8_t>(time))});
    time += 40;
  }
  send(from, all);
  co_await taken(from);
  const auto got = co_await until(viewer, all.back().payload);
  check_arrived(all, got);
  for (std::size_t i = 0; i < got.size(); ++i) {
    check(got[i].time - got[0].time == all[i].time - all[0].time,
          "the time of message " + std::to_string(i) + " is " + std::to_string(got[i].time - got[0].time) + " after the first, expected " +
              std::to_string(all[i].time - all[0].time));
  }
}

asio::awaitable<void> abandoned_message(context& c) {
  const auto from = co_await c.publishing(c.name());
  const auto viewer = co_await c.playing(from.name);
  const std::vector<av> before{{message_type::video, 0, avc_config()}, legacy(true, 0, 100)};
  send(from, before);
  // The beginning of a picture that is then given up (RTMP 1.0 section 5.4.2), a whole message in between.
  chunk begun;
  begun.csid = 6;
  begun.time = 40;
  begun.length = 20'000;
  begun.type = message_type::video;
  begun.msid = from.msid;
  begun.payload = avc_frame(false, from.at->chunk_size(), 0xEE);
  from.at->send_chunk(begun);
  const av between{message_type::audio, 45, aac_frame(40, 1)};
  send(from, between);
  from.at->send(rtmp::make_control(message_type::abort, 6));
  co_await taken(from);
  const auto after = legacy(true, 80, 5'000);
  send(from, after);
  auto expected = before;
  expected.push_back(between);
  expected.push_back(after);
  check_arrived(expected, co_await until(viewer, after.payload));
}

asio::awaitable<void> address_changes(context& c) {
  const auto from = co_await publish_enhanced(c, c.name());
  const auto viewer = co_await watch(c, from.name);
  if (from.at->transport()->kind() != net::transport_kind::quic) throw skip{"a TCP connection has one address for life"};
  std::vector<av> all{start_of(codecs::av1)};
  send(from, all.front());
  for (std::uint8_t i = 0; i < 4; ++i) {
    // The first moments may lack a spare connection id; it comes with what the server answers.
    const auto& mover = i % 2 == 0 ? from : viewer;
    const auto end = std::chrono::steady_clock::now() + c.where().patience;
    while (true) {
      const auto moved = net::quic_rebind_local(*mover.at->transport());
      if (moved) break;
      check(std::chrono::steady_clock::now() < end, "the connection cannot move: " + moved.error().text);
      co_await mover.at->barrier();
    }
    co_await mover.at->barrier();  // no connect, no publish: the same session from a new address
    all.push_back(frame_of(codecs::av1, i == 0, i * 40U, i));
    send(from, all.back());
  }
  check_arrived(all, co_await until(viewer, all.back().payload));
  check_begins(co_await join(c, from, frame_of(codecs::av1, true, 200, 9)), start_of(codecs::av1), "configuration after the moves");
}

}  // namespace

std::vector<test_case> transport_cases() {
  return {
      {"Y5", "messages of every size arrive byte by byte, with their times", byte_equal},
      {"Y6", "an abandoned message leaves the others whole", abandoned_message},
      {"Y7", "a change of address is no new session", address_changes},
  };
}

}  // namespace millrace::conform
