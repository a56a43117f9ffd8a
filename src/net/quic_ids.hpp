// From connection id to connection. Internal to quic_*.cpp.
#pragma once
#include <ngtcp2/ngtcp2.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>
#include <unordered_map>

#include "net/quic_crypto.hpp"

namespace millrace::net {

// Clients choose the first id of a connection, so the hash is keyed (SipHash-1-3): nobody can aim at one bucket.
class keyed_hash {
 public:
  keyed_hash() {
    std::array<std::uint8_t, 16> key{};
    quic_random(key);
    std::memcpy(&k0_, key.data(), 8);
    std::memcpy(&k1_, key.data() + 8, 8);
  }
  std::size_t operator()(std::string_view bytes) const noexcept {
    std::array<std::uint64_t, 4> v{k0_ ^ 0x736f6d6570736575u, k1_ ^ 0x646f72616e646f6du, k0_ ^ 0x6c7967656e657261u,
                                   k1_ ^ 0x7465646279746573u};
    const std::uint64_t size = bytes.size();
    for (; bytes.size() >= 8; bytes.remove_prefix(8)) absorb(v, word(bytes.data(), 8));
    absorb(v, word(bytes.data(), bytes.size()) | size << 56);
    v[2] ^= 0xff;
    for (int i = 0; i < 3; ++i) round(v);
    return static_cast<std::size_t>(v[0] ^ v[1] ^ v[2] ^ v[3]);
  }

 private:
  static std::uint64_t word(const char* from, std::size_t size) noexcept {
    std::uint64_t out = 0;
    if (size != 0) std::memcpy(&out, from, size);
    return out;
  }
  static std::uint64_t rotate(std::uint64_t x, int by) noexcept { return x << by | x >> (64 - by); }
  static void round(std::array<std::uint64_t, 4>& v) noexcept {
    v[0] += v[1];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[0] = rotate(v[0], 32);
    v[2] += v[3];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[2] = rotate(v[2], 32);
  }
  static void absorb(std::array<std::uint64_t, 4>& v, std::uint64_t m) noexcept {
    v[3] ^= m;
    round(v);
    v[0] ^= m;
  }
  std::uint64_t k0_ = 0, k1_ = 0;
};

// At most 20 bytes (RFC 9000 section 17.2), by value.
class connection_id {
 public:
  connection_id(const std::uint8_t* bytes, std::size_t size) : size_(std::min(size, bytes_.size())) {
    if (size_ != 0) std::memcpy(bytes_.data(), bytes, size_);
  }
  explicit connection_id(const ngtcp2_cid& from) : connection_id(from.data, from.datalen) {}
  [[nodiscard]] std::string_view view() const noexcept { return {bytes_.data(), size_}; }
  friend bool operator==(const connection_id& a, const connection_id& b) noexcept { return a.view() == b.view(); }
  struct hash {
    keyed_hash keyed;
    std::size_t operator()(const connection_id& id) const noexcept { return keyed(id.view()); }
  };

 private:
  std::array<char, NGTCP2_MAX_CIDLEN> bytes_{};
  std::size_t size_ = 0;
};

class quic_connection;
using connection_id_table = std::unordered_map<connection_id, quic_connection*, connection_id::hash>;

}  // namespace millrace::net
