#include "server/reason_log.hpp"

#include <algorithm>

#include "base/utf8.hpp"

namespace millrace::server {

void reason_log::note(std::string_view stream, reason why, std::uint64_t connection, std::string_view remote, std::string_view detail) {
  const auto at = std::chrono::system_clock::now();
  const std::lock_guard held(lock_);
  ++counts_[static_cast<std::size_t>(why)];
  auto found = streams_.find(stream);
  if (found == streams_.end()) {
    if (streams_.size() >= streams_max) {
      streams_.erase(std::min_element(streams_.begin(), streams_.end(), [](const auto& a, const auto& b) { return a.second.newest() < b.second.newest(); }));
    }
    found = streams_.emplace(std::string(stream), event_block{}).first;
  }
  auto& events = found->second;
  for (const auto most = std::clamp(events_total / streams_.size(), events_min, events_max); events.size() >= most;) events.pop_front();
  events.push_back({++number_, at, why, connection, std::string(remote), base::valid_utf8(detail.substr(0, detail_max))});
}

std::vector<reason_event> reason_log::of(std::string_view stream) const {
  const std::lock_guard held(lock_);
  const auto found = streams_.find(stream);
  if (found == streams_.end()) return {};
  return found->second.events();
}

std::vector<std::uint64_t> reason_log::counts() const {
  const std::lock_guard held(lock_);
  return counts_;
}

}  // namespace millrace::server
