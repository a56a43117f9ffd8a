// Frames of RoQR (doc/protocol/roqr.md) that no client sends: as bytes on the session's own QUIC stream, and on streams beside it.
#include "hostile/attack.hpp"
#include "hostile/quic_liar.hpp"

namespace millrace::hostile {
namespace {

constexpr std::uint64_t huge = (std::uint64_t{1} << 62) - 1;

// Every field as it is said, right or wrong; the type is one byte, all others are variable-length integers.
bytes roqr(std::uint64_t flow, std::uint64_t time, unsigned type, std::uint64_t msid, std::uint64_t csid, std::uint64_t length, base::bytes_view payload) {
  return varint(flow) + varint(time) + bytes{static_cast<std::uint8_t>(type)} + varint(msid) + varint(csid) + varint(length) + payload;
}
bytes whole(std::uint64_t flow, unsigned type, base::bytes_view payload, std::uint64_t msid = 0) { return roqr(flow, 0, type, msid, 3, payload.size(), payload); }
void on_session(const striker& s, base::bytes_view some) { s.at->transport()->send(base::send_chain(base::slice::copy_of(some))); }

const std::vector<attack>& session_table() {
  static const std::vector<attack> all{
      {"a frame without payload", from::connected, expect::closed, [](auto& s) { on_session(s, roqr(0, 0, 20, 0, 3, 0, {})); }},
      {"a frame of 2^62-1 bytes", from::connected, expect::closed, [](auto& s) { on_session(s, roqr(0, 0, 9, 1, 6, huge, bytes(10, 0))); }},
      {"a frame of 4 MB", from::publishing, expect::lives, [](auto& s) { on_session(s, whole(0, 9, bytes(4'000'000, 0x27), s.msid)); }},
      {"300 kB of a frame before publish", from::connected, expect::closed, [](auto& s) { on_session(s, roqr(0, 0, 9, 1, 6, 1'000'000, bytes(300'000, 0))); }},
      {"a command of 64 KB and a byte", from::connected, expect::closed, [](auto& s) { on_session(s, roqr(0, 0, 20, 0, 3, 65'537, bytes(100, 0))); }},
      {"message stream 2^62-1", from::connected, expect::closed, [](auto& s) { on_session(s, roqr(0, 0, 8, huge, 3, 1, bytes(1, 0))); }},
      {"chunk stream 2^62-1", from::connected, expect::closed, [](auto& s) { on_session(s, roqr(0, 0, 8, 1, huge, 1, bytes(1, 0))); }},
      {"time 2^62-1", from::publishing, expect::lives, [](auto& s) { on_session(s, roqr(0, huge, 8, s.msid, 4, 2, written("af01"))); }},
      {"flow 2^62-1 on the session's stream", from::connected, expect::either, [](auto& s) { on_session(s, whole(huge, 8, bytes(10, 0))); }},
      {"2000 flows on the session's stream", from::connected, expect::either, [](auto& s) { for (std::uint64_t i = 1; i < 2000; ++i) on_session(s, whole(i, 8, bytes(10, 0))); }},
      {"Set Chunk Size, which has no meaning here", from::connected, expect::either, [](auto& s) { on_session(s, whole(0, 1, written("00000000"))); }},
      {"Abort, which has no meaning here", from::connected, expect::either, [](auto& s) { on_session(s, whole(0, 2, written("00000003"))); }},
      {"acknowledgements and windows, which have no meaning here", from::connected, expect::either, [](auto& s) { for (const unsigned type : {3u, 5u}) on_session(s, whole(0, type, written("00000000"))); on_session(s, whole(0, 6, written("00000000 02"))); }},
      {"each type there may be", from::connected, expect::either, [](auto& s) { for (unsigned type = 0; type < 256; ++type) on_session(s, whole(0, type, bytes(3, 0))); }},
      {"numbers that are longer than they have to be", from::connected, expect::lives, [](auto& s) { on_session(s, written("c000000000000000 c000000000000000 63 c000000000000000 c000000000000003 c000000000000002 0000")); }},
      {"an RTMP handshake", from::connected, expect::either, [](auto& s) { on_session(s, bytes{3} + bytes(1536, 0)); }},
      {"a megabyte of zeros", from::connected, expect::closed, [](auto& s) { on_session(s, bytes(1u << 20, 0)); }},
      {"a megabyte of 0xFF", from::connected, expect::closed, [](auto& s) { on_session(s, bytes(1u << 20, 0xFF)); }},
  };
  return all;
}

// What goes onto one-way streams beside the session: stream n carries say(n).
struct side {
  const char* name;
  std::uint64_t streams;
  bool end;  // in order
  std::function<bytes(std::uint64_t)> say;
};

const std::vector<side>& sides() {
  static const std::vector<side> all{
      {"media of no publication", 1, true, [](auto) { return whole(5, 9, bytes(100, 1), 1); }},
      {"media of no publication on 8 streams", 8, true, [](auto i) { return whole(i + 1, 9, bytes(800, 1), 1); }},
      {"8 streams that stay half a frame behind", 8, false, [](auto i) { return roqr(i + 1, 0, 9, 1, 6, 1'000'000, bytes(900, 1)); }},
      {"8 streams of which each ends amid a frame", 8, true, [](auto i) { return roqr(i + 1, 0, 9, 1, 6, 5'000, bytes(900, 1)); }},
      {"8 streams that end without a byte", 8, true, [](auto) { return bytes{}; }},
      {"a command on a stream beside the session", 1, true, [](auto) { return whole(1, 20, command_head("createStream") + written("05")); }},
      {"the session's own flow on another stream", 1, true, [](auto) { return whole(0, 20, command_head("createStream") + written("05")); }},
      {"one flow on 8 streams", 8, true, [](auto) { return whole(7, 9, bytes(100, 1), 1); }},
      {"50 flows on one stream", 1, true, [](auto) { bytes out; for (std::uint64_t i = 1; i < 50; ++i) conform::append(out, whole(i, 9, bytes(3, 1), 1)); return out; }},
      {"a frame of 2^62-1 bytes", 1, true, [](auto) { return roqr(1, 0, 9, 1, 6, huge, bytes(900, 1)); }},
      {"0xFF", 8, true, [](auto) { return bytes(1000, 0xFF); }},
      {"zeros", 8, true, [](auto) { return bytes(1000, 0); }},
      {"500 streams, of which a stranger may have 8 at once", 500, true, [](auto i) { return whole(i, 9, bytes(20, 1), 1); }},
  };
  return all;
}

asio::awaitable<void> beside(arena& in, const side& what) {
  liar_options options;
  options.alpn = {net::roqr_alpn};
  liar at(in, std::move(options));
  const bool ready = co_await at.shake_hands();
  check(ready, "no handshake");
  bool open = true;
  for (std::uint64_t i = 0; open && i < what.streams; ++i) {
    const auto said = what.say(i);
    auto frames = frame(what.end ? 0x0B : 0x0A, 2 + 4 * i, said.size()) + said;  // STREAM with a length, and FIN or not
    open = co_await at.say(std::move(frames));
  }
  if (open) co_await at.taken();
}

}  // namespace

void add_roqr(cases& to) {
  add_attacks(to, "RoQR frames", {way::roqr}, session_table());
  for (const auto& what : sides()) {
    to.push_back({"RoQR streams", what.name, "acknowledged or closed within 8 s", [&what](arena& in) { return beside(in, what); }});
  }
}

}  // namespace millrace::hostile
