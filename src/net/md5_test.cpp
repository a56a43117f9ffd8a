#include "net/md5.hpp"

#include <gtest/gtest.h>

#include <string>

#include "base/hex.hpp"

namespace millrace::net {
namespace {

std::string hash(std::string_view text) { return base::hex(md5(base::as_bytes(text))); }

// RFC 1321 appendix A.5.
TEST(md5, vectors) {
  EXPECT_EQ(hash(""), "d41d8cd98f00b204e9800998ecf8427e");
  EXPECT_EQ(hash("abc"), "900150983cd24fb0d6963f7d28e17f72");
  EXPECT_EQ(hash("abcdefghijklmnopqrstuvwxyz"), "c3fcd3d76192e4007dfb496cca67e13b");
}

}  // namespace
}  // namespace millrace::net
