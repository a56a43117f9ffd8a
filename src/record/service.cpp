#include "record/service.hpp"

#include <algorithm>
#include <cerrno>

#include "record/service_inner.hpp"

namespace millrace::record {

using base::error;
using base::error_kind;

namespace {
error taken_over() { return {error_kind::busy, "another process has taken over and records now: ask there"}; }
}  // namespace

base::instant clock::steady() { return std::chrono::steady_clock::now(); }
std::chrono::system_clock::time_point clock::utc() { return std::chrono::system_clock::now(); }

service::inner::inner(settings s, service_parts p)
    : set(std::move(s)),
      on(p.on ? std::move(p.on) : std::make_shared<disk>()),
      times(p.times ? std::move(p.times) : std::make_shared<clock>()),
      on_complete(std::move(p.on_complete)),
      list(*on, set.directory) {}

base::result<std::unique_ptr<service>> service::open(settings set, service_parts parts) {
  const bool threaded = parts.threaded && set.enabled(), parts_wait = parts.wait;
  auto made = std::make_shared<inner>(std::move(set), std::move(parts));
  if (made->set.enabled()) {
    const auto taken = made->list.lock();
    if (!taken) return taken.error();
    if (*taken) made->list.read();
    else if (parts_wait) made->has = inner::directory::waited_for;
    else return error{error_kind::local, "another process records into " + made->set.directory.string() + ": set record.directory to another place"};
  }
  if (threaded) made->thread = std::thread([i = made.get()] { i->run(); });
  return std::unique_ptr<service>(new service(std::move(made)));
}

service::service(std::shared_ptr<inner> i) : inner_(std::move(i)) {}

service::~service() {
  {
    const std::scoped_lock guard(inner_->lock);
    inner_->stopping = true;
  }
  inner_->work.notify_all();
  if (inner_->thread.joinable()) inner_->thread.join();
  inner_->end_all();
  inner_->list.unlock();  // shards may hold what is left of this a little longer
}

bool service::enabled() const noexcept { return inner_->set.enabled(); }
bool service::turn() { return inner_->turn(); }
service_facts service::facts() const { return inner_->look(); }
std::vector<recording_facts> service::recordings() const { return inner_->list.all(); }
std::optional<recording_facts> service::recording(std::string_view id) const { return inner_->list.find(id); }
std::optional<recording_facts> service::newest_recording(std::string_view stream) const { return inner_->list.newest(stream); }

base::result<void> service::start(const std::string& stream) {
  if (!enabled()) return error{error_kind::unsupported, "recording is off: set record.directory"};
  if (stream.empty()) return error{error_kind::usage, "takes the name of a stream, such as live/a"};
  std::vector<shard_door> doors;
  {
    const std::scoped_lock guard(inner_->lock);
    if (inner_->has == inner::directory::given_away) return taken_over();
    inner_->demanded.insert(stream);
    if (const auto found = inner_->seats.find(stream); found != inner_->seats.end()) found->second->retry = true;
    for (const auto& [number, door] : inner_->doors) doors.push_back(door);
  }
  for (const auto& door : doors) door.consider(stream);
  return {};
}

base::result<void> service::stop(const std::string& stream) {
  {
    const std::scoped_lock guard(inner_->lock);
    const bool asked = inner_->demanded.erase(stream) > 0;
    const auto found = inner_->seats.find(stream);
    if (found == inner_->seats.end()) {
      if (asked) return {};
      return error{error_kind::not_found, "it is not recorded"};
    }
    for (const auto& s : found->second->sources) s->stopped = true;
    inner_->ending.push_back(found->second);
    inner_->seats.erase(found);
  }
  inner_->wake();
  return {};
}

void service::give_away(std::function<void()> done) {
  {
    const std::scoped_lock guard(inner_->lock);
    inner_->has = inner::directory::given_away;
    inner_->demanded.clear();
    // Published anew, or taken back, before the disk thread has ended them all: that belongs to what comes after.
    for (const auto& [name, one] : inner_->seats) {
      for (const auto& s : one->sources) s->stopped = true;
    }
  }
  const bool added = inner_->add_job([home = inner_.get(), done] {
    home->end_seats();
    home->list.unlock();
    done();
  });
  if (!added) done();
}

void service::take(std::function<void()> done) {
  {
    const std::scoped_lock guard(inner_->lock);
    if (inner_->has == inner::directory::given_away) inner_->has = inner::directory::waited_for;
  }
  inner_->add_job([home = inner_.get(), done = std::move(done)] {
    home->take();
    done();
  });
}

bool service::wants(std::string_view stream) const {
  const std::scoped_lock guard(inner_->lock);
  return enabled() && inner_->has == inner::directory::ours && rule_for(inner_->set, stream, inner_->demanded.contains(stream));
}

std::shared_ptr<source> service::inner::begin(const std::string& stream, const std::function<void(source&)>& prepare) {
  std::shared_ptr<source> made;
  {
    const std::scoped_lock guard(lock);
    if (stopping || has == directory::given_away) return nullptr;
    if (has == directory::waited_for) {
      waiting.insert(stream);
      return nullptr;
    }
    const auto how = rule_for(set, stream, demanded.contains(stream));
    if (!how) return nullptr;
    auto& one = seats[stream];
    if (!one) one = std::make_shared<seat>(recording_context{set, *on, list, on_complete}, stream, *how);
    made = std::make_shared<source>(next_number++, stream, set);
    prepare(*made);
    one->sources.push_back(made);
  }
  wake();
  return made;
}

std::uint64_t service::inner::add_door(shard_door door) {
  const std::scoped_lock guard(lock);
  doors.emplace(next_number, std::move(door));
  return next_number++;
}

void service::inner::remove_door(std::uint64_t number) {
  const std::scoped_lock guard(lock);
  doors.erase(number);
}

bool service::inner::add_job(std::function<void()> job) {
  {
    const std::scoped_lock guard(lock);
    if (stopping || !set.enabled()) return false;
    jobs.push_back(std::move(job));
  }
  wake();
  return true;
}

// ---- reading ----------------------------------------------------------------------------------------------------

struct file_reader::state {
  recording_facts facts;
  std::shared_ptr<const disk_file> file;
  std::weak_ptr<service::inner> home;
};

file_reader::file_reader(std::unique_ptr<state> s) : state_(std::move(s)) {}
file_reader::~file_reader() = default;
const recording_facts& file_reader::facts() const noexcept { return state_->facts; }
std::uint64_t file_reader::size() const noexcept { return state_->file->size(); }
std::string_view file_reader::content_type() const noexcept { return record::content_type(state_->facts.as); }

void file_reader::read(std::uint64_t at, std::size_t count, std::function<void(base::result<base::slice>)> done) const {
  const auto left = at < size() ? size() - at : 0;
  const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>({left, count, read_max}));
  auto job = [file = state_->file, at, wanted, done] {
    auto got = file->read(at, wanted);
    if (got) done(base::slice(std::move(*got)));
    else done(error{error_kind::local, "the recording cannot be read: " + advice_for(errno)});
  };
  const auto home = state_->home.lock();
  if (!home || !home->add_job(std::move(job))) done(error{error_kind::closed, "the server is stopping"});
}

void service::open_recording(std::string id, std::function<void(base::result<std::shared_ptr<file_reader>>)> done) {
  const bool taken = inner_->add_job([home = inner_.get(), id = std::move(id), done] {
    auto s = std::make_unique<file_reader::state>();
    auto found = home->list.find(id);
    if (!found) return done(error{error_kind::not_found, "no recording has this id"});
    std::optional<disk_file> file;
    if (const int failed = home->list.open(*found, file); failed != 0)
      return done(error{failed == ENOENT ? error_kind::not_found : error_kind::local, "the recording cannot be opened: " + advice_for(failed)});
    s->facts = std::move(*found);
    s->file = std::make_shared<const disk_file>(std::move(*file));
    s->home = home->weak_from_this();
    done(std::shared_ptr<file_reader>(new file_reader(std::move(s))));
  });
  if (!taken) done(enabled() ? error{error_kind::closed, "the server is stopping"} : error{error_kind::not_found, "no recording has this id"});
}

void service::erase(std::string id, std::function<void(base::result<void>)> done) {
  const bool taken = inner_->add_job([home = inner_.get(), id = std::move(id), done] {
    const bool given_away = [&] {
      const std::scoped_lock guard(home->lock);
      return home->has == inner::directory::given_away;
    }();
    done(given_away ? base::result<void>(taken_over()) : home->list.erase(id));
  });
  if (!taken) done(enabled() ? error{error_kind::closed, "the server is stopping"} : error{error_kind::not_found, "no recording has this id"});
}

}  // namespace millrace::record
