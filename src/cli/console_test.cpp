#include "cli/console.hpp"

#include <gtest/gtest.h>

namespace millrace::cli {
namespace {

TEST(one_line, keeps_text_and_takes_control_from_it) {
  EXPECT_EQ(one_line("“live” … ok"), "“live” … ok");
  EXPECT_EQ(one_line("a\r\nb\tc\x1b[31md\x7f"), "a  b c [31md ");
  EXPECT_EQ(one_line("a\xc2\x9b"
                     "31mb\xc2\x80"),
            "a 31mb ")
      << "C1 controls, as UTF-8";
  EXPECT_EQ(one_line("a\x9b"
                     "31mb\xff\xc3"),
            "a?31mb??")
      << "and as bytes";
}

}  // namespace
}  // namespace millrace::cli
