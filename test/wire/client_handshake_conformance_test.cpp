// Section 1 of doc/protocol/conformance.md for the client.
#include "support/client_script.hpp"

namespace millrace::conform {
namespace {

namespace asio = boost::asio;
using rtmp::client_role;
using test::client_case;
using test::client_script;

asio::awaitable<void> version_and_sizes(client_script& s) {
  s.start(client_role::publish);
  const auto at = co_await s.accept();
  const auto c0c1 = co_await at->read_bytes(1 + 1536);
  check(c0c1[0] == 3, "C0 is " + std::to_string(c0c1[0]));
  check(co_await at->bytes_within(milliseconds(100)) == 0, "the client sent more than C0 and C1 before S1");
  bytes answer(1 + 2 * 1536, 0xA5);
  answer[0] = 3;
  std::fill(answer.begin() + 1, answer.begin() + 9, std::uint8_t{0});
  std::copy(c0c1.begin() + 1, c0c1.end(), answer.begin() + 1 + 1536);
  at->send_bytes(answer);
  const auto c2 = co_await at->read_bytes(1536);
  check_equal(base::bytes_view(answer).subspan(1, 4), base::bytes_view(c2).first(4), "the time that C2 echoes");
  check_equal(base::bytes_view(answer).subspan(9, 1528), base::bytes_view(c2).subspan(8), "the random bytes that C2 echoes");
  co_await at->wait_command("connect");
}

const bool registered = test::register_client_cases({
    {"H1", "C0 is 3, nothing but C0 and C1 before S1", version_and_sizes},
});

}  // namespace
}  // namespace millrace::conform
