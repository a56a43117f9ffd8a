#include "record/index.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <iterator>
#include <set>
#include <system_error>

#include "base/log.hpp"
#include "record/flv_head.hpp"
#include "record/writer.hpp"

namespace millrace::record {
namespace {

namespace fs = std::filesystem;
namespace log = base::log;
using base::error;
using base::error_kind;

constexpr std::string_view lines_directory = ".millrace";
constexpr std::uintmax_t line_bytes_max = 16u << 10;
constexpr unsigned create_tries_max = 100;  // against somebody who makes files of the same names
// A file with less than this and nothing that plays has a beginning and no frames.
constexpr std::uint64_t empty_bytes_max = flv_head_bytes_max;
// Of a stray at a time, each of a quarter of a megabyte at most where it is usual: a tenth of a second on a slow disk, which streams that are being
// recorded wait for.
constexpr unsigned reads_per_repair = 32;

}  // namespace

// A stray that is being read. Stays where it is in memory.
struct index::repairing {
  repairing(stray s, disk_file f) : what(std::move(s.what)), ours(s.ours), file(std::move(f)) {}
  recording_facts what;
  const bool ours;
  disk_file file;
  unsigned reads = 0;
  bool lost = false;  // the disk does not give all of it
  std::unique_ptr<file_scan> scan;
};

index::index(disk& on, fs::path directory) : disk_(on), directory_(std::move(directory)) {}
index::~index() { unlock(); }

void index::unlock() {
  repairing_.reset();
  if (lock_fd_ < 0) return;
  ::close(std::exchange(lock_fd_, -1));
  const std::scoped_lock guard(lock_);
  strays_.clear();
}

fs::path index::line_of(std::string_view id) const { return directory_ / lines_directory / (std::string(id) + ".json"); }

base::result<bool> index::lock() {
  const auto lines = directory_ / lines_directory;
  if (const int failed = disk_.make_directories(lines / "lock"); failed != 0)
    return error{error_kind::local, fmt::format("cannot record into {}: {}", directory_.string(), advice_for(failed))};
  // The list and the mending of files are one process's business.
  if (lock_fd_ < 0) lock_fd_ = ::open((lines / "lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);  // NOLINT: variadic
  if (lock_fd_ < 0) return error{error_kind::local, fmt::format("cannot record into {}: {}", directory_.string(), advice_for(errno))};
  return ::flock(lock_fd_, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK;
}

void index::read() {
  const auto lines = directory_ / lines_directory;
  std::vector<recording_facts> found;
  std::deque<stray> unfinished;
  std::error_code failure;
  for (fs::directory_iterator at(lines, failure), end; !failure && at != end; at.increment(failure)) {
    const auto path = at->path();
    if (path.extension() == ".new") {  // of a crash amid replace_file()
      disk_.unlink(path.c_str());
      continue;
    }
    std::error_code ignored;
    if (path.extension() != ".json" || !at->is_regular_file(ignored) || at->file_size(ignored) > line_bytes_max) continue;
    std::ifstream in(path, std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    auto r = parse_recording(text);
    if (!r || path.stem() != r->id) {
      log::warning("recordings: {} is damaged and made anew from its recording, if that is there", path.filename().string());
      disk_.unlink(path.c_str());
      continue;
    }
    if (!fs::is_regular_file(fs::symlink_status(directory_ / r->file, ignored))) {
      disk_.unlink(path.c_str());  // somebody took the file away
      continue;
    }
    if (r->state == recording_state::writing) unfinished.push_back({*r, true});
    found.push_back(std::move(*r));
  }
  find_strays(found, unfinished);
  const std::scoped_lock guard(lock_);
  all_.clear();
  by_stream_.clear();
  for (const auto& r : found) list(r);
  strays_ = std::move(unfinished);
}

// Recordings without a line. Not under the lock: it is a walk through all of the directory.
void index::find_strays(const std::vector<recording_facts>& listed, std::deque<stray>& to) const {
  std::set<std::string, std::less<>> known;
  for (const auto& r : listed) known.insert(r.file);
  std::error_code failure;
  for (fs::recursive_directory_iterator at(directory_, fs::directory_options::skip_permission_denied, failure), end; !failure && at != end; at.increment(failure)) {
    const auto& path = at->path();
    std::error_code ignored;
    if (path.filename().native().starts_with('.')) {
      at.disable_recursion_pending();
      continue;
    }
    const auto ending = path.extension();
    if ((ending != ".flv" && ending != ".mp4") || !fs::is_regular_file(at->symlink_status(ignored))) continue;
    recording_facts r;
    r.file = path.lexically_relative(directory_).string();
    if (known.contains(r.file)) continue;
    r.as = ending == ".flv" ? format::flv : format::mp4;
    to.push_back({std::move(r), false});
  }
}

bool index::repair() {
  if (!repairing_) repairing_ = begin_repair();
  if (repairing_) {
    repairing_->reads = 0;
    while (repairing_->scan->step()) {
      if (repairing_->reads >= reads_per_repair) return true;
    }
    end_repair(*repairing_);
    repairing_.reset();
  }
  const std::scoped_lock guard(lock_);
  if (!strays_.empty()) strays_.pop_front();
  return !strays_.empty();
}

// Null: nothing is to be done about the first one.
std::unique_ptr<index::repairing> index::begin_repair() {
  stray one;
  {
    const std::scoped_lock guard(lock_);
    if (strays_.empty()) return nullptr;
    one = strays_.front();
    // Begun since the start.
    if (!one.ours && std::ranges::any_of(all_, [&](const auto& each) { return each.second.file == one.what.file; })) return nullptr;
  }
  const auto path = directory_ / one.what.file;
  std::optional<disk_file> file;
  int failed = disk_file::open(disk_, path, one.ours, file);
  if (failed != 0 && one.ours) failed = disk_file::open(disk_, path, false, file);
  if (failed != 0) {
    log::warning("recordings: {} cannot be read: {}", one.what.file, advice_for(failed));
    if (!one.ours) return nullptr;
    // Nobody writes it, so it may be removed. Its line stays as it was: another start may read it.
    one.what.state = recording_state::recovered;
    const std::scoped_lock guard(lock_);
    list(one.what);
    return nullptr;
  }
  auto made = std::make_unique<repairing>(std::move(one), std::move(*file));
  made->scan = (made->what.as == format::flv ? begin_flv_scan : begin_mp4_scan)(
      [r = made.get()](std::uint64_t at, std::size_t count) {
        ++r->reads;
        auto got = r->file.read(at, count);
        r->lost = r->lost || !got;
        return got;
      },
      made->file.size());
  return made;
}

void index::end_repair(repairing& one) {
  auto r = std::move(one.what);
  auto& file = one.file;
  const bool ours = one.ours, lost = one.lost;
  const auto facts = one.scan->facts();
  const auto path = directory_ / r.file;
  if (!file.has_name()) {  // somebody took it away meanwhile
    if (ours) forget(r.id);
    return;
  }
  if (lost) log::warning("recordings: {} cannot be read to its end and is left as it is", r.file);
  if (!facts.readable && !ours) return;  // somebody else's, perhaps
  if (!facts.readable && !lost && file.size() <= empty_bytes_max) {
    log::warning("recordings: {} has nothing in it that plays; it is removed", r.file);
    disk_.unlink(path.c_str());
    forget(r.id);
    return;
  }
  if (ours && !lost && facts.readable) {
    // What lies behind is half a fragment or tag.
    if (facts.whole_bytes < file.size()) file.shorten(facts.whole_bytes);
    if (r.as == format::flv) {
      const auto begin = file.read(0, flv_head_bytes_max);
      const auto head = begin ? with_facts(*begin, {.has_audio = true, .has_video = true, .duration_ms = facts.duration_ms, .file_bytes = facts.whole_bytes, .keys = {}}) : std::nullopt;
      if (head) file.overwrite(0, *head);
    }
    file.sync();
  } else if (!ours) {
    r.id = free_id(r.file);
    const auto name = unescaped_name(facts.stream);
    r.stream = name && !facts.stream.empty() ? *name : fs::path(r.file).stem().string();
    std::error_code ignored;
    const auto changed = fs::last_write_time(path, ignored);
    const auto end = std::chrono::time_point_cast<std::chrono::milliseconds>(std::chrono::file_clock::to_sys(changed));
    r.start = parse_utc(facts.start).value_or(end - std::chrono::milliseconds(facts.duration_ms));
  }
  r.duration_ms = facts.duration_ms;
  r.bytes = file.size();
  r.state = recording_state::recovered;
  log::info("recordings: {} is listed again: {:.1f} s, {} bytes", r.file, static_cast<double>(r.duration_ms) / 1000, r.bytes);
  {
    const std::scoped_lock guard(lock_);
    list(r);
  }
  replace_file(disk_, line_of(r.id), to_json(r));
}

std::string index::free_id(const std::string& file) const {
  const std::scoped_lock guard(lock_);
  for (auto hash = hash_of(file);; ++hash) {
    auto id = fmt::format("{:016x}", hash);
    const auto found = all_.find(id);
    if (found == all_.end() || found->second.file == file) return id;
  }
}

// One that no file has, and the one before it does. Years of recordings may have one name, so that not every number is looked at.
unsigned index::free_number(const std::string& wanted) const {
  const auto taken = [&](unsigned number) {
    std::error_code ignored;
    return fs::exists(fs::symlink_status(directory_ / numbered(wanted, number), ignored));
  };
  unsigned free = 1;
  while (taken(free) && free < 1u << 30) free *= 2;
  unsigned below = free / 2;
  while (free - below > 1) {
    const auto middle = below + (free - below) / 2;
    (taken(middle) ? below : free) = middle;
  }
  return free;
}

int index::create(recording_facts& r, std::optional<disk_file>& to) {
  const auto wanted = r.file;
  if (const int failed = disk_.make_directories(directory_ / wanted); failed != 0) return failed;
  // It may have gone with the directory.
  if (const int failed = disk_.make_directories(line_of("x")); failed != 0) return failed;
  const auto first = free_number(wanted);
  for (unsigned number = first; number < first + create_tries_max; ++number) {
    r.file = numbered(wanted, number);
    const int failed = disk_file::create(disk_, directory_ / r.file, to);
    if (failed == EEXIST) continue;
    if (failed != 0) return failed;
    // One of this name was there to be mended and is gone.
    if (repairing_ && repairing_->what.file == r.file) repairing_.reset();
    {
      const std::scoped_lock guard(lock_);
      std::erase_if(strays_, [&](const auto& each) { return each.what.file == r.file; });
    }
    r.id = free_id(r.file);
    r.state = recording_state::writing;
    update(r, true);
    return 0;
  }
  return EEXIST;
}

void index::update(const recording_facts& r, bool lasting) {
  {
    const std::scoped_lock guard(lock_);
    list(r);
  }
  if (!lasting) return;
  // A disk that is full took the recording's end, which was said, and may take the line later.
  unsaved_.insert(r.id);
  save();
}

void index::save() {
  while (!unsaved_.empty()) {
    const auto r = find(*unsaved_.begin());
    if (r && replace_file(disk_, line_of(r->id), to_json(*r)) != 0) return;
    unsaved_.erase(unsaved_.begin());
  }
}

void index::forget(std::string_view id) {
  disk_.unlink(line_of(id).c_str());
  const std::scoped_lock guard(lock_);
  unlist(id);
}

void index::list(const recording_facts& r) {
  unlist(r.id);  // its stream or start may have been others
  by_stream_[r.stream].emplace(-r.start.time_since_epoch(), r.id);
  all_.emplace(r.id, r);
}

void index::unlist(std::string_view id) {
  const auto found = all_.find(id);
  if (found == all_.end()) return;
  const auto& r = found->second;
  const auto of_stream = by_stream_.find(r.stream);
  of_stream->second.erase({-r.start.time_since_epoch(), r.id});
  if (of_stream->second.empty()) by_stream_.erase(of_stream);
  all_.erase(found);
}

void index::drop(const recording_facts& r, bool with_file) {
  if (with_file) disk_.unlink((directory_ / r.file).c_str());
  forget(r.id);
}

base::result<void> index::erase(std::string_view id) {
  const auto r = find(id);
  if (!r) return error{error_kind::not_found, "no recording has this id"};
  if (r->state == recording_state::writing) return error{error_kind::busy, "it is being written: stop it first"};
  const auto path = directory_ / r->file;
  if (disk_.unlink(path.c_str()) != 0 && errno != ENOENT) return error{error_kind::local, fmt::format("cannot remove {}: {}", r->file, advice_for(errno))};
  forget(id);
  // A folder that was made for it goes with the last file; rmdir refuses others.
  for (auto folder = path.parent_path(); folder != directory_ && folder.native().size() > directory_.native().size(); folder = folder.parent_path()) {
    if (::rmdir(folder.c_str()) != 0) break;
  }
  return {};
}

int index::open(const recording_facts& r, std::optional<disk_file>& to) const { return disk_file::open(disk_, directory_ / r.file, false, to); }

std::optional<recording_facts> index::find(std::string_view id) const {
  const std::scoped_lock guard(lock_);
  const auto found = all_.find(id);
  return found == all_.end() ? std::nullopt : std::optional(found->second);
}

std::optional<recording_facts> index::newest(std::string_view stream) const {
  const std::scoped_lock guard(lock_);
  const auto found = by_stream_.find(stream);
  return found == by_stream_.end() ? std::nullopt : std::optional(all_.find(found->second.begin()->second)->second);
}

std::vector<recording_facts> index::all() const {
  std::vector<recording_facts> out;
  {
    const std::scoped_lock guard(lock_);
    out.reserve(all_.size());
    for (const auto& [id, r] : all_) out.push_back(r);
  }
  std::ranges::sort(out, [](const auto& a, const auto& b) { return a.start != b.start ? a.start > b.start : a.id < b.id; });
  return out;
}

std::size_t index::size() const {
  const std::scoped_lock guard(lock_);
  return all_.size();
}

bool index::repaired() const {
  const std::scoped_lock guard(lock_);
  return strays_.empty();
}

}  // namespace millrace::record
