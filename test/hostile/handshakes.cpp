// What comes in the place of an RTMP handshake (RTMP 1.0 section 5.2), and peers that take their time over it.
#include <random>

#include "hostile/attack.hpp"

namespace millrace::hostile {
namespace {

// Version, and a C1 whose bytes behind time and zero are `filler`.
bytes c0c1(std::uint8_t version = 3, std::uint8_t filler = 0x5A, std::size_t size = 1 + 1536) {
  bytes out(size, filler);
  out[0] = version;
  std::fill(out.begin() + 1, out.begin() + static_cast<std::ptrdiff_t>(std::min<std::size_t>(9, size)), std::uint8_t{0});
  return out;
}

bytes noise(std::size_t size, unsigned seed) {
  std::mt19937 random(seed);
  bytes out(size);
  for (auto& byte : out) byte = static_cast<std::uint8_t>(random());
  return out;
}

// C1 of the digest form: a version in its second four bytes, and whatever digest.
bytes digest_form(std::uint32_t version, unsigned seed) {
  auto out = c0c1();
  const auto some = noise(1528, seed);
  std::copy(some.begin(), some.end(), out.begin() + 9);
  for (std::size_t i = 0; i < 4; ++i) out[5 + i] = static_cast<std::uint8_t>(version >> (24 - 8 * i));
  return out;
}

enum class fate : unsigned char { closed, answered, deadline };

struct opening {
  const char* name;
  fate expected;
  bytes sent;
};

const std::vector<opening>& openings() {
  static const std::vector<opening> all{
      {"version 0", fate::answered, c0c1(0)},
      {"version 2", fate::answered, c0c1(2)},
      {"version 4", fate::answered, c0c1(4)},
      {"version 6 (RTMPE)", fate::answered, c0c1(6)},
      {"version 31", fate::answered, c0c1(31, 0)},
      {"version 32", fate::closed, c0c1(32)},
      {"version 255", fate::closed, c0c1(255)},
      {"version 'G'", fate::closed, c0c1('G')},
      {"time 2^32-1", fate::answered, [] { auto out = c0c1(); std::fill(out.begin() + 1, out.begin() + 5, std::uint8_t{0xFF}); return out; }()},
      {"C1 of zeros", fate::answered, c0c1(3, 0)},
      {"C1 of 0xFF", fate::answered, bytes{3} + bytes(1536, 0xFF)},
      {"digest form, digest of noise", fate::answered, digest_form(0x80000702, 1)},
      {"digest form, version 2^32-1", fate::answered, digest_form(0xFFFFFFFF, 2)},
      {"digest form, version 1", fate::answered, digest_form(1, 3)},
      {"digest form, offsets of 1020", fate::answered, [] { auto out = digest_form(0x0A002D02, 4); std::fill(out.begin() + 9, out.begin() + 13, std::uint8_t{0xFF}); std::fill(out.begin() + 773, out.begin() + 777, std::uint8_t{0xFF}); return out; }()},
      {"C2 of noise", fate::answered, c0c1() + noise(1536, 5)},
      {"C2 of 0xFF, and a chunk of 0xFF", fate::closed, c0c1() + bytes(1536 + 4000, 0xFF)},
      {"10 MB of zeros behind C1: C2, and messages without a byte", fate::deadline, c0c1() + bytes(10u << 20, 0)},
      {"a megabyte of noise, version 3 in front", fate::closed, bytes{3} + noise(1u << 20, 6)},
      {"HTTP GET", fate::closed, repeated(base::as_bytes("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"), 60)},
      {"HTTP POST of RTMPT", fate::closed, repeated(base::as_bytes("POST /open/1 HTTP/1.1\r\nContent-Type: application/x-fcs\r\nContent-Length: 1\r\n\r\n\0"), 30)},
      {"WebSocket upgrade and frames", fate::closed, repeated(base::as_bytes("GET /live/a.flv HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"), 5) + repeated(written("82ff7fffffffffffffff00000000"), 50)},
      {"PROXY protocol, version 1", fate::closed, repeated(base::as_bytes("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n"), 40)},
      {"PROXY protocol, version 2, whose first byte is a version that RTMP may have", fate::deadline, written("0d0a0d0a000d0a515549540a 21 11 ffff") + bytes(3000, 1)},
      {"SSH", fate::closed, repeated(base::as_bytes("SSH-2.0-OpenSSH_9.2p1\r\n"), 100)},
      {"RTSP", fate::closed, repeated(base::as_bytes("OPTIONS rtsp://a/b RTSP/1.0\r\nCSeq: 1\r\n\r\n"), 50)},
      {"STUN and DTLS, whose first byte is a version that RTMP may have", fate::deadline, written("0001 0000 2112a442") + bytes(2000, 0x16)},
      {"nothing", fate::deadline, {}},
      {"C0 only", fate::deadline, {3}},
      {"half of C1", fate::deadline, c0c1(3, 0x5A, 700)},
      {"C0 and C1 but for a byte", fate::deadline, c0c1(3, 0x5A, 1536)},
      {"C0 and C1, and no C2", fate::deadline, c0c1()},
      {"C0, C1 and C2, and no connect", fate::deadline, c0c1() + bytes(1536, 0x5A)},
      {"C0, C1, C2, and half of connect", fate::deadline, c0c1() + bytes(1536, 0x5A) + written("03 000000 000040 14 00000000 02 0007 'conn'")},
      {"C0, C1, C2, and audio that is announced", fate::deadline, c0c1() + bytes(1536, 0x5A) + written("04 000000 ffffff 08 00000000 af01")},
  };
  return all;
}

// The handshake of QUIC has a deadline of its own of 10 s, which is that of a connection without a byte of RTMP.
constexpr milliseconds quic_deadline{16'000};

asio::awaitable<void> open_with(arena& in, way via, const opening& what) {
  auto where = in.target(via);
  conform::context c(in.io, where, "");
  const auto at = co_await c.open();
  at->send_bytes(what.sent);
  if (what.expected == fate::answered) {
    co_await at->read_bytes(1 + 1536);
    co_return;
  }
  const auto limit = what.expected == fate::closed ? soon : via == way::rtmpq ? quic_deadline : after_deadline;
  const auto end = std::chrono::steady_clock::now() + limit;
  while (!at->closed()) {
    co_await at->bytes_within(milliseconds(50), std::numeric_limits<std::size_t>::max());
    check(std::chrono::steady_clock::now() < end, "still open after " + std::to_string(limit.count()) + " ms");
  }
}

// Dribbling does not extend the deadline.
asio::awaitable<void> dribble(arena& in, way via, bytes whole, milliseconds pause) {
  auto where = in.target(via);
  conform::context c(in.io, where, "");
  const auto at = co_await c.open();
  const auto end = std::chrono::steady_clock::now() + after_deadline;
  for (std::size_t i = 0; !at->closed(); ++i) {
    at->send_bytes(base::bytes_view(whole).subspan(i % whole.size(), 1));
    const auto next = at->bytes_received();
    co_await at->bytes_within(pause, next + 1);
    check(std::chrono::steady_clock::now() < end, "still open after " + std::to_string(after_deadline.count()) + " ms");
  }
}

std::string in_words(fate expected, way via) {
  const auto seconds = [](milliseconds limit) { return std::to_string(limit.count() / 1000) + " s"; };
  if (expected == fate::answered) return "answered with S0 and S1 within " + seconds(soon);
  if (expected == fate::closed) return "closed within " + seconds(soon);
  return "closed by the deadline, within " + seconds(via == way::rtmpq ? quic_deadline : after_deadline);
}

}  // namespace

void add_handshakes(cases& to) {
  for (const auto via : byte_ways) {
    const std::string family = "handshake over " + std::string(name(via));
    for (const auto& what : openings()) {
      to.push_back({family, what.name, in_words(what.expected, via), [via, &what](arena& in) { return open_with(in, via, what); }, what.expected == fate::deadline});
    }
    for (const int pause : {20, 200, 900}) {
      to.push_back({family, "C0 and C1, a byte every " + std::to_string(pause) + " ms", in_words(fate::deadline, via),
                    [via, pause](arena& in) { return dribble(in, via, c0c1(), milliseconds(pause)); }, true});
    }
  }
}

}  // namespace millrace::hostile
