#include "cli/exit_status.hpp"

#include <gtest/gtest.h>

#include "cli/console.hpp"

namespace millrace::cli {
namespace {
using base::error_kind;

TEST(exit_status, every_kind_has_the_status_that_help_promises) {
  const std::pair<error_kind, int> table[] = {
      {error_kind::usage, 2},       {error_kind::input, 3},       {error_kind::local, 7},    {error_kind::resolve, 4},
      {error_kind::unreachable, 4}, {error_kind::timeout, 4},     {error_kind::certificate, 5}, {error_kind::unsupported, 4},
      {error_kind::protocol, 4},    {error_kind::limit, 4},       {error_kind::denied, 6},   {error_kind::busy, 6},
      {error_kind::not_found, 6},   {error_kind::closed, 4},      {error_kind::internal, 1},
  };
  for (const auto& [kind, status] : table) EXPECT_EQ(status_of(kind), status) << base::name(kind);
}

TEST(exit_status, an_error_is_one_line_on_standard_error) {
  testing::internal::CaptureStderr();
  EXPECT_EQ(fail("push", {error_kind::denied, "no\nway\x1b[2J"}), 6);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "millrace push: no way [2J\n");
}

}  // namespace
}  // namespace millrace::cli
