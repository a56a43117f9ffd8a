// Section 1, the handshake (RTMP 1.0 section 5.2, and the digest form that Flash brought).
#include <algorithm>

#include "conform/script.hpp"
#include "rtmp/handshake.hpp"

namespace millrace::conform {
namespace {

namespace asio = boost::asio;
constexpr std::size_t packet = 1536;

bytes simple_c0c1(std::uint8_t version = 3, std::uint8_t filler = 0x5A) {
  bytes out(1 + packet, filler);
  out[0] = version;
  std::fill(out.begin() + 1, out.begin() + 9, std::uint8_t{0});
  return out;
}

asio::awaitable<void> version_byte(context& c) {
  for (const int version : {0, 2, 3, 4, 6, 31}) {
    const auto at = co_await c.open();
    at->send_bytes(simple_c0c1(static_cast<std::uint8_t>(version)));
    const auto s0 = co_await at->read_bytes(1);
    check(s0[0] == 3, "C0 " + std::to_string(version) + " was answered with version " + std::to_string(s0[0]) + ", expected 3");
  }
  for (const int version : {0x20, 0x47}) {  // a space, and the G of GET
    const auto at = co_await c.open();
    at->send_bytes(simple_c0c1(static_cast<std::uint8_t>(version)));
    co_await at->wait_closed();
  }
}

asio::awaitable<void> packets_echo(context& c) {
  const auto at = co_await c.open();
  const auto c0c1 = simple_c0c1();
  at->send_bytes(c0c1);
  const auto s0s1 = co_await at->read_bytes(1 + packet);
  const auto s2 = co_await at->read_bytes(packet);
  // Bytes 4 to 7 of S2 are when C1 was read; the rest is C1 again.
  check_equal(base::bytes_view(c0c1).subspan(1, 4), base::bytes_view(s2).subspan(0, 4), "the time that S2 echoes");
  check_equal(base::bytes_view(c0c1).subspan(9), base::bytes_view(s2).subspan(8), "the random bytes that S2 echoes");
  const auto zero = base::bytes_view(s0s1).subspan(5, 4);
  if (std::any_of(zero.begin(), zero.end(), [](std::uint8_t b) { return b != 0; })) c.note("S1 has a version where the simple form has zero");
}

asio::awaitable<void> order_of_packets(context& c) {
  const auto at = co_await c.open();
  const auto c0c1 = simple_c0c1();
  check(co_await at->bytes_within(c.where().quiet) == 0, "the server spoke before C0");
  at->send_bytes(base::bytes_view(c0c1).first(1));
  // S0 and S1 may come now; S2 is about C1 and may not.
  const auto early = co_await at->bytes_within(c.where().quiet, 1 + packet + 1);
  check(early <= 1 + packet, "S2 came before C1 was whole");
  at->send_bytes(base::bytes_view(c0c1).subspan(1));
  const auto s0s1 = co_await at->read_bytes(1 + packet);
  co_await at->read_bytes(packet);
  check(co_await at->bytes_within(c.where().quiet) == 0, "the server spoke between S2 and C2");
  at->send_bytes(base::bytes_view(s0s1).subspan(1));
  at->call("connect", 1, {}, 0, c.connect_object());
  co_await at->wait_command("_result", 1);
}

asio::awaitable<void> any_splitting(context& c) {
  // A few telling splits here; every byte is tried without sockets in the unit tests.
  const auto c0c1 = simple_c0c1();
  for (const std::size_t cut : {std::size_t{1}, std::size_t{2}, std::size_t{9}, std::size_t{1536}}) {
    const auto at = co_await c.open();
    at->send_bytes(base::bytes_view(c0c1).first(cut));
    co_await at->bytes_within(milliseconds(20), 1 + packet);  // so that the pieces are read apart
    at->send_bytes(base::bytes_view(c0c1).subspan(cut));
    const auto s0s1 = co_await at->read_bytes(1 + packet);
    co_await at->read_bytes(packet);
    // C2 and connect in one piece.
    bytes flight(s0s1.begin() + 1, s0s1.end());
    const auto connect = rtmp::make_command(0, "connect", 1, c.connect_object());
    append(flight, encode_as(connect, 0, 0));
    at->send_bytes(flight);
    co_await at->wait_command("_result", 1);
  }
}

asio::awaitable<void> foreign_c2(context& c) {
  const auto at = co_await c.open();
  at->send_bytes(simple_c0c1());
  co_await at->read_bytes(1 + 2 * packet);
  at->send_bytes(bytes(packet, 0xEE));
  at->call("connect", 1, {}, 0, c.connect_object());
  co_await at->wait_command("_result", 1);
}

asio::awaitable<void> digest_form(context& c) {
  const auto at = co_await c.open();
  rtmp::client_handshake shake(4711, true);
  at->send_bytes(shake.poll_output());
  const auto answer = co_await at->read_bytes(1 + 2 * packet);
  const auto used = shake.receive(std::chrono::steady_clock::now(), answer);
  check(used.has_value(), used ? "" : used.error().text);
  at->send_bytes(shake.poll_output());
  at->call("connect", 1, {}, 0, c.connect_object());
  co_await at->wait_command("_result", 1);
  if (!shake.digest()) throw refusal{"answered in the simple form, which every client accepts"};
}

asio::awaitable<void> digest_not_found(context& c) {
  const auto at = co_await c.open();
  auto c0c1 = simple_c0c1();
  c0c1[5] = 9;  // a player's version in C1 announces the digest form, but there is no digest
  at->send_bytes(c0c1);
  const auto s0s1 = co_await at->read_bytes(1 + packet);
  co_await at->read_bytes(packet);
  at->send_bytes(base::bytes_view(s0s1).subspan(1));
  at->call("connect", 1, {}, 0, c.connect_object());
  co_await at->wait_command("_result", 1);
}

asio::awaitable<void> deadline(context& c) {
  const auto silent = co_await c.open();
  const auto dribbling = co_await c.open();
  const auto c0c1 = simple_c0c1();
  const auto limit = std::chrono::steady_clock::now() + c.where().slow_patience;
  std::size_t sent = 0;
  // A byte now and then must not put the deadline off.
  while (!dribbling->closed() && std::chrono::steady_clock::now() < limit && sent < c0c1.size()) {
    dribbling->send_bytes(base::bytes_view(c0c1).subspan(sent++, 1));
    co_await dribbling->bytes_within(milliseconds(250), 1 + 2 * packet);
  }
  check(dribbling->closed(), "a client that sends a byte every 250 ms is still there after " + std::to_string(c.where().slow_patience.count()) + " ms");
  const auto left = std::chrono::duration_cast<milliseconds>(limit - std::chrono::steady_clock::now());
  co_await silent->wait_closed(std::max(left, milliseconds(1)));
}

}  // namespace

std::vector<test_case> handshake_cases() {
  return {
      {"H1", "version 3 is answered to C0 0 to 31; 32 and more is closed", version_byte},
      {"H2", "S2 echoes the time and the random bytes of C1", packets_echo},
      {"H3", "nothing before C0, S2 only after C1, nothing before C2", order_of_packets},
      {"H4", "C0 and C1 in any pieces, C2 and connect in one", any_splitting},
      {"H5", "a C2 that does not echo S1 is accepted", foreign_c2},
      {"H6", "the digest form is understood", digest_form},
      {"H8", "a digest that is not there: the simple form on the same bytes", digest_not_found},
      {"H9", "silent and dribbling clients are dropped", deadline, true},
  };
}

}  // namespace millrace::conform
