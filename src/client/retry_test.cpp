#include "client/retry.hpp"

#include <gtest/gtest.h>

#include <set>

namespace millrace::client {
namespace {

TEST(backoff, doubles_to_thirty_seconds_within_the_jitter) {
  const std::int64_t plain[] = {1000, 2000, 4000, 8000, 16'000, 30'000, 30'000, 30'000};
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    backoff b(seed);
    for (const auto ms : plain) {
      const auto wait = b.next().count();
      EXPECT_GE(wait, ms * 8 / 10);
      EXPECT_LE(wait, ms * 12 / 10);
    }
  }
}

TEST(backoff, jitter_differs_between_clients) {
  std::set<std::int64_t> first_waits;
  for (std::uint64_t seed = 0; seed < 100; ++seed) first_waits.insert(backoff(seed).next().count());
  EXPECT_GT(first_waits.size(), 50U);
}

TEST(backoff, starts_over_after_a_session) {
  backoff b(7);
  for (int i = 0; i < 6; ++i) static_cast<void>(b.next());
  b.reset();
  EXPECT_LE(b.next().count(), 1200);
}

TEST(backoff, stays_at_the_limit_for_ever) {
  backoff b(1);
  for (int i = 0; i < 1000; ++i) static_cast<void>(b.next());
  EXPECT_LE(b.next().count(), 36'000);
}

TEST(retry, P16_by_class) {
  using base::error_kind;
  for (auto kind : {error_kind::busy, error_kind::unreachable, error_kind::timeout, error_kind::closed, error_kind::resolve, error_kind::not_found}) {
    EXPECT_TRUE(worth_retrying(kind)) << base::name(kind);
  }
  for (auto kind : {error_kind::denied, error_kind::certificate, error_kind::usage, error_kind::input, error_kind::internal}) {
    EXPECT_FALSE(worth_retrying(kind)) << base::name(kind);
  }
}

}  // namespace
}  // namespace millrace::client
