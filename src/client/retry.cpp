#include "client/retry.hpp"

#include <algorithm>

namespace millrace::client {

std::chrono::milliseconds backoff::next() {
  constexpr std::int64_t most_ms = 30'000;
  const std::int64_t base_ms = std::min(most_ms, std::int64_t{1000} << std::min(attempts_, 5U));
  ++attempts_;
  // splitmix64: jitter needs no more than an even spread.
  state_ += 0x9e3779b97f4a7c15ULL;
  std::uint64_t z = state_;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  z ^= z >> 31;
  const auto permille = 800 + static_cast<std::int64_t>(z % 401);
  return std::chrono::milliseconds(base_ms * permille / 1000);
}

bool worth_retrying(base::error_kind kind) {
  switch (kind) {
    case base::error_kind::resolve:
    case base::error_kind::unreachable:
    case base::error_kind::timeout:
    case base::error_kind::protocol:
    case base::error_kind::busy:
    case base::error_kind::not_found:
    case base::error_kind::closed: return true;
    case base::error_kind::usage:
    case base::error_kind::input:
    case base::error_kind::local:
    case base::error_kind::certificate:
    case base::error_kind::unsupported:
    case base::error_kind::limit:
    case base::error_kind::denied:
    case base::error_kind::internal: return false;
  }
  return false;
}

}  // namespace millrace::client
