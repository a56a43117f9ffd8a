#include "http/range.hpp"

#include <gtest/gtest.h>

namespace millrace::http {
namespace {

TEST(range, says_which_bytes) {
  const struct {
    const char* header;
    std::uint64_t first, count;
  } cases[] = {{"bytes=0-0", 0, 1}, {"bytes=0-", 0, 100}, {"bytes=10-19", 10, 10}, {"bytes=90-1000", 90, 10}, {"bytes=-5", 95, 5}, {"bytes=-1000", 0, 100}, {"bytes=99-", 99, 1}};
  for (const auto& one : cases) {
    const auto wish = read_range(one.header, 100);
    ASSERT_TRUE(wish.satisfiable && wish.part) << one.header;
    EXPECT_EQ(wish.part->first, one.first) << one.header;
    EXPECT_EQ(wish.part->count, one.count) << one.header;
  }
}

TEST(range, gives_all_where_it_is_not_understood) {
  EXPECT_FALSE(read_range(std::nullopt, 100).part);
  for (const auto* const header : {"", "bytes", "bytes=", "bytes=-", "bytes=a-b", "bytes=5", "bytes=5-4", "bytes=0-1,3-4", "items=0-1", "bytes=1-2x", "bytes=99999999999999999999-"}) {
    const auto wish = read_range(header, 100);
    EXPECT_TRUE(wish.satisfiable) << header;
    EXPECT_FALSE(wish.part) << header;
  }
}

TEST(range, cannot_be_satisfied_behind_the_end) {
  for (const auto* const header : {"bytes=100-", "bytes=100-200", "bytes=-0"}) EXPECT_FALSE(read_range(header, 100).satisfiable) << header;
  EXPECT_FALSE(read_range("bytes=0-", 0).satisfiable);
  EXPECT_FALSE(read_range("bytes=-1", 0).satisfiable);
}

}  // namespace
}  // namespace millrace::http
