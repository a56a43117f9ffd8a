#include "rtmp/sha256.hpp"

#include <algorithm>
#include <bit>

namespace millrace::rtmp {
namespace {

// First 32 bits of the fractional parts of the cube roots of the first 64 primes (FIPS 180-4 section 4.2.2).
constexpr std::array<std::uint32_t, 64> round_constants{
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be,
    0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa,
    0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85,
    0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3,
    0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f,
    0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

constexpr std::size_t block_size = 64;

}  // namespace

void sha256::compress(const std::uint8_t* block) {
  std::array<std::uint32_t, 64> w{};
  for (std::size_t i = 0; i < 16; ++i) {
    w[i] =
        std::uint32_t{block[4 * i]} << 24 | std::uint32_t{block[4 * i + 1]} << 16 | std::uint32_t{block[4 * i + 2]} << 8 | block[4 * i + 3];
  }
  for (std::size_t i = 16; i < 64; ++i) {
    const auto small0 = std::rotr(w[i - 15], 7) ^ std::rotr(w[i - 15], 18) ^ (w[i - 15] >> 3);
    const auto small1 = std::rotr(w[i - 2], 17) ^ std::rotr(w[i - 2], 19) ^ (w[i - 2] >> 10);
    w[i] = w[i - 16] + small0 + w[i - 7] + small1;
  }
  auto [a, b, c, d, e, f, g, h] = state_;
  for (std::size_t i = 0; i < 64; ++i) {
    const auto big1 = std::rotr(e, 6) ^ std::rotr(e, 11) ^ std::rotr(e, 25);
    const auto choose = (e & f) ^ (~e & g);
    const auto t1 = h + big1 + choose + round_constants[i] + w[i];
    const auto big0 = std::rotr(a, 2) ^ std::rotr(a, 13) ^ std::rotr(a, 22);
    const auto majority = (a & b) ^ (a & c) ^ (b & c);
    h = g;
    g = f;
    f = e;
    e = d + t1;
    d = c;
    c = b;
    b = a;
    a = t1 + big0 + majority;
  }
  const std::array<std::uint32_t, 8> worked{a, b, c, d, e, f, g, h};
  for (std::size_t i = 0; i < 8; ++i) state_[i] += worked[i];
}

void sha256::update(base::bytes_view bytes) {
  while (!bytes.empty()) {
    const auto filled = static_cast<std::size_t>(length_ % block_size);
    const auto count = std::min(block_size - filled, bytes.size());
    std::copy_n(bytes.begin(), count, block_.data() + filled);
    length_ += count;
    bytes = bytes.subspan(count);
    if (filled + count == block_size) compress(block_.data());
  }
}

sha256_digest sha256::finish() {
  const auto bits = length_ * 8;
  static constexpr std::array<std::uint8_t, block_size> padding{0x80};
  const auto filled = static_cast<std::size_t>(length_ % block_size);
  update(base::bytes_view(padding).first((filled < 56 ? 56 : 120) - filled));
  std::array<std::uint8_t, 8> tail{};
  for (std::size_t i = 0; i < 8; ++i) tail[i] = static_cast<std::uint8_t>(bits >> (56 - 8 * i));
  update(tail);
  sha256_digest out{};
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<std::uint8_t>(state_[i / 4] >> (24 - 8 * (i % 4)));
  return out;
}

hmac_sha256_stream::hmac_sha256_stream(base::bytes_view key) {
  std::array<std::uint8_t, block_size> padded{};
  if (key.size() > block_size) {
    sha256 shortened;
    shortened.update(key);
    std::ranges::copy(shortened.finish(), padded.begin());
  } else {
    std::ranges::copy(key, padded.begin());
  }
  auto inner_pad = padded;
  auto outer_pad = padded;
  for (auto& byte : inner_pad) byte ^= 0x36;
  for (auto& byte : outer_pad) byte ^= 0x5c;
  inner_.update(inner_pad);
  outer_.update(outer_pad);
}

sha256_digest hmac_sha256_stream::finish() {
  const auto inner = inner_.finish();
  outer_.update(inner);
  return outer_.finish();
}

}  // namespace millrace::rtmp
