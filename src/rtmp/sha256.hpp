// SHA-256 (FIPS 180-4) and HMAC (RFC 2104), for the digest handshake only: the pure layers use the standard library only,
// and the handshake's keys are public, so neither speed nor constant time matters here.
#pragma once
#include <array>
#include <cstdint>

#include "base/slice.hpp"

namespace millrace::rtmp {

using sha256_digest = std::array<std::uint8_t, 32>;

// Feed with update() in any pieces, then take finish() once.
class sha256 {
 public:
  void update(base::bytes_view bytes);
  sha256_digest finish();

 private:
  void compress(const std::uint8_t* block);

  std::array<std::uint32_t, 8> state_{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<std::uint8_t, 64> block_{};
  std::uint64_t length_ = 0;  // bytes seen; length_ % 64 of them wait in block_
};

// The same for a keyed digest. Pieces matter here: a handshake digest covers the bytes before and behind itself.
class hmac_sha256_stream {
 public:
  explicit hmac_sha256_stream(base::bytes_view key);
  void update(base::bytes_view bytes) { inner_.update(bytes); }
  sha256_digest finish();

 private:
  sha256 inner_;
  sha256 outer_;
};

}  // namespace millrace::rtmp
