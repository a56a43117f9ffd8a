#include <algorithm>

#include "net/dialer.hpp"

namespace millrace::net {
namespace {

using namespace std::chrono_literals;
constexpr std::chrono::milliseconds head_start_unknown = 250ms;
constexpr std::chrono::minutes first_penalty = 5min;
constexpr std::chrono::minutes last_penalty = 24h;
constexpr std::size_t hosts_remembered = 4096;  // a relay with changing targets must not grow without end

}  // namespace

const dial_memory::entry* dial_memory::find(const std::string& host, std::uint16_t port) const {
  const auto found = entries_->find({host, port});
  return found == entries_->end() ? nullptr : &found->second;
}

void dial_memory::quic_succeeded(const std::string& host, std::uint16_t port, std::chrono::microseconds rtt) {
  if (entries_->size() >= hosts_remembered && find(host, port) == nullptr) entries_->erase(entries_->begin());
  (*entries_)[{host, port}] = {rtt, 0, {}};
}

void dial_memory::quic_failed(const std::string& host, std::uint16_t port, base::instant now) {
  if (entries_->size() >= hosts_remembered && find(host, port) == nullptr) entries_->erase(entries_->begin());
  auto& at = (*entries_)[{host, port}];
  auto penalty = first_penalty;
  for (int i = 0; i < at.quic_failures && penalty < last_penalty; ++i) penalty *= 2;
  ++at.quic_failures;
  at.quic_failed_until = now + std::min(penalty, last_penalty);
}

std::chrono::milliseconds dial_memory::head_start(const std::string& host, std::uint16_t port, base::instant now) const {
  const auto* known = find(host, port);
  if (known == nullptr) return head_start_unknown;
  if (known->quic_failures > 0 && now < known->quic_failed_until) return 0ms;
  if (!known->rtt) return head_start_unknown;
  return std::clamp(std::chrono::duration_cast<std::chrono::milliseconds>(*known->rtt * 2) + 50ms, 150ms, 1000ms);
}

}  // namespace millrace::net
