// Section 4, acknowledgement and bandwidth (RTMP 1.0 sections 5.4.3 to 5.4.5).
#include <algorithm>

#include "conform/steps.hpp"

namespace millrace::conform {
namespace {

namespace asio = boost::asio;
using rtmp::message_type;

// Values of all messages of that type which were passed over so far.
std::vector<std::uint32_t> values(const peer& at, message_type type) {
  std::vector<std::uint32_t> out;
  for (const auto& m : at.passed) {
    if (const auto value = control_in(m, type)) out.push_back(*value);
  }
  return out;
}

asio::awaitable<void> acknowledges(context& c) {
  constexpr std::uint32_t window = 20'000;
  const auto on = co_await c.publishing(c.name());
  on.at->send(rtmp::make_control(message_type::window_acknowledgement_size, window));
  std::uint32_t last = 0;
  for (int round = 1; round <= 3; ++round) {
    on.at->send_media(message_type::video, on.msid, static_cast<std::uint32_t>(round) * 40, avc_frame(true, window + 5'000));
    const auto m = co_await on.at->wait_type(message_type::acknowledgement);
    const auto value = rtmp::parse_control(m);
    check(value.has_value(), "an Acknowledgement without a number");
    const auto sent = static_cast<std::uint32_t>(on.at->bytes_sent());
    check(*value > last && *value <= sent, "Acknowledgement " + std::to_string(*value) + " after " + std::to_string(sent) +
                                               " bytes, the one before was " + std::to_string(last));
    last = *value;
  }
}

asio::awaitable<void> acknowledges_unasked(context& c) {
  const auto on = co_await c.publishing(c.name());
  on.at->need_type(message_type::acknowledgement);
  for (std::uint32_t i = 0; i < 120; ++i) {  // 6 MB: most servers count to 1 or 2.5 MB
    on.at->send_media(message_type::video, on.msid, i * 40, avc_frame(true, 50'000));
    if (i % 20 != 19) continue;
    co_await ping(on.at, i);
    if (!values(*on.at, message_type::acknowledgement).empty()) co_return;
  }
  throw failure{"6 MB were received and not acknowledged"};
}

asio::awaitable<void> needs_no_acknowledgement(context& c) {
  const auto r = co_await relayed(c);
  // Beyond the window that the server told, which is what it may wait at.
  const auto windows = values(*r.to.at, message_type::window_acknowledgement_size);
  const std::size_t wanted = std::min<std::size_t>(windows.empty() ? 2'500'000 : windows.back(), 5'000'000) * 2 + 100'000;
  std::uint32_t time = 0;
  while (r.to.at->bytes_received() < wanted) {
    // In step with the viewer, so that nothing is late and dropped.
    std::vector<bytes> last{avc_frame(true, 90'000, static_cast<std::uint8_t>(++time))};
    for (int i = 0; i < 4; ++i)
      r.from.at->send_media(message_type::video, r.from.msid, time * 200 + static_cast<std::uint32_t>(i) * 40, avc_frame(true, 90'001));
    r.from.at->send_media(message_type::video, r.from.msid, time * 200 + 160, last[0]);
    co_await arrivals(r.to.at, std::move(last));
    r.to.at->passed.clear();
  }
}

asio::awaitable<void> peer_bandwidth(context& c) {
  const auto at = co_await c.connected();
  at->need_type(message_type::set_peer_bandwidth);
  at->send(rtmp::make_set_peer_bandwidth(7'654'321, static_cast<rtmp::bandwidth_limit>(3)));
  co_await at->barrier();
  auto told = values(*at, message_type::window_acknowledgement_size);
  check(std::find(told.begin(), told.end(), 7'654'321u) == told.end(), "limit type 3 was obeyed");
  at->send(rtmp::make_set_peer_bandwidth(1'234'567, rtmp::bandwidth_limit::hard));
  co_await at->barrier();
  told = values(*at, message_type::window_acknowledgement_size);
  if (std::find(told.begin(), told.end(), 1'234'567u) == told.end()) {
    throw refusal{"Set Peer Bandwidth is not answered with a Window Acknowledgement Size, which is a SHOULD"};
  }
}

asio::awaitable<void> connect_flight(context& c) {
  const auto at = co_await c.handshaken();
  at->call("connect", 1, {}, 0, c.connect_object());
  co_await at->wait_command("_result", 1);
  // In the log, because Set Chunk Size is dealt with below the messages.
  const auto& seen = at->chunks().chunks();
  const auto before = [&seen](message_type type) {
    return std::any_of(seen.begin(), seen.end(), [type](const seen_chunk& one) { return one.type == type; });
  };
  check(before(message_type::window_acknowledgement_size), "no Window Acknowledgement Size came before the answer to connect");
  check(before(message_type::set_peer_bandwidth), "no Set Peer Bandwidth came before the answer to connect");
  if (!before(message_type::set_chunk_size)) c.note("the server keeps to chunks of 128 bytes until connect is answered");
}

}  // namespace

std::vector<test_case> acknowledgement_cases() {
  return {
      {"A1", "an Acknowledgement each time the window fills, with the bytes received", acknowledges},
      {"A2", "acknowledges by a window of its own when the client sets none", acknowledges_unasked},
      {"A3", "serves a viewer that never acknowledges", needs_no_acknowledgement},
      {"A4", "Set Peer Bandwidth is answered when the window changes; other limit types are ignored", peer_bandwidth},
      {"A5", "window, bandwidth and chunk size come ahead of the answer to connect", connect_flight},
  };
}

}  // namespace millrace::conform
