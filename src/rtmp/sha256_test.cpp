#include "rtmp/sha256.hpp"

#include <gtest/gtest.h>

#include <string>

#include "base/hex.hpp"
#include "rtmp/handshake.hpp"

namespace millrace::rtmp {
namespace {

using base::hex;

std::string hash_in_pieces(std::string_view text, std::size_t piece) {
  sha256 hash;
  for (std::size_t i = 0; i < text.size(); i += piece) hash.update(base::as_bytes(text.substr(i, piece)));
  return hex(hash.finish());
}

TEST(sha256, examples_of_fips_180) {
  EXPECT_EQ(hash_in_pieces("", 1), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(hash_in_pieces("abc", 3), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(hash_in_pieces("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(hash_in_pieces(std::string(1'000'000, 'a'), 997), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(sha256, pieces_do_not_matter) {
  const std::string text(300, 'q');
  for (std::size_t size : {55u, 56u, 57u, 63u, 64u, 65u, 119u, 120u, 128u, 300u}) {
    const auto part = std::string_view(text).substr(0, size);
    const auto whole = hash_in_pieces(part, size);
    for (std::size_t piece : {1u, 7u, 63u, 64u, 65u}) EXPECT_EQ(hash_in_pieces(part, piece), whole) << size << " by " << piece;
  }
}

TEST(hmac_sha256, examples_of_rfc_4231) {
  EXPECT_EQ(hex(hmac_sha256(base::as_bytes(std::string(20, '\x0b')), base::as_bytes("Hi There"))),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  EXPECT_EQ(hex(hmac_sha256(base::as_bytes("Jefe"), base::as_bytes("what do ya want for nothing?"))),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(
      hex(hmac_sha256(base::as_bytes(std::string(131, '\xaa')), base::as_bytes("Test Using Larger Than Block-Size Key - Hash Key First"))),
      "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

}  // namespace
}  // namespace millrace::rtmp
