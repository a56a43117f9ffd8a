// Section 1 of doc/protocol/conformance.md for the client.
#include <algorithm>

#include "support/client_script.hpp"

namespace millrace::conform {
namespace {

namespace asio = boost::asio;
using rtmp::client_role;
using test::client_case;
using test::client_script;

constexpr std::size_t packet = 1536;

// S0, S1 and an S2 that echoes C1.
bytes simple_answer(const bytes& c0c1) {
  bytes answer(1 + packet, 0xA5);
  answer[0] = 3;
  std::fill(answer.begin() + 1, answer.begin() + 9, std::uint8_t{0});
  append(answer, base::bytes_view(c0c1).subspan(1));
  return answer;
}

asio::awaitable<void> version_byte(client_script& s) {
  s.start(client_role::publish);
  auto at = co_await s.accept();
  auto c0c1 = co_await at->read_bytes(1 + packet);
  check(c0c1[0] == 3, "C0 is " + std::to_string(c0c1[0]));
  at->send_bytes(simple_answer(c0c1));
  co_await at->read_bytes(packet);
  co_await at->wait_command("connect");
  // What answers with anything else is no RTMP server that we could talk to.
  s.start(client_role::publish);
  at = co_await s.accept();
  c0c1 = co_await at->read_bytes(1 + packet);
  at->send_bytes(bytes{'H', 'T', 'T', 'P'});
  co_await s.until_down(base::error_kind::protocol, "HTTP");
}

asio::awaitable<void> sizes_and_echo(client_script& s) {
  s.start(client_role::publish);
  const auto at = co_await s.accept();
  const auto c0c1 = co_await at->read_bytes(1 + packet);
  const auto answer = simple_answer(c0c1);
  at->send_bytes(answer);
  const auto c2 = co_await at->read_bytes(packet);
  check_equal(base::bytes_view(answer).subspan(1, 4), base::bytes_view(c2).first(4), "the time that C2 echoes");
  check_equal(base::bytes_view(answer).subspan(9, 1528), base::bytes_view(c2).subspan(8), "the random bytes that C2 echoes");
  co_await at->wait_command("connect");
}

asio::awaitable<void> order_of_packets(client_script& s) {
  s.start(client_role::publish);
  const auto at = co_await s.accept();
  const auto c0c1 = co_await at->read_bytes(1 + packet);
  const milliseconds quiet(100);
  check(co_await at->bytes_within(quiet) == 0, "the client sent more than C0 and C1 before S1");
  const auto answer = simple_answer(c0c1);
  at->send_bytes(base::bytes_view(answer).first(packet));
  check(co_await at->bytes_within(quiet) == 0, "C2 came before S1 was whole");
  at->send_bytes(base::bytes_view(answer).subspan(packet, 1));
  co_await at->read_bytes(packet);
  check(co_await at->bytes_within(quiet) == 0, "the client spoke between C2 and S2");
  at->send_bytes(base::bytes_view(answer).subspan(1 + packet));
  co_await at->wait_command("connect");
}

asio::awaitable<void> deadline(client_script& s) {
  client::link_settings settings;
  settings.start_timeout = milliseconds(700);
  s.start(client_role::publish, "silent", "", settings);
  const auto silent = co_await s.accept();
  co_await s.until_down(base::error_kind::timeout, silent->roqr() ? "connect" : "handshake");
  // A byte now and then does not put it off.
  s.start(client_role::publish, "dribbling", "", settings);
  const auto at = co_await s.accept();
  const auto answer = simple_answer(co_await at->read_bytes(1 + packet));
  std::size_t sent = 0;
  while (!s.down && sent < answer.size()) {
    at->send_bytes(base::bytes_view(answer).subspan(sent++, 1));
    co_await at->bytes_within(milliseconds(50));
    check(sent < 100, "the client still waits after " + std::to_string(sent) + " bytes in 50 ms each");
  }
  co_await s.until_down(base::error_kind::timeout, "handshake");
}

asio::awaitable<void> default_form_and_certificate(client_script& s) {
  s.start(client_role::publish);
  auto at = co_await s.accept();
  const auto c0c1 = co_await at->read_bytes(1 + packet);
  check(std::all_of(c0c1.begin() + 5, c0c1.begin() + 9, [](std::uint8_t b) { return b == 0; }), "C1 announces the digest form unasked");
  if (s.transport() == "rtmp") co_return;
  // A certificate that nobody vouches for, and no pin: refused before a byte of RTMP.
  const auto whole = s.uri("a");
  s.start_at(whole.substr(0, whole.find('?')), client_role::publish);
  co_await s.until([&s] { return s.down.has_value(); }, "the certificate to be refused");
  check(s.down->reason.kind == base::error_kind::certificate, "expected the certificate to be refused, got: " + s.down->reason.text);
}

const bool registered = test::register_client_cases({
    {"H1", "C0 is 3; an answer that is no RTMP is named", version_byte},
    {"H2", "C1 and C2 are 1536 bytes, C2 echoes S1", sizes_and_echo},
    {"H3", "C2 only after S1, nothing else before S2", order_of_packets},
    {"H9", "silent and dribbling servers are given up", deadline},
    {"H10", "simple form and a verified certificate by default", default_form_and_certificate},
});

}  // namespace
}  // namespace millrace::conform
