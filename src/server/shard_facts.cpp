// What a shard knows of itself, and its look at it once a second.
#include <malloc.h>

#include <algorithm>
#include <ctime>
#include <functional>

#include "server/shard.hpp"

#include "base/spare.hpp"

namespace millrace::server {
namespace {

base::instant now() { return std::chrono::steady_clock::now(); }

base::duration thread_busy() {
  timespec used{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  return std::chrono::seconds(used.tv_sec) + std::chrono::nanoseconds(used.tv_nsec);
}

}  // namespace

void shard::every_second() {
  // From the last one and not from now, or the seconds of shards would drift apart with their load.
  const auto next = second_.expiry() + std::chrono::seconds(1);
  second_.expires_at(next > now() ? next : now() + std::chrono::seconds(1));
  second_.async_wait([weak = std::weak_ptr(alive_)](boost::system::error_code failed) {
    const auto self = weak.lock();
    if (failed || !self) return;
    (*self)->sample(now());
    base::spares::tidy_thread();
    (*self)->every_second();
  });
}

void shard::sample(base::instant at) {
  const auto busy = thread_busy();
  if (sampled_ != base::instant{}) busy_ = std::chrono::duration<double>(busy - busy_before_) / std::chrono::duration<double>(at - sampled_);
  busy_before_ = busy;
  sampled_ = at;

  if (index_ == 0) memory_.look(memory_watch::resident());
  if (memory_.over()) give_way();

  std::map<std::string, float, std::less<>> backlogs;
  for (const auto& [name, one] : shared_.publications()) {
    const auto backlog = one->arrivals().take_second();
    if (one->in_effect()) backlogs[name] = backlog;
  }
  // The second that was meant: a look that comes late would be a second one of the next, and none of this.
  const auto late = std::chrono::duration_cast<std::chrono::system_clock::duration>(at - second_.expiry());
  const auto meant = (std::chrono::system_clock::now() - late).time_since_epoch();
  history_.begin(std::chrono::duration_cast<std::chrono::seconds>(meant).count(), streams_, backlogs);
  for (const auto& [id, one] : connections_) one->sample(at, history_);
  web_.sample(at, history_);
  packagers_.sample(at, history_);
}

// The tenth of the viewers that hold up most, each second, until there is room again. Whoever takes what it gets stays.
void shard::give_way() {
  std::vector<std::pair<std::uint64_t, std::uint64_t>> held;  // bytes, connection
  for (const auto& [id, one] : connections_) {
    if (const auto bytes = one->held_up(); bytes > 0) held.emplace_back(bytes, id);
  }
  web_.held_up(held);
  if (held.empty()) return;
  const auto some = (held.size() + 9) / 10;
  std::partial_sort(held.begin(), held.begin() + static_cast<std::ptrdiff_t>(some), held.end(), std::greater<>());
  for (std::size_t i = 0; i < some; ++i) {
    const auto id = held[i].second;
    if (const auto at = connections_.find(id); at != connections_.end()) {
      const auto one = at->second;
      one->give_way();
    } else if (!web_.give_way(id)) {
      continue;
    }
    memory_.count_closed();
  }
  ::malloc_trim(0);  // or the kernel would not see it
}

shard_snapshot shard::look(const look_at& what) const {
  shard_snapshot out;
  out.index = index_;
  out.viewers = fan_out_.facts();
  out.busy = busy_;
  out.peers = connections_.size() + web_.connections();
  out.lingering = resumes_.lingering();
  auto all = gone_;
  const auto at = now();
  for (const auto& [id, one] : connections_) {
    const auto bytes = one->traffic();
    all.sent += bytes.sent;
    all.received += bytes.received;
    one->count(out.protocols);
    if (what.connections) out.connections.push_back(one->facts(at));
  }
  web_.count(out.protocols);
  packagers_.count(at, out.protocols);
  if (what.connections) {
    web_.facts(at, out.connections);
    packagers_.facts(at, out.connections);
  }
  for (auto& one : out.connections) one.shard = index_;
  const auto web = web_.traffic();
  out.bytes_in = all.received + web.received;
  out.bytes_out = all.sent + web.sent;
  out.streams = history_.entries(streams_, what.seconds);
  for (auto& [name, entry] : out.streams) {
    const auto ours = shared_.feeds_of(name) + packagers_.packagers_of(name) + (recorders_ ? recorders_->viewers_of(name) : 0);
    entry.hub.viewers -= std::min(entry.hub.viewers, ours);
    entry.hub.viewers += packagers_.viewers_of(name, at);
    const auto [first, last] = shared_.publications().equal_range(name);
    for (auto one = first; one != last; ++one) {
      if (!one->second->in_effect()) continue;
      entry.owned = true;
      entry.since = one->second->since();
    }
  }
  out.rtmp = counters();
  out.http = web_.counters();
  out.http_requests = web_.requests();
  out.hand_over_lost = shared_.facts().lost;
  out.packaged = packagers_.size();
  return out;
}

std::vector<hub::frame_facts> shard::newest_group(std::string_view name) const {
  constexpr std::size_t frames_max = 2'000;
  const auto found = streams_.find(name);
  return found ? found->newest_group(frames_max) : std::vector<hub::frame_facts>();
}

bool shard::kick(std::uint64_t connection) {
  const auto at = connections_.find(connection);
  if (at == connections_.end()) return web_.kick(connection);
  const auto one = at->second;  // it may go on the way
  one->kick();
  return true;
}

}  // namespace millrace::server
