// The digests inside C1, S1, C2 and S2 of the digest form. Never specified in public: what is here is what the players and servers
// in use agree on. It authenticates nobody (the keys are known to everyone); some players insist on it.
#pragma once
#include <cstdint>
#include <optional>
#include <span>

#include "base/slice.hpp"

namespace millrace::rtmp::digest {

enum class side : std::uint8_t { client, server };

// Where the block with the digest starts. Its first four bytes add up to where the digest lies inside it.
enum class layout : std::uint16_t { at_8 = 8, at_772 = 772 };

// All packets are handshake_size bytes.

// Puts the digest of the sender `from` into a C1 or S1.
void imprint(std::span<std::uint8_t> packet, layout where, side from);
// In which layout, if any, a C1 or S1 carries a valid digest of `from`.
std::optional<layout> find(base::bytes_view packet, side from);
// Signs a C2 or S2 of `from` in answer to the peer's C1 or S1, which carries its digest in layout `where`: the last 32 bytes become
// the HMAC of those before them, under a key that is derived from the peer's digest.
void sign(std::span<std::uint8_t> answer, base::bytes_view to, layout where, side from);
// Whether an answer of `from` to the digest in `to` is signed so. `to` is ours: its layout is searched.
bool signs(base::bytes_view answer, base::bytes_view to, side from);

}  // namespace millrace::rtmp::digest
