// The disk thread of a record::service.
#include <algorithm>
#include <cerrno>

#include "base/log.hpp"
#include "record/service_inner.hpp"

namespace millrace::record {
namespace log = base::log;
namespace {

// Frames wait so long for the next turn: they are written in larger pieces, and the shards need not wake anybody.
constexpr std::chrono::milliseconds turn_every{200};
constexpr std::chrono::seconds idle_every{5};
constexpr std::chrono::seconds look_at_room_every{5};
constexpr std::size_t jobs_per_turn = 64;

void add(losses& to, const losses& more) {
  for (std::size_t i = 0; i < to.size(); ++i) to[i] += more[i];
}

}  // namespace

void service::inner::run() {
  for (;;) {
    const bool more = turn();
    std::unique_lock guard(lock);
    if (stopping) return;
    if (more || !jobs.empty()) continue;
    const bool idle = seats.empty() && ending.empty();
    work.wait_for(guard, idle ? std::chrono::milliseconds(idle_every) : turn_every, [&] { return stopping || !jobs.empty() || (idle && !seats.empty()); });
    if (stopping) return;
  }
}

bool service::inner::turn() {
  std::vector<seat_ptr> now_open, now_ending;
  std::vector<std::function<void()>> now_jobs;
  {
    const std::scoped_lock guard(lock);
    for (const auto& [name, one] : seats) now_open.push_back(one);
    now_ending = std::exchange(ending, {});
    while (!jobs.empty() && now_jobs.size() < jobs_per_turn) {
      now_jobs.push_back(std::move(jobs.front()));
      jobs.pop_front();
    }
  }
  for (const auto& one : now_ending) serve(one, true);
  for (const auto& one : now_open) serve(one, false);
  for (const auto& job : now_jobs) job();
  const auto now = times->steady();
  if (!room_known_ || now - room_at_ >= look_at_room_every) {
    room_known_ = true;
    room_at_ = now;
    const auto seen = on->space(list.directory());
    const std::scoped_lock guard(lock);
    room = seen;
  }
  return list.repair();
}

// One turn of one recording. True when it is over.
bool service::inner::serve(const seat_ptr& one, bool ended) {
  auto& files = one->files;
  {
    const std::scoped_lock guard(lock);
    if (std::exchange(one->retry, false)) files.retry();
  }
  bool over = ended;
  for (;;) {
    std::shared_ptr<source> from, next;
    {
      const std::scoped_lock guard(lock);
      from = one->sources.front();
      if (one->sources.size() > 1) next = one->sources[1];
    }
    auto taken = from->queue.take();
    const now_times now{times->steady(), times->utc()};
    for (const auto& f : taken.frames) {
      // Somebody publishes it on another shard by now. What the old one gets of that, to show to its viewers, comes from there.
      if (next && one->publication != 0 && f.publication != one->publication) continue;
      one->publication = f.publication;
      files.take(f, now);
    }
    files.flush(now);
    if (from->queue.done(taken.bytes, times->steady()) && from->on_room) from->on_room();
    const bool empty = from->queue.look(now.steady).empty;
    const bool gone = taken.gone_since.has_value();
    if (next && (ended || (gone && empty) || !next->queue.look(now.steady).empty)) {
      {
        const std::scoped_lock guard(lock);
        one->sources.pop_front();
        one->lost_before += from->queue.look(now.steady).lost;
      }
      files.next_source();
      one->publication = 0;
      if (from->on_over) from->on_over(false);
      continue;
    }
    if (!ended && gone && empty && !next && now.steady - *taken.gone_since >= set.linger) {
      const std::scoped_lock guard(lock);
      // Under the lock, so that a shard which has it again finds this seat or none.
      const auto found = seats.find(files.stream());
      if (one->sources.size() == 1 && found != seats.end() && found->second == one) {
        seats.erase(found);
        over = true;
      }
    }
    if (over) {
      files.end();
      bool again = !ended;
      if (ended) {
        const std::scoped_lock guard(lock);
        again = demanded.contains(files.stream());  // and wanted once more meanwhile
      }
      if (from->on_over) from->on_over(again);
    } else {
      files.tick(now);
    }
    const std::scoped_lock guard(lock);
    one->publisher = !gone;
    note(*one, over);
    return over;
  }
}

// Under the lock.
void service::inner::note(seat& one, bool over) {
  const auto& files = one.files;
  auto& f = one.facts;
  const auto& what = files.facts();
  const auto& counts = files.counts();
  f.stream = files.stream();
  f.as = files.how().as;
  f.id = files.writing() ? what.id : std::string();
  f.file = files.writing() ? what.file : std::string();
  f.duration_ms = files.writing() ? what.duration_ms : 0;
  f.bytes = files.writing() ? what.bytes : 0;
  f.files = counts.files;
  f.bytes_total = counts.bytes;
  f.lost = counts.lost;
  f.failure = files.failure();
  f.publisher = one.publisher;
  one.failures = counts.failures;
  auto lost = one.lost_before;
  for (const auto& s : one.sources) lost += s->queue.look({}).lost;
  f.lost[static_cast<std::size_t>(loss::disk_too_slow)] = lost;
  if (!over) return;
  totals.files += counts.files;
  totals.bytes += counts.bytes;
  totals.failures += counts.failures;
  add(totals.lost, f.lost);
}

void service::inner::end_all() {
  std::deque<std::function<void()>> left;
  {
    const std::scoped_lock guard(lock);
    stopping = true;
    left = std::exchange(jobs, {});
  }
  end_seats();
  for (const auto& job : left) job();
}

void service::inner::end_seats() {
  std::vector<seat_ptr> all;
  {
    const std::scoped_lock guard(lock);
    for (const auto& [name, one] : seats) all.push_back(one);
    seats.clear();
    for (auto& one : std::exchange(ending, {})) all.push_back(std::move(one));
  }
  for (const auto& one : all) serve(one, true);
}

void service::inner::take() {
  {
    const std::scoped_lock guard(lock);
    if (has != directory::waited_for) return;
  }
  const auto taken = list.lock();
  if (!taken || !*taken) {
    log::error("recordings: {}: nothing is recorded until a restart", taken ? "another process records into " + set.directory.string() : taken.error().text);
    const std::scoped_lock guard(lock);
    has = directory::given_away;
    waiting.clear();
    return;
  }
  list.read();
  std::set<std::string, std::less<>> streams;
  std::vector<shard_door> all;
  {
    const std::scoped_lock guard(lock);
    has = directory::ours;
    streams = std::exchange(waiting, {});
    for (const auto& [number, door] : doors) all.push_back(door);
  }
  log::info("recordings: {} is ours now", set.directory.string());
  for (const auto& stream : streams) {
    for (const auto& door : all) door.consider(stream);
  }
}

service_facts service::inner::look() const {
  const auto now = times->steady();
  service_facts out;
  {
    const std::scoped_lock guard(lock);
    out = totals;
    out.room = room;
    out.demanded.assign(demanded.begin(), demanded.end());
    for (const auto& [name, one] : seats) {
      auto f = one->facts;
      f.stream = name;
      auto lost = one->lost_before;
      for (const auto& s : one->sources) {
        const auto seen = s->queue.look(now);
        f.queue_bytes += seen.bytes;
        f.queue_age = std::max(f.queue_age, seen.age);
        lost += seen.lost;
      }
      f.lost[static_cast<std::size_t>(loss::disk_too_slow)] = lost;
      out.files += f.files;
      out.bytes += f.bytes_total;
      out.failures += one->failures;
      add(out.lost, f.lost);
      out.active.push_back(std::move(f));
    }
  }
  out.enabled = set.enabled();
  out.recordings = list.size();
  out.list_complete = list.repaired();
  return out;
}

}  // namespace millrace::record
