#include "rtmp/handshake.hpp"

#include <algorithm>
#include <chrono>
#include <span>
#include <string>
#include <string_view>

#include "base/fifo.hpp"
#include "rtmp/handshake_digest.hpp"
#include "rtmp/sha256.hpp"

namespace millrace::rtmp {
namespace {

constexpr std::uint8_t rtmp_version = 3;        // RTMP 1.0 section 5.2.2
constexpr std::uint8_t version_forbidden = 32;  // from here on a first byte could be printable text: never RTMP

// C1/S1 bytes 4 to 7 in the digest form. Peers only ask whether they are non-zero or whether the first is at least 3.
constexpr std::array<std::uint8_t, 4> client_version{9, 0, 124, 2};
constexpr std::array<std::uint8_t, 4> server_version{4, 5, 0, 1};

// SplitMix64. The bytes only have to differ between connections: the handshake proves nothing (RTMP 1.0 section 5.2.3).
class generator {
 public:
  explicit generator(std::uint64_t seed) : state_(seed) {}
  void fill(std::span<std::uint8_t> out) {
    for (std::size_t i = 0; i < out.size(); i += 8) {
      state_ += 0x9e3779b97f4a7c15;
      auto z = state_;
      z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
      z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
      z ^= z >> 31;
      for (std::size_t k = i; k < std::min(i + 8, out.size()); ++k, z >>= 8) out[k] = static_cast<std::uint8_t>(z);
    }
  }

 private:
  std::uint64_t state_;
};

// Time, four zero bytes or a version, random (RTMP 1.0 section 5.2.3).
std::vector<std::uint8_t> first_packet(std::uint32_t time, std::span<const std::uint8_t, 4> version, std::uint64_t seed) {
  std::vector<std::uint8_t> packet(handshake_size);
  for (std::size_t i = 0; i < 4; ++i) packet[i] = static_cast<std::uint8_t>(time >> (24 - 8 * i));
  std::ranges::copy(version, packet.begin() + 4);
  generator(seed).fill(std::span(packet).subspan(8));
  return packet;
}

std::uint32_t milliseconds(base::instant now) {
  return static_cast<std::uint32_t>(std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count());
}

// Time and random must come back; bytes 4 to 7 carry a time of the echoing side or whatever it likes.
bool echoes(base::bytes_view echo, base::bytes_view original) {
  return std::ranges::equal(echo.first(4), original.first(4)) && std::ranges::equal(echo.subspan(8), original.subspan(8));
}

// What a first byte that is not RTMP most likely means. Only the byte itself is certain, so it stands in the text too.
std::string first_byte_text(std::uint8_t byte) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string text = "first byte 0x";
  text += digits[byte >> 4];
  text += digits[byte & 15];
  return text;
}
std::string_view guess_sent(std::uint8_t byte) {
  switch (byte) {
    case 0x16: return ": TLS on a plain RTMP port";
    case 'G':
    case 'P':
    case 'H':
    case 'O':
    case 'D':
    case 'C':
    case 'T': return ": HTTP on an RTMP port";
    case 'S': return ": SSH or RTSP on an RTMP port";
    case 0x80: return ": an old SSL hello on an RTMP port";
    default: return "";
  }
}
std::string_view guess_answered(std::uint8_t byte) {
  switch (byte) {
    case 0x15:
    case 0x16: return ": the server speaks TLS here; use rtmps://";
    case 'H': return ": the server speaks HTTP here";
    case 'S': return ": the server speaks SSH here";
    default: return "";
  }
}

// Moves bytes from the front of `bytes` into `in` until it holds one packet; true when it does.
bool gather(std::vector<std::uint8_t>& in, base::bytes_view& bytes) {
  const auto count = std::min(handshake_size - in.size(), bytes.size());
  in.insert(in.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(count));
  bytes = bytes.subspan(count);
  return in.size() == handshake_size;
}

void append(std::vector<std::uint8_t>& out, base::bytes_view bytes) { out.insert(out.end(), bytes.begin(), bytes.end()); }

}  // namespace

std::array<std::uint8_t, 32> hmac_sha256(base::bytes_view key, base::bytes_view text) {
  hmac_sha256_stream mac(key);
  mac.update(text);
  return mac.finish();
}

server_handshake::server_handshake(std::uint64_t seed) : seed_(seed) {}

base::result<std::size_t> server_handshake::receive(base::instant now, base::bytes_view bytes) {
  const auto offered = bytes.size();
  if (!version_seen_ && !bytes.empty()) {
    const auto version = bytes.front();
    // H1: 0 to 2 are old, 4 to 31 are for later (6 is RTMPE): all of them are answered with 3, and the client decides.
    if (version >= version_forbidden || version == 0x16) {
      return base::error{base::error_kind::protocol, "not RTMP, " + first_byte_text(version) + std::string(guess_sent(version))};
    }
    bytes = bytes.subspan(1);
    version_seen_ = true;
  }
  if (version_seen_ && !c1_done_ && gather(in_, bytes)) {
    answer_c1(now);
    in_.clear();
    c1_done_ = true;
  }
  if (c1_done_ && !done_ && gather(in_, bytes)) {
    // H5: many senders answer with anything, and a C2 proves nothing, so a wrong one is only noted. In the digest form a signed C2
    // and a plain echo are both in use.
    echo_mismatch_ = !echoes(in_, s1_) && !(digest_ && digest::signs(in_, s1_, digest::side::client));
    base::give_back(in_);
    base::give_back(s1_);
    done_ = true;
  }
  return offered - bytes.size();
}

void server_handshake::answer_c1(base::instant now) {
  static constexpr std::array<std::uint8_t, 4> no_version{};
  const base::bytes_view c1(in_);
  const bool versioned = std::ranges::any_of(c1.subspan(4, 4), [](std::uint8_t b) { return b != 0; });
  const auto layout = versioned ? digest::find(c1, digest::side::client) : std::nullopt;
  digest_ = layout.has_value();
  s1_ = first_packet(milliseconds(now), digest_ ? server_version : no_version, seed_);
  out_.push_back(rtmp_version);
  if (layout) {
    digest::imprint(s1_, *layout, digest::side::server);
    std::vector<std::uint8_t> s2(handshake_size);
    generator(~seed_).fill(s2);
    digest::sign(s2, c1, *layout, digest::side::server);
    append(out_, s1_);
    append(out_, s2);
  } else {
    // The whole of C1 goes back, bytes 4 to 7 included: librtmp compares all 1536 and warns its user otherwise, and nobody reads the
    // time that RTMP 1.0 section 5.2.4 puts there.
    append(out_, s1_);
    append(out_, c1);
  }
}

std::vector<std::uint8_t> server_handshake::poll_output() { return std::exchange(out_, {}); }

client_handshake::client_handshake(std::uint64_t seed, bool digest) : digest_(digest), seed_(seed) {
  static constexpr std::array<std::uint8_t, 4> no_version{};
  // Time 0 is allowed and spares the constructor a clock (RTMP 1.0 section 5.2.3).
  c1_ = first_packet(0, digest ? client_version : no_version, seed);
  if (digest) digest::imprint(c1_, digest::layout::at_8, digest::side::client);
  out_.push_back(rtmp_version);
  append(out_, c1_);
}

base::result<std::size_t> client_handshake::receive(base::instant now, base::bytes_view bytes) {
  static_cast<void>(now);  // the same signature as the server's; the client stamps nothing
  const auto offered = bytes.size();
  if (!version_seen_ && !bytes.empty()) {
    const auto version = bytes.front();
    if (version >= version_forbidden || version == 0x15 || version == 0x16) {
      return base::error{base::error_kind::protocol,
                         "the answer is not RTMP, " + first_byte_text(version) + std::string(guess_answered(version))};
    }
    if (version != rtmp_version) {
      return base::error{base::error_kind::unsupported, "the server answers with RTMP version " + std::to_string(version) + ", expected 3"};
    }
    bytes = bytes.subspan(1);
    version_seen_ = true;
  }
  if (version_seen_ && !s1_done_ && gather(in_, bytes)) {
    answer_s1();
    in_.clear();
    s1_done_ = true;
  }
  if (s1_done_ && !done_ && gather(in_, bytes)) {
    const bool signed_well = server_digest_ && digest::signs(in_, c1_, digest::side::server);
    echo_mismatch_ = !signed_well && !echoes(in_, c1_);
    base::give_back(in_);
    base::give_back(c1_);
    done_ = true;
  }
  return offered - bytes.size();
}

void client_handshake::answer_s1() {
  const auto layout = digest_ ? digest::find(in_, digest::side::server) : std::nullopt;
  server_digest_ = layout.has_value();
  if (!server_digest_) {  // the simple form, also towards a server that answered a digest with it
    append(out_, in_);
    return;
  }
  std::vector<std::uint8_t> c2(handshake_size);
  generator(~seed_).fill(c2);
  digest::sign(c2, in_, *layout, digest::side::client);
  append(out_, c2);
}

std::vector<std::uint8_t> client_handshake::poll_output() { return std::exchange(out_, {}); }

}  // namespace millrace::rtmp
