// UDP datagrams without a connection: none of them may make state that stays, and no answer may be larger than what it answers.
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <random>

#include "hostile/attack.hpp"
#include "hostile/quic_liar.hpp"
#include "hostile/raw_tcp.hpp"

namespace millrace::hostile {
namespace {

bytes noise(std::size_t size, std::uint64_t seed) {
  std::mt19937 random(static_cast<std::mt19937::result_type>(seed));
  bytes out(size);
  for (auto& byte : out) byte = static_cast<std::uint8_t>(random());
  return out;
}

// RFC 9000 section 17.2: form and type, version, two connection ids; noise up to `size`.
bytes long_header(std::uint8_t first, std::uint32_t version, std::size_t id_bytes, std::size_t size, std::uint64_t seed = 1) {
  bytes out{first};
  for (int i = 3; i >= 0; --i) out.push_back(static_cast<std::uint8_t>(version >> (8 * i)));
  for (int i = 0; i < 2; ++i) {
    out.push_back(static_cast<std::uint8_t>(id_bytes));
    conform::append(out, noise(id_bytes, seed + static_cast<std::uint64_t>(i)));
  }
  if (out.size() < size) conform::append(out, noise(size - out.size(), seed));
  return out;
}
// An Initial of version 1 with this token and length, and noise where its encrypted part would be.
bytes initial(base::bytes_view token, std::size_t announced, std::size_t size, std::uint64_t seed, std::uint8_t first = 0xC3) {
  auto out = long_header(first, 1, 8, 0, seed) + varint(token.size()) + token + varint(announced);
  if (out.size() < size) conform::append(out, noise(size - out.size(), seed));
  return out;
}
bytes short_header(std::size_t size, std::uint64_t seed) {
  auto out = noise(size, seed);
  if (!out.empty()) out[0] = static_cast<std::uint8_t>((out[0] & 0x3F) | 0x40);
  return out;
}

enum class answer : unsigned char { none, smaller };  // smaller: each answer is, and so is what comes in all

struct line {
  const char* name;
  answer expected;
  std::size_t times;
  std::function<bytes(std::uint64_t)> datagram;
};

const std::vector<line>& lines() {
  using enum answer;
  static const std::vector<line> all{
      {"no bytes", none, 100, [](auto) { return bytes{}; }},
      {"a byte, each one", none, 256, [](auto i) { return bytes{static_cast<std::uint8_t>(i)}; }},
      {"noise of every size up to 1500", smaller, 1500, [](auto i) { return noise(i, i); }},
      {"20,000 datagrams of noise", smaller, 20'000, [](auto i) { return noise(64 + i % 1100, i); }},
      {"a datagram of 60,000 bytes", none, 20, [](auto i) { return initial({}, 1300, 60'000, i); }},
      {"zeros", smaller, 200, [](auto i) { return bytes(i * 7, 0); }},
      {"0xFF", smaller, 200, [](auto i) { return bytes(i * 7, 0xFF); }},
      {"RTMP's handshake", smaller, 10, [](auto) { return bytes{3} + bytes(1200, 0); }},
      {"DNS, NTP and SSDP, as a reflector would be asked", smaller, 300, [](auto i) { return i % 3 == 0 ? written("1234 0100 0001 0000 0000 0000 00 00ff 0001") : i % 3 == 1 ? written("17 00 03 2a 00000000") : bytes(90, 'M'); }},
      {"STUN", none, 100, [](auto) { return written("0001 0000 2112a442 000000000000000000000000"); }},
      {"a version that nobody knows", smaller, 100, [](auto i) { return long_header(0xC3, 0x1A2A3A4A, 8, 1200, i); }},
      {"a version that nobody knows, 1199 bytes", none, 100, [](auto i) { return long_header(0xC3, 0x1A2A3A4A, 8, 1199, i); }},
      {"a version that nobody knows, ids of 255 bytes", smaller, 100, [](auto i) { return long_header(0xC3, 0x1A2A3A4A, 255, 1200, i); }},
      {"a version that nobody knows, 20,000 times", smaller, 20'000, [](auto i) { return long_header(0xC3, 0x1A2A3A4A, 8, 1200, i); }},
      {"version 0: a Version Negotiation from a client", none, 100, [](auto i) { return long_header(0x80, 0, 8, 1200, i); }},
      {"version 2^32-1", smaller, 100, [](auto i) { return long_header(0xC3, 0xFFFFFFFF, 8, 1200, i); }},
      {"draft versions, to be talked down", smaller, 100, [](auto i) { return long_header(0xC3, 0xFF00001D, 8, 1200, i); }},
      {"Google's QUIC", smaller, 100, [](auto i) { return long_header(0xC3, 0x51303433, 8, 1200, i); }},
      {"an Initial with ids of 21 bytes", none, 100, [](auto i) { return long_header(0xC3, 1, 21, 1200, i); }},
      {"an Initial with ids of 255 bytes", none, 100, [](auto i) { return long_header(0xC3, 1, 255, 1200, i); }},
      {"an Initial with ids of no bytes", none, 100, [](auto i) { return long_header(0xC3, 1, 0, 1200, i); }},
      {"an Initial that ends in its ids", none, 100, [](auto i) { return long_header(0xC3, 1, 20, 0, i); }},
      {"an Initial that does not decrypt", none, 300, [](auto i) { return initial({}, 1150, 1200, i); }},
      {"an Initial that does not decrypt, 20,000 times", none, 20'000, [](auto i) { return initial({}, 1150, 1200, i); }},
      {"an Initial of 1199 bytes", none, 100, [](auto i) { return initial({}, 1100, 1199, i); }},
      {"an Initial whose length is more than it has", none, 100, [](auto i) { return initial({}, 60'000, 1200, i); }},
      {"an Initial whose length is 2^62-1", none, 100, [](auto i) { return initial({}, (std::uint64_t{1} << 62) - 1, 1200, i); }},
      {"an Initial whose length is 0", none, 100, [](auto i) { return initial({}, 0, 1200, i); }},
      {"an Initial whose token is longer than it", none, 100, [](auto i) { return long_header(0xC3, 1, 8, 0, i) + varint(60'000) + noise(1200, i); }},
      {"an Initial with a token of noise", none, 200, [](auto i) { return initial(noise(200, i), 900, 1200, i); }},
      // RFC 9000 section 8.1.2: a token that says it is one of a Retry is answered with INVALID_TOKEN.
      {"an Initial with a forged token of a Retry", smaller, 200, [](auto i) { return initial(bytes{0xB7} + noise(100, i), 900, 1200, i); }},
      {"an Initial with a forged token of a Retry, 20,000 times", smaller, 20'000, [](auto i) { return initial(bytes{0xB7} + noise(100, i), 900, 1200, i); }},
      {"an Initial with a forged token of an address", none, 200, [](auto i) { return initial(bytes{0x36} + noise(60, i), 900, 1200, i); }},
      {"an Initial with reserved bits", none, 100, [](auto i) { return initial({}, 1150, 1200, i, 0xCF); }},
      {"an Initial without the fixed bit", none, 100, [](auto i) { return initial({}, 1150, 1200, i, 0x83); }},
      {"24 Initials in one datagram", none, 100, [](auto i) { return repeated(initial({}, 20, 46, i), 24) + noise(100, i); }},
      {"0-RTT without an Initial", none, 300, [](auto i) { return initial({}, 1150, 1200, i, 0xD3); }},
      {"Handshake without an Initial", none, 300, [](auto i) { return initial({}, 1150, 1200, i, 0xE3); }},
      {"a Retry from a client", none, 300, [](auto i) { return long_header(0xF0, 1, 8, 1200, i); }},
      {"a short header of 21 bytes: an answer would be longer", none, 200, [](auto i) { return short_header(21, i); }},
      {"a short header of every size from 22 to 200", smaller, 178, [](auto i) { return short_header(22 + i, i); }},
      {"a short header 20,000 times: resets are counted out", smaller, 20'000, [](auto i) { return short_header(60, i); }},
      {"what looks like a stateless reset", smaller, 300, [](auto i) { return short_header(43, i); }},
      {"short headers that differ in their id only", smaller, 5'000, [](auto i) { auto out = short_header(80, 1); out[1 + i % 8] = static_cast<std::uint8_t>(i); return out; }},
  };
  return all;
}

asio::awaitable<void> pause(arena& in, milliseconds span) {
  asio::steady_timer timer(in.io, span);
  co_await timer.async_wait(asio::use_awaitable);
}

// A socket's bytes in both directions.
struct counted {
  explicit counted(arena& in) : at(in.io, asio::ip::udp::endpoint(next_source(), 0)), to(in.udp()) { at.non_blocking(true); }
  void send(const bytes& what) {
    boost::system::error_code failed;
    at.send_to(asio::buffer(what), to, 0, failed);
    if (!failed) sent += what.size();
  }
  void receive() {
    bytes space(65'536);
    for (;;) {
      boost::system::error_code failed;
      const auto size = at.receive(asio::buffer(space), 0, failed);
      if (failed) return;
      received += size;
      largest = std::max(largest, size);
    }
  }
  asio::ip::udp::socket at;
  asio::ip::udp::endpoint to;
  std::size_t sent = 0, received = 0, largest = 0;
};

asio::awaitable<void> still_serves(arena& in) {
  liar honest(in, {});
  const bool ready = co_await honest.shake_hands();
  check(ready, "an honest handshake beside it fails");
}

asio::awaitable<void> throw_at(arena& in, const line& what) {
  counted from(in);
  for (std::uint64_t i = 0; i < what.times; ++i) {
    from.send(what.datagram(i));
    if (i % 64 == 63) co_await pause(in, milliseconds(1));  // as fast as the socket of the server is read, or most of it would only test the kernel
    if (i % 64 == 63) from.receive();
  }
  co_await still_serves(in);  // behind all of them, so they have been read
  co_await pause(in, milliseconds(30));
  from.receive();
  if (what.expected == answer::none) check(from.received == 0, "answered with " + std::to_string(from.received) + " bytes");
  check(from.received <= from.sent, "answered " + std::to_string(from.sent) + " bytes with " + std::to_string(from.received));
}

}  // namespace

void add_datagrams(cases& to) {
  for (const auto& what : lines()) {
    to.push_back({"UDP", what.name, what.expected == answer::none ? "not answered, a handshake behind it works within 8 s" : "answered with fewer bytes or not at all, a handshake behind it works within 8 s",
                  [&what](arena& in) { return throw_at(in, what); }});
  }
}

}  // namespace millrace::hostile
