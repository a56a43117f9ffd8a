#include "rtmp/handshake_digest.hpp"

#include <algorithm>
#include <array>
#include <numeric>
#include <string_view>

#include "rtmp/handshake.hpp"
#include "rtmp/sha256.hpp"

namespace millrace::rtmp::digest {
namespace {

constexpr std::size_t digest_size = 32;
constexpr std::size_t signed_size = handshake_size - digest_size;
// 764 bytes of a block less four for the offset and 32 for the digest itself.
constexpr unsigned offset_modulus = 728;

// The text parts sign C1 and S1; the text with the 32 extra bytes behind it derives the key for C2 and S2.
constexpr std::string_view player_text = "Genuine Adobe Flash Player 001";
constexpr std::string_view server_text = "Genuine Adobe Flash Media Server 001";
constexpr std::array<std::uint8_t, 32> extra{0xf0, 0xee, 0xc2, 0x4a, 0x80, 0x68, 0xbe, 0xe8, 0x2e, 0x00, 0xd0,
                                             0xd1, 0x02, 0x9e, 0x7e, 0x57, 0x6e, 0xec, 0x5d, 0x2d, 0x29, 0x80,
                                             0x6f, 0xab, 0x93, 0xb8, 0xe6, 0x36, 0xcf, 0xeb, 0x31, 0xae};
static_assert(player_text.size() == 30 && server_text.size() == 36);

std::string_view text_of(side from) { return from == side::client ? player_text : server_text; }

std::size_t position(base::bytes_view packet, layout where) {
  const auto block = static_cast<std::size_t>(where);
  const auto offset = packet.subspan(block, 4);
  return block + 4 + std::accumulate(offset.begin(), offset.end(), 0u) % offset_modulus;
}

sha256_digest digest_around(base::bytes_view packet, std::size_t hole, side from) {
  hmac_sha256_stream mac(base::as_bytes(text_of(from)));
  mac.update(packet.first(hole));
  mac.update(packet.subspan(hole + digest_size));
  return mac.finish();
}

sha256_digest signature(base::bytes_view answer, base::bytes_view to, layout where, side from) {
  const auto text = base::as_bytes(text_of(from));
  std::array<std::uint8_t, server_text.size() + extra.size()> key{};
  std::ranges::copy(text, key.begin());
  std::ranges::copy(extra, key.begin() + static_cast<std::ptrdiff_t>(text.size()));
  const auto derived = hmac_sha256(base::bytes_view(key).first(text.size() + extra.size()), to.subspan(position(to, where), digest_size));
  return hmac_sha256(derived, answer.first(signed_size));
}

}  // namespace

void imprint(std::span<std::uint8_t> packet, layout where, side from) {
  const auto at = position(packet, where);
  std::ranges::copy(digest_around(packet, at, from), packet.begin() + static_cast<std::ptrdiff_t>(at));
}

std::optional<layout> find(base::bytes_view packet, side from) {
  for (const auto where : {layout::at_772, layout::at_8}) {
    const auto at = position(packet, where);
    if (std::ranges::equal(digest_around(packet, at, from), packet.subspan(at, digest_size))) return where;
  }
  return std::nullopt;
}

void sign(std::span<std::uint8_t> answer, base::bytes_view to, layout where, side from) {
  std::ranges::copy(signature(answer, to, where, from), answer.begin() + static_cast<std::ptrdiff_t>(signed_size));
}

bool signs(base::bytes_view answer, base::bytes_view to, side from) {
  const auto where = find(to, from == side::client ? side::server : side::client);
  return where && std::ranges::equal(signature(answer, to, *where, from), answer.subspan(signed_size));
}

}  // namespace millrace::rtmp::digest
