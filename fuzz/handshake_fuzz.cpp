// Handshake: any bytes, in any pieces, on either side. What comes out does not depend on the pieces, and no more is consumed than
// the handshake is long.
// First byte: bit 0 the role, bit 1 the digest form (client), the rest the size of the pieces. Bit 2 puts a true digest into the
// peer's first packet, which no mutation would find.
#include <algorithm>
#include <cstdlib>

#include "rtmp/handshake.hpp"
#include "rtmp/handshake_digest.hpp"

namespace {

namespace base = millrace::base;
namespace rtmp = millrace::rtmp;

constexpr std::size_t whole = 1 + 2 * rtmp::handshake_size;
constexpr std::uint64_t seed = 0x1234;

void check(bool holds) {
  if (!holds) std::abort();
}

struct outcome {
  bool failed = false;
  bool done = false;
  bool digest = false;
  bool mismatch = false;
  std::size_t consumed = 0;
  std::vector<std::uint8_t> said;
};

template <class H>
outcome run(H handshake, base::bytes_view input, std::size_t piece) {
  outcome out;
  const auto listen = [&] {
    const auto more = handshake.poll_output();
    out.said.insert(out.said.end(), more.begin(), more.end());
  };
  listen();
  while (!input.empty()) {
    const auto offered = input.first(std::min(piece, input.size()));
    const auto used = handshake.receive(base::instant{}, offered);
    listen();
    if (!used) {
      out.failed = true;
      check(!used.error().text.empty());
      break;
    }
    check(*used <= offered.size());
    check(*used == offered.size() || handshake.done());
    out.consumed += *used;
    input = input.subspan(*used);
    if (handshake.done()) break;
  }
  out.done = handshake.done();
  out.digest = handshake.digest();
  out.mismatch = handshake.echo_mismatch();
  return out;
}

template <class Make>
void compare(Make make, base::bytes_view input, std::size_t piece) {
  const auto at_once = run(make(), input, whole + 1);
  const auto in_pieces = run(make(), input, piece);
  check(at_once.failed == in_pieces.failed);
  check(at_once.done == in_pieces.done);
  check(at_once.digest == in_pieces.digest);
  check(at_once.mismatch == in_pieces.mismatch);
  check(at_once.consumed == in_pieces.consumed);
  check(at_once.said == in_pieces.said);
  check(at_once.consumed <= whole);
  check(at_once.done == (!at_once.failed && at_once.consumed == whole));
  check(at_once.said.size() <= whole);
  if (at_once.failed) check(at_once.consumed == 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const auto choice = data[0];
  std::vector<std::uint8_t> input(data + 1, data + size);
  const bool as_server = (choice & 1) == 0;
  const bool digest = (choice & 2) != 0;
  if ((choice & 4) != 0) {
    // Long enough to have a first packet at all: the fuzzer's bytes repeated.
    const auto given = input.size();
    if (given == 0) return 0;
    for (std::size_t i = given; i < whole; ++i) input.push_back(input[i % given]);
    const auto where = digest ? rtmp::digest::layout::at_772 : rtmp::digest::layout::at_8;
    rtmp::digest::imprint(std::span(input).subspan(1, rtmp::handshake_size), where,
                          as_server ? rtmp::digest::side::client : rtmp::digest::side::server);
  }
  const std::size_t piece = 1 + std::size_t{choice} * 7;
  if (as_server) {
    compare([] { return rtmp::server_handshake(seed); }, input, piece);
  } else {
    compare([digest] { return rtmp::client_handshake(seed, digest); }, input, piece);
  }
  return 0;
}
