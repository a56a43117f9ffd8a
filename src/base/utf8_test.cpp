#include "base/utf8.hpp"

#include <gtest/gtest.h>

namespace millrace::base {
namespace {

TEST(utf8, keeps_what_is_well_formed) {
  for (const std::string text : {"", "live/a", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x8E\xA5", "\xEF\xBF\xBD", "a\tb"}) EXPECT_EQ(valid_utf8(text), text);
}

TEST(utf8, replaces_each_byte_that_belongs_to_nothing) {
  const std::string mark = "\xEF\xBF\xBD";
  EXPECT_EQ(valid_utf8("a\xFF" "b"), "a" + mark + "b");
  EXPECT_EQ(valid_utf8("\xC3"), mark);                        // cut off
  EXPECT_EQ(valid_utf8("\xC0\xAF"), mark + mark);             // '/' in two bytes
  EXPECT_EQ(valid_utf8("\xED\xA0\x80"), mark + mark + mark);  // a surrogate
  EXPECT_EQ(valid_utf8("\xF4\x90\x80\x80"), mark + mark + mark + mark);
  EXPECT_EQ(valid_utf8("\xE2\x82" "a"), mark + mark + "a");
}

}  // namespace
}  // namespace millrace::base
