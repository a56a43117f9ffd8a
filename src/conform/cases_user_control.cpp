// Section 5, user control messages (RTMP 1.0 section 7.1.7).
#include <algorithm>

#include "base/bytes.hpp"
#include "conform/steps.hpp"

namespace millrace::conform {
namespace {

namespace asio = boost::asio;
using rtmp::message_type;
using rtmp::user_event;

// Any event with any body.
rtmp::message event_message(unsigned event, base::bytes_view body) {
  base::byte_writer to;
  to.u16(static_cast<std::uint16_t>(event)).bytes(body);
  return message_of(message_type::user_control, 0, 2, 0, std::move(to).take());
}

bool has_event(const peer& at, user_event event, std::optional<std::uint32_t> value = std::nullopt) {
  return std::any_of(at.passed.begin(), at.passed.end(), [&](const rtmp::message& m) {
    const auto c = event_in(m);
    return c && c->event == event && (!value || c->value == *value);
  });
}

asio::awaitable<void> known_events(context& c) {
  const auto r = co_await relayed(c);
  check(has_event(*r.to.at, user_event::stream_begin, r.to.msid),
        "StreamBegin of the played message stream did not come before Play.Start");
  co_await ping(r.to.at, 0xDEADBEEF);
  r.to.at->send(rtmp::make_set_buffer_length(r.to.msid, 3000));
  for (const auto event : {user_event::stream_begin, user_event::stream_eof, user_event::stream_dry, user_event::stream_is_recorded,
                           user_event::ping_response}) {
    r.to.at->send(rtmp::make_user_control(event, r.to.msid));
  }
  co_await ping(r.to.at, 2);
  const std::vector<bytes> frames{avc_frame(true, 100, 1)};
  r.from.at->send_media(message_type::video, r.from.msid, 40, frames[0]);
  co_await arrivals(r.to.at, frames);
}

asio::awaitable<void> idle_peers(context& c) {
  const auto r = co_await relayed(c);
  r.to.at->answers_pings = r.from.at->answers_pings = false;
  // Servers ping more than once before they give up.
  const auto span = 3 * c.where().slow_patience;
  const auto limit = std::chrono::steady_clock::now() + span;
  std::uint32_t time = 0;
  // The viewer says nothing at all from here on; the publisher answers no ping either, but it publishes.
  while (!r.to.at->closed() && std::chrono::steady_clock::now() < limit) {
    r.from.at->send_media(message_type::audio, r.from.msid, time += 250, aac_frame());
    co_await r.to.at->read_for(milliseconds(250));
  }
  check(r.to.at->closed(), "a viewer that answers no ping is still there after " + std::to_string(span.count()) + " ms");
  check(has_event(*r.to.at, user_event::ping_request), "the viewer was dropped without a PingRequest");
  co_await ping(r.from.at, 1);
}

asio::awaitable<void> unknown_events(context& c) {
  const auto at = co_await c.connected();
  for (const unsigned event : {5u, 8u, 26u, 27u, 31u, 32u, 99u, 0xFFFFu}) {
    for (const std::size_t size : {std::size_t{0}, std::size_t{4}, std::size_t{40}}) at->send(event_message(event, bytes(size, 0x11)));
  }
  co_await at->barrier();
}

asio::awaitable<void> short_bodies(context& c) {
  const bytes nothing, half(2, 0), one_value(4, 0);
  const std::vector<rtmp::message> bad{message_of(message_type::user_control, 0, 2, 0, bytes(1, 0)), event_message(6, nothing),
                                       event_message(6, half), event_message(3, one_value)};
  for (const auto& m : bad) {
    const auto at = co_await c.connected();
    at->send(m);
    co_await at->wait_closed();
  }
}

}  // namespace

std::vector<test_case> user_control_cases() {
  return {
      {"U1", "StreamBegin comes, pings are echoed, the other events are no matter", known_events},
      {"U2", "idle viewers are pinged and dropped when they do not answer; traffic counts as life", idle_peers, true},
      {"U3", "unknown events are ignored, whatever their length", unknown_events},
      {"U4", "an event that is cut short is closed", short_bodies},
  };
}

}  // namespace millrace::conform
