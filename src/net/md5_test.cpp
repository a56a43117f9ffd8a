#include "net/md5.hpp"

#include <gtest/gtest.h>

#include <string>

namespace millrace::net {
namespace {

std::string hex(std::string_view text) {
  std::string out;
  for (const auto byte : md5(base::as_bytes(text))) {
    out += "0123456789abcdef"[byte >> 4];
    out += "0123456789abcdef"[byte & 15];
  }
  return out;
}

// RFC 1321 appendix A.5.
TEST(md5, vectors) {
  EXPECT_EQ(hex(""), "d41d8cd98f00b204e9800998ecf8427e");
  EXPECT_EQ(hex("abc"), "900150983cd24fb0d6963f7d28e17f72");
  EXPECT_EQ(hex("abcdefghijklmnopqrstuvwxyz"), "c3fcd3d76192e4007dfb496cca67e13b");
}

}  // namespace
}  // namespace millrace::net
