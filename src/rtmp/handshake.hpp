// C0 C1 C2 / S0 S1 S2: simple (RTMP 1.0 section 5.2) and digest form, both roles, any splitting of the bytes.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/result.hpp"
#include "base/slice.hpp"
#include "base/time.hpp"

namespace millrace::rtmp {

inline constexpr std::size_t handshake_size = 1536;

// HMAC-SHA256 (RFC 2104, FIPS 180-4) for the digest form; here because the pure layers use the standard library only.
std::array<std::uint8_t, 32> hmac_sha256(base::bytes_view key, base::bytes_view text);

// Server role. Feed receive() until done(); bytes after C2 are left to the caller.
// Answers S0S1 after C0 (H3: digest form has to see C1 first, so S0S1S2 leave together after C1), checks the version byte (H1),
// finds a digest in either layout (H6) and falls back to the simple form on the same bytes (H8).
class server_handshake {
 public:
  explicit server_handshake(std::uint64_t seed);
  // Returns how many bytes of `bytes` were consumed. Errors name the first byte seen ("TLS on a plain port", "HTTP …").
  base::result<std::size_t> receive(base::instant now, base::bytes_view bytes);
  [[nodiscard]] bool done() const noexcept { return done_; }
  [[nodiscard]] bool digest() const noexcept { return digest_; }
  [[nodiscard]] bool echo_mismatch() const noexcept { return echo_mismatch_; }  // C2 did not echo S1: tolerated (H5)
  std::vector<std::uint8_t> poll_output();

 private:
  void answer_c1(base::instant now);

  std::uint64_t seed_;
  std::vector<std::uint8_t> in_;
  std::vector<std::uint8_t> out_;
  std::vector<std::uint8_t> s1_;
  bool version_seen_ = false;
  bool c1_done_ = false;
  bool done_ = false;
  bool digest_ = false;
  bool echo_mismatch_ = false;
};

// Client role. poll_output() gives C0C1 at once, C2 after S1. done() once S2 was read whole (what it echoes is not checked strictly:
// servers differ); commands may follow from then on (H3).
class client_handshake {
 public:
  client_handshake(std::uint64_t seed, bool digest);
  base::result<std::size_t> receive(base::instant now, base::bytes_view bytes);
  [[nodiscard]] bool done() const noexcept { return done_; }
  [[nodiscard]] bool digest() const noexcept { return server_digest_; }  // the server answered in the digest form
  [[nodiscard]] bool echo_mismatch() const noexcept { return echo_mismatch_; }  // S2 neither echoed nor signed C1: tolerated
  std::vector<std::uint8_t> poll_output();

 private:
  void answer_s1();

  bool digest_;  // wished for
  std::uint64_t seed_;
  std::vector<std::uint8_t> in_;
  std::vector<std::uint8_t> out_;
  std::vector<std::uint8_t> c1_;
  bool version_seen_ = false;
  bool s1_done_ = false;
  bool done_ = false;
  bool server_digest_ = false;
  bool echo_mismatch_ = false;
};

}  // namespace millrace::rtmp
