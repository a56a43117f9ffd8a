// Sections 4 and 5 of doc/protocol/conformance.md for the client.
#include <algorithm>

#include "base/bytes.hpp"
#include "conform/steps.hpp"
#include "support/client_script.hpp"

namespace millrace::conform {
namespace {

namespace asio = boost::asio;
using rtmp::client_role;
using rtmp::message_type;
using rtmp::user_event;
using test::client_script;

bool has_window(const peer& at, std::uint32_t value) {
  return std::any_of(at.passed.begin(), at.passed.end(),
                     [value](const rtmp::message& m) { return control_in(m, message_type::window_acknowledgement_size) == value; });
}

rtmp::message event_message(unsigned event, base::bytes_view body) {
  base::byte_writer to;
  to.u16(static_cast<std::uint16_t>(event)).bytes(body);
  return message_of(message_type::user_control, 0, 2, 0, std::move(to).take());
}

asio::awaitable<void> acknowledges(client_script& s) {
  const auto at = co_await s.running(client_role::play);
  at->send(rtmp::make_control(message_type::window_acknowledgement_size, 20'000));
  std::uint32_t last = 0;
  for (std::uint32_t round = 1; round <= 3; ++round) {
    at->send_media(message_type::video, 1, round * 40, avc_frame(true, 25'000));
    const auto value = rtmp::parse_control(co_await at->wait_type(message_type::acknowledgement));
    const auto sent = static_cast<std::uint32_t>(at->bytes_sent());
    check(value && *value > last && *value <= sent,
          "an Acknowledgement that is not between " + std::to_string(last) + " and " + std::to_string(sent));
    last = *value;
  }
}

asio::awaitable<void> peer_bandwidth(client_script& s) {
  const auto at = co_await s.running(client_role::play);
  at->need_type(message_type::set_peer_bandwidth);
  at->send(rtmp::make_set_peer_bandwidth(7'654'321, static_cast<rtmp::bandwidth_limit>(3)));
  co_await ping(at, 1);
  check(!has_window(*at, 7'654'321), "limit type 3 was obeyed");
  at->send(rtmp::make_set_peer_bandwidth(1'234'567, rtmp::bandwidth_limit::hard));
  co_await ping(at, 2);
  check(has_window(*at, 1'234'567), "Set Peer Bandwidth was not answered with the new Window Acknowledgement Size");
}

void send_flight(peer& at) {
  at.send(rtmp::make_control(message_type::window_acknowledgement_size, 2'500'000));
  at.send(rtmp::make_set_peer_bandwidth(2'500'000, rtmp::bandwidth_limit::dynamic));
  at.set_chunk_size(4096);
}

asio::awaitable<void> any_flight(client_script& s) {
  for (const int before : {0, 1, 2}) {
    for (const int after : {0, 1, 2}) {
      for (const auto role : {client_role::publish, client_role::play}) {
        s.start(role);
        const auto c = co_await s.accept_connect_command();
        for (int i = 0; i < before; ++i) send_flight(*c.at);
        client_script::answer_connect(*c.at, c.connect.transaction);
        for (int i = 0; i < after; ++i) send_flight(*c.at);
        co_await s.serve_until_started(c.at);
      }
    }
  }
}

asio::awaitable<void> known_events(client_script& s) {
  const auto at = co_await s.running(client_role::play);
  const bool told = std::any_of(at->passed.begin(), at->passed.end(), [](const rtmp::message& m) {
    const auto c = event_in(m);
    return c && c->event == user_event::set_buffer_length && c->value == 1 && c->second > 0;
  });
  check(told, "the player did not tell its buffer's length before play");
  co_await ping(at, 0xDEADBEEF);
  for (const auto event : {user_event::stream_begin, user_event::stream_dry, user_event::stream_is_recorded, user_event::ping_response}) {
    at->send(rtmp::make_user_control(event, 1));
  }
  at->send(rtmp::make_user_control(user_event::stream_eof, 2));  // of another message stream
  co_await ping(at, 1);
  check(s.streams_ended == 0, "the stream ended before its StreamEOF");
  at->send(rtmp::make_user_control(user_event::stream_eof, 1));
  co_await s.until([&s] { return s.streams_ended == 1; }, "StreamEOF to be told");
  // And it comes back.
  at->send(rtmp::make_user_control(user_event::stream_begin, 1));
  const std::vector<bytes> frames{avc_frame(true, 100, 1)};
  at->send_media(message_type::video, 1, 40, frames[0]);
  co_await s.take(frames);
}

asio::awaitable<void> unknown_events(client_script& s) {
  for (const auto role : {client_role::publish, client_role::play}) {
    const auto at = co_await s.running(role);
    for (const unsigned event : {5u, 8u, 26u, 27u, 31u, 32u, 99u, 0xFFFFu}) {
      for (const std::size_t size : {std::size_t{0}, std::size_t{4}, std::size_t{40}}) at->send(event_message(event, bytes(size, 0x11)));
    }
    co_await ping(at, 3);
  }
}

asio::awaitable<void> short_bodies(client_script& s) {
  const bytes nothing, half(2, 0), one_value(4, 0);
  const std::vector<rtmp::message> bad{message_of(message_type::user_control, 0, 2, 0, bytes(1, 0)), event_message(6, nothing),
                                       event_message(1, half), event_message(3, one_value)};
  for (const auto& m : bad) {
    const auto at = co_await s.running(client_role::play);
    at->send(m);
    co_await s.until_down(base::error_kind::protocol, "user control");
  }
}

const bool registered = test::register_client_cases({
    {"A1", "an Acknowledgement each time the window fills, with the bytes received", acknowledges},
    {"A4", "Set Peer Bandwidth is answered when the window changes; other limit types are ignored", peer_bandwidth},
    {"A6", "window, bandwidth and chunk size may be missing, repeated, or come behind the answer to connect", any_flight},
    {"U1", "the buffer's length is told, pings are echoed, StreamEOF is the end of the stream and the others are no matter", known_events},
    {"U3", "unknown events are ignored, whatever their length", unknown_events},
    {"U4", "an event that is cut short ends the connection", short_bodies},
});

}  // namespace
}  // namespace millrace::conform
