#include "server/event_block.hpp"

#include <cstring>

namespace millrace::server {
namespace {

// Before the texts of each event.
struct head {
  std::uint64_t number = 0, connection = 0;
  std::chrono::system_clock::time_point at;
  std::uint32_t remote = 0, detail = 0;  // bytes
  reason why = reason::count;

  [[nodiscard]] std::size_t whole() const { return sizeof(head) + remote + detail; }
};

// Blocks are packed without gaps, so that a head may lie anywhere.
head head_at(const char* packed) {
  head h;
  std::memcpy(&h, packed, sizeof h);
  return h;
}

}  // namespace

void event_block::push_back(const reason_event& e) {
  const head h{e.number, e.connection, e.at, static_cast<std::uint32_t>(e.remote.size()), static_cast<std::uint32_t>(e.detail.size()), e.why};
  // What is gone makes room before more is asked for.
  if (packed_.size() + h.whole() > packed_.capacity()) {
    packed_.erase(packed_.begin(), packed_.begin() + static_cast<std::ptrdiff_t>(first_));
    first_ = 0;
  }
  const auto raw = reinterpret_cast<const char*>(&h);
  packed_.insert(packed_.end(), raw, raw + sizeof h);
  packed_.insert(packed_.end(), e.remote.begin(), e.remote.end());
  packed_.insert(packed_.end(), e.detail.begin(), e.detail.end());
  ++count_;
  newest_ = e.number;
}

void event_block::pop_front() {
  first_ += head_at(packed_.data() + first_).whole();
  --count_;
}

std::vector<reason_event> event_block::events() const {
  std::vector<reason_event> out;
  out.reserve(count_);
  for (auto at = packed_.data() + first_; out.size() < count_;) {
    const auto h = head_at(at);
    const auto texts = at + sizeof h;
    out.push_back({h.number, h.at, h.why, h.connection, std::string(texts, h.remote), std::string(texts + h.remote, h.detail)});
    at += h.whole();
  }
  return out;
}

}  // namespace millrace::server
