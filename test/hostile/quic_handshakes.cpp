// QUIC handshakes that go wrong on purpose (RFC 9000 sections 7 and 8, RFC 9001), and what an address that proved nothing is sent.
#include <random>

#include "hostile/attack.hpp"
#include "hostile/quic_liar.hpp"

namespace millrace::hostile {
namespace {

enum class fate : unsigned char { done, closed, none, either };  // none: no handshake, however it ends

struct line {
  const char* name;
  fate expected;
  std::function<liar_options()> make;
};

liar_options lying(level at, bytes frames) {
  liar_options out;
  out.lies_at = at;
  out.first_lie = std::move(frames);
  return out;
}
liar_options with_alpn(std::vector<std::string> alpn) {
  liar_options out;
  out.alpn = std::move(alpn);
  return out;
}
liar_options with_params(std::function<void(ngtcp2_transport_params&)> change) {
  liar_options out;
  out.params = std::move(change);
  return out;
}
liar_options bent(std::function<void(bytes&)> how) {
  liar_options out;
  out.bend = std::move(how);
  return out;
}
liar_options with_token(bytes token) {
  liar_options out;
  out.token = std::move(token);
  return out;
}
bytes crypto(std::uint64_t at, base::bytes_view data) { return frame(0x06, at, data.size()) + data; }
// Flips a bit in one datagram out of `one_in`.
std::function<void(bytes&)> flipping(unsigned seed, unsigned one_in) {
  return [random = std::make_shared<std::mt19937>(seed), one_in](bytes& datagram) {
    if ((*random)() % one_in == 0) datagram[(*random)() % datagram.size()] ^= static_cast<std::uint8_t>(1u << ((*random)() % 8));
  };
}

const std::vector<line>& lines() {
  using enum fate;
  static const std::vector<line> all{
      {"no lie at all", done, [] { return liar_options{}; }},
      {"a protocol that nobody speaks", closed, [] { return with_alpn({"h3"}); }},
      {"no protocol", closed, [] { return with_alpn({}); }},
      {"a protocol of 31 bytes, the longest that GnuTLS says", closed, [] { return with_alpn({std::string(31, 'a')}); }},
      {"a protocol of control bytes", closed, [] { return with_alpn({"\x1b[2J\r\n"}); }},
      {"QUIC version 2", either, [] { liar_options out; out.version = NGTCP2_PROTO_VER_V2; return out; }},
      // --- transport parameters (section 18.2)
      {"packets of 1199 bytes at most", closed, [] { return with_params([](auto& p) { p.max_udp_payload_size = 1199; }); }},
      {"packets of no bytes at most", closed, [] { return with_params([](auto& p) { p.max_udp_payload_size = 0; }); }},
      {"an ACK delay exponent of 21", closed, [] { return with_params([](auto& p) { p.ack_delay_exponent = 21; }); }},
      {"an ACK delay of 2^14 ms", closed, [] { return with_params([](auto& p) { p.max_ack_delay = NGTCP2_MILLISECONDS << 14; }); }},
      {"a limit of one connection id", closed, [] { return with_params([](auto& p) { p.active_connection_id_limit = 1; }); }},
      {"2^61 streams", closed, [] { return with_params([](auto& p) { p.initial_max_streams_uni = std::uint64_t{1} << 61; }); }},
      {"the first destination's id, which only a server says", closed, [] { return with_params([](auto& p) { p.original_dcid.datalen = 8; p.original_dcid_present = 1; }); }},
      {"a reset token, which only a server says", closed, [] { return with_params([](auto& p) { p.stateless_reset_token_present = 1; }); }},
      {"the id of a Retry, which only a server says", closed, [] { return with_params([](auto& p) { p.retry_scid.datalen = 8; p.retry_scid_present = 1; }); }},
      {"a preferred address, which only a server says", closed, [] { return with_params([](auto& p) { p.preferred_addr.cid.datalen = 8; p.preferred_addr.ipv4_present = 1; p.preferred_addr_present = 1; }); }},
      {"another source id than its packets have", closed, [] { return with_params([](auto& p) { p.initial_scid.data[0] ^= 0xFF; }); }},
      {"no source id", closed, [] { return with_params([](auto& p) { p.initial_scid_present = 0; }); }},
      {"no window at all", done, [] { return with_params([](auto& p) { p.initial_max_data = p.initial_max_stream_data_bidi_local = 0; }); }},
      {"a window of 2^62-1", done, [] { return with_params([](auto& p) { p.initial_max_data = (std::uint64_t{1} << 62) - 1; }); }},
      {"10^15 connection ids", done, [] { return with_params([](auto& p) { p.active_connection_id_limit = 1'000'000'000'000'000; }); }},
      {"idle after a millisecond", either, [] { return with_params([](auto& p) { p.max_idle_timeout = NGTCP2_MILLISECONDS; }); }},
      // --- Initial packets with other frames than a ClientHello (section 17.2.2)
      {"Initial: PADDING only", none, [] { return lying(level::initial, bytes(20, 0)); }},
      {"Initial: PING only", none, [] { return lying(level::initial, frame(1)); }},
      {"Initial: 1100 PINGs", none, [] { return lying(level::initial, repeated(frame(1), 1100)); }},
      {"Initial: STREAM", none, [] { return lying(level::initial, frame(0x0A, 0, 4) + bytes(4, 3)); }},
      {"Initial: HANDSHAKE_DONE", none, [] { return lying(level::initial, frame(0x1E)); }},
      {"Initial: MAX_DATA", none, [] { return lying(level::initial, frame(0x10, 1'000)); }},
      {"Initial: NEW_CONNECTION_ID", none, [] { return lying(level::initial, frame(0x18, 1, 0) + bytes{8} + bytes(24, 1)); }},
      {"Initial: PATH_CHALLENGE", none, [] { return lying(level::initial, frame(0x1A) + bytes(8, 1)); }},
      {"Initial: ACK of what was never sent", none, [] { return lying(level::initial, frame(0x02, 77, 0, 0, 0)); }},
      {"Initial: CONNECTION_CLOSE", none, [] { return lying(level::initial, frame(0x1C, 1, 0, 0)); }},
      {"Initial: a close of the application", none, [] { return lying(level::initial, frame(0x1D, 1, 0)); }},
      {"Initial: a frame that nobody knows", none, [] { return lying(level::initial, frame(0x3FFF)); }},
      {"Initial: CRYPTO of noise", none, [] { return lying(level::initial, crypto(0, bytes(900, 0x5A))); }},
      {"Initial: CRYPTO without bytes, 300 times", none, [] { return lying(level::initial, repeated(crypto(0, {}), 300)); }},
      {"Initial: CRYPTO at 100,000", none, [] { return lying(level::initial, crypto(100'000, bytes(900, 1))); }},
      {"Initial: CRYPTO at 2^62-1", none, [] { return lying(level::initial, crypto((std::uint64_t{1} << 62) - 1, bytes(900, 1))); }},
      {"Initial: CRYPTO with 150 gaps", none, [] { bytes out; for (std::uint64_t i = 0; i < 150; ++i) conform::append(out, crypto(1 + 2 * i, bytes{1})); return lying(level::initial, out); }},
      {"Initial: a ClientHello of 16 MB is announced", none, [] { return lying(level::initial, crypto(0, written("01 ffffff 0303") + bytes(900, 1))); }},
      {"Initial: a ClientHello of nothing", none, [] { return lying(level::initial, crypto(0, written("01 000000"))); }},
      {"Initial: a ServerHello", none, [] { return lying(level::initial, crypto(0, written("02 000004 03030000"))); }},
      {"Initial: a Finished", none, [] { return lying(level::initial, crypto(0, written("14 000020") + bytes(32, 1))); }},
      {"Initial: a KeyUpdate", none, [] { return lying(level::initial, crypto(0, written("18 000001 00"))); }},
      // --- Handshake packets (section 17.2.4)
      {"Handshake: PING only", either, [] { return lying(level::handshake, frame(1)); }},
      {"Handshake: STREAM", none, [] { return lying(level::handshake, frame(0x0A, 0, 4) + bytes(4, 3)); }},
      {"Handshake: HANDSHAKE_DONE", none, [] { return lying(level::handshake, frame(0x1E)); }},
      {"Handshake: CRYPTO at 100,000", either, [] { return lying(level::handshake, crypto(100'000, bytes(8, 1))); }},
      {"Handshake: a Finished of zeros", either, [] { return lying(level::handshake, crypto(0, written("14 000020") + bytes(20, 0))); }},
      {"Handshake: CONNECTION_CLOSE", none, [] { return lying(level::handshake, frame(0x1C, 1, 0, 0)); }},
      // --- tokens (section 8.1)
      {"a token of noise", done, [] { return with_token(bytes(100, 0x77)); }},
      {"a token of 900 bytes", either, [] { return with_token(bytes(900, 0x77)); }},
      {"a forged token of an address", done, [] { return with_token(bytes{0x36} + bytes(60, 0x77)); }},
      {"a forged token of a Retry", closed, [] { return with_token(bytes{0xB7} + bytes(100, 0x77)); }},
      // --- datagrams that something happens to
      {"noise behind each packet", done, [] { return bent([](bytes& d) { conform::append(d, bytes(100, 0xA5)); }); }},
      {"another Initial's head behind each packet", done, [] { return bent([](bytes& d) { conform::append(d, written("c3 00000001 08 0102030405060708 00 00 4100") + bytes(60, 0)); }); }},
      {"each datagram a byte short", none, [] { return bent([](bytes& d) { d.pop_back(); }); }},
      {"each datagram twice as long", either, [] { return bent([](bytes& d) { conform::append(d, bytes(d)); }); }},
      {"without the fixed bit", either, [] { return bent([](bytes& d) { d[0] &= 0xBF; }); }},
      {"a bit flipped in each datagram", none, [] { return bent(flipping(1, 1)); }},
      {"a bit flipped in every other datagram", either, [] { return bent(flipping(2, 2)); }},
      {"a bit flipped in every fifth datagram", either, [] { return bent(flipping(3, 5)); }},
      {"connection ids of nobody", none, [] { return bent([](bytes& d) { if ((d[0] & 0x80) == 0) d[3] ^= 0xFF; else d[8] ^= 0xFF; }); }},
  };
  return all;
}

// What has no answer is given up after so long.
constexpr milliseconds no_answer{300};

asio::awaitable<void> shake(arena& in, const line& what) {
  liar at(in, what.make());
  const bool ready = co_await at.shake_hands(what.expected == fate::done || what.expected == fate::closed ? soon : no_answer);
  if (what.expected == fate::done) check(ready, "no handshake: " + (at.ended() ? at.ended()->text : "no answer"));
  if (what.expected == fate::none) check(!ready, "the handshake was confirmed");
  if (what.expected == fate::closed) {
    check(!ready, "the handshake was confirmed");
    check(at.ended() && at.ended()->code, "not closed with a code: " + (at.ended() ? at.ended()->text : "no answer"));
  }
  liar honest(in, {});
  const bool served = co_await honest.shake_hands();
  check(served, "an honest handshake behind it fails");
}

// RFC 9000 section 8.1: three times what came from an address, until it has proved itself. On the wire, retransmissions and all.
asio::awaitable<void> amplify(arena& in, bytes first_lie) {
  liar_options options = lying(level::initial, std::move(first_lie));
  options.deaf = true;
  liar at(in, std::move(options));
  at.begin();
  co_await at.listen(connect_deadline);
  check(at.received_bytes() * 10 <= at.sent_bytes() * 30, std::to_string(at.received_bytes()) + " bytes for " + std::to_string(at.sent_bytes()));
}

// Handshakes that are begun and left alone. Others are served meanwhile; past a thousand on a shard an address has to prove itself first.
asio::awaitable<void> left_alone(arena& in, std::size_t count, bool retry) {
  std::vector<std::unique_ptr<liar>> all;
  liar_options options;
  options.deaf = true;
  std::uint64_t sent = 0, received = 0;
  for (std::size_t i = 0; i < count; ++i) {
    all.push_back(std::make_unique<liar>(in, options));
    all.back()->begin();
    if (i % 16 == 15) co_await all.back()->listen(milliseconds(1));
  }
  for (const auto& each : all) {
    co_await each->listen(milliseconds(0));
    sent += each->sent_bytes();
    received += each->received_bytes();
  }
  check(received <= 3 * sent, std::to_string(received) + " bytes for " + std::to_string(sent));
  bool retried = false;
  for (int i = 0; i < 8; ++i) {  // some of them on each shard
    liar honest(in, {});
    const bool served = co_await honest.shake_hands();
    check(served, "an honest handshake beside them fails: " + (honest.ended() ? honest.ended()->text : "no answer"));
    retried = retried || honest.retried();
  }
  check(retried || !retry, "no Retry under load");
}

// The first flight of a handshake, from its own address and from others, again and again.
asio::awaitable<void> replayed(arena& in, std::size_t times) {
  liar at(in, {});
  const bool ready = co_await at.shake_hands();
  check(ready, "no handshake");
  asio::ip::udp::socket other(in.io, asio::ip::udp::endpoint(asio::ip::make_address("127.77.0.1"), 0));
  for (std::size_t i = 0; i < times; ++i) {
    boost::system::error_code ignored;
    other.send_to(asio::buffer(at.first_datagram()), in.udp(), 0, ignored);
    if (i % 64 == 63) co_await at.listen(milliseconds(1));
  }
  const bool open = co_await at.say(frame(1)) && co_await at.taken();
  check(open, "the connection whose packet was repeated ended");
}

asio::awaitable<void> flapping(arena& in, std::size_t sockets, std::size_t packets) {
  liar_options options;
  options.sockets = sockets;
  liar at(in, std::move(options));
  const bool ready = co_await at.shake_hands();
  check(ready, "no handshake");
  for (std::size_t i = 0; i < packets; ++i) {
    const bool open = co_await at.say(frame(1));
    if (!open) co_return;
    co_await at.listen(milliseconds(1));
  }
}

// It moves to where nothing has proved it to be, and retires all of its ids but one (section 5.1.2): the server has none for the way back any more, and gives up
// the validation. The address must not pass for proven.
asio::awaitable<void> unprovable(arena& in) {
  liar at(in, {});
  const bool ready = co_await at.shake_hands();
  check(ready, "no handshake");
  co_await at.listen(milliseconds(100));
  const bool moved = at.move();
  check(moved, "the server gave no connection id to move with");
  const auto last = at.given_ids().size();  // the handshake's is number 0
  const bytes retire = frame(0x18, last, last) + at.given_ids().back();
  const bool open = co_await at.say(frame(1)) && co_await at.say(retire);
  if (open) co_await at.listen(soon);
  check(at.ended().has_value(), "not closed");
  check(at.ended()->text == "the new address did not prove itself", "closed for another reason: " + at.ended()->text);
}

// A token that the server gave to one address, from another one and twice: as good as none, and no reason to refuse (section 8.1.3).
asio::awaitable<void> borrowed_token(arena& in) {
  liar first(in, {});
  const bool ready = co_await first.shake_hands();
  check(ready, "no handshake");
  const auto end = std::chrono::steady_clock::now() + soon;
  while (first.token().empty() && std::chrono::steady_clock::now() < end) co_await first.listen(milliseconds(2));
  check(!first.token().empty(), "the server gave no token");
  for (int i = 0; i < 2; ++i) {
    liar_options options = with_token(first.token());
    liar other(in, std::move(options));
    const bool again = co_await other.shake_hands();
    check(again, "no handshake with a token of another address");
  }
}

}  // namespace

void add_quic_handshakes(cases& to) {
  const std::string family = "QUIC handshake";
  for (const auto& what : lines()) {
    const std::string expected = what.expected == fate::done     ? "confirmed within 8 s"
                                 : what.expected == fate::closed ? "closed with a code within 8 s"
                                 : what.expected == fate::none   ? "not confirmed, and an honest one behind it is within 8 s"
                                                                 : "confirmed or not, an honest one behind it is within 8 s";
    to.push_back({family, what.name, expected, [&what](arena& in) { return shake(in, what); }});
  }
  const std::string at_most = "at most 3.0 bytes for each that came";
  to.push_back({family, "an address that never answers", at_most, [](arena& in) { return amplify(in, {}); }, true});
  to.push_back({family, "an address that never answers, its ClientHello is noise", at_most, [](arena& in) { return amplify(in, crypto(0, bytes(900, 1))); }, true});
  to.push_back({family, "an address that never answers, its packet is PINGs", at_most, [](arena& in) { return amplify(in, repeated(frame(1), 1000)); }, true});
  to.push_back({family, "500 of them that are begun and left alone", at_most + ", others are served", [](arena& in) { return left_alone(in, 500, false); }});
  // Repeated while the first ones are still half open, it would not be the same case.
  to.push_back({family, "2600 of them that are begun and left alone", at_most + ", others are served after a Retry", [](arena& in) { return left_alone(in, 2600, true); },
                false, true, milliseconds(12'000)});
  to.push_back({family, "its last packet again 3000 times from elsewhere", "the connection goes on", [](arena& in) { return replayed(in, 3000); }});
  to.push_back({family, "an address that flaps between 2", "closed or served", [](arena& in) { return flapping(in, 2, 200); }});
  to.push_back({family, "an address that flaps between 50", "closed or served", [](arena& in) { return flapping(in, 50, 300); }});
  to.push_back({family, "a new address, and no connection id to validate it with", "closed", unprovable});
  to.push_back({family, "a token of another address", "confirmed within 8 s", borrowed_token});
}

}  // namespace millrace::hostile
