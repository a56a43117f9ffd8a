// The list of recordings. Each has a small file of one line of JSON in `.millrace` below the directory, which is written beside its place and moved
// there; what is lost or damaged is made anew from the recordings themselves, which say whose they are.
#pragma once
#include <chrono>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "record/disk.hpp"
#include "record/settings.hpp"

namespace millrace::record {

enum class recording_state : unsigned char {
  writing,
  complete,
  recovered,  // nobody ended it: a crash, or its line of the list was lost. What is there was read for its length
};
std::string_view name(recording_state s);

struct recording_facts {
  std::string id;      // 16 hexadecimal digits, made of `file`: stays the same when the list is made anew
  std::string stream;
  std::chrono::system_clock::time_point start;
  std::int64_t duration_ms = 0;
  std::uint64_t bytes = 0;
  std::string file;    // relative to the directory
  format as = format::mp4;
  recording_state state = recording_state::writing;
};

[[nodiscard]] bool is_recording_id(std::string_view text);

std::string to_json(const recording_facts& r);
// Nothing if it is damaged, or names a file that could lie outside the directory.
std::optional<recording_facts> parse_recording(std::string_view json);

// Reading the list is for any thread; everything that touches the disk is for the disk thread.
class index {
 public:
  index(disk& on, std::filesystem::path directory);
  ~index();
  index(const index&) = delete;
  index& operator=(const index&) = delete;

  // Makes the directory if need be, and takes it. Error (kind local): it cannot be used. False: another process records into it; may be tried again.
  base::result<bool> lock();
  // Reads the lines, once it is ours.
  void read();
  // Another process may have it. What is in the list can be read further.
  void unlock();
  // Looks after the files that have no line, or that nobody ended, a few reads a call: others wait for the disk. False when there are none left.
  bool repair();

  // A name that no file has yet, like `wanted`, and the file. Listed as being written. 0 or the error number.
  int create(recording_facts& r, std::optional<disk_file>& to);
  // Changes what is known of it. The line is written if `lasting`; if that fails, with the next one.
  void update(const recording_facts& r, bool lasting);
  // Takes one from the list that has nothing in it, or whose file is gone.
  void drop(const recording_facts& r, bool with_file);
  // Takes it from the list and from the disk. Errors: not_found, busy (being written), local.
  base::result<void> erase(std::string_view id);
  // 0 or the error number.
  int open(const recording_facts& r, std::optional<disk_file>& to) const;

  [[nodiscard]] std::optional<recording_facts> find(std::string_view id) const;
  [[nodiscard]] std::optional<recording_facts> newest(std::string_view stream) const;
  // The newest first. Copies and sorts: for who lists them, not for who looks for one.
  [[nodiscard]] std::vector<recording_facts> all() const;
  [[nodiscard]] std::size_t size() const;
  [[nodiscard]] bool repaired() const;  // nothing is left for repair()
  [[nodiscard]] const std::filesystem::path& directory() const noexcept { return directory_; }

 private:
  [[nodiscard]] std::filesystem::path line_of(std::string_view id) const;
  [[nodiscard]] std::string free_id(const std::string& file) const;
  [[nodiscard]] unsigned free_number(const std::string& wanted) const;
  struct stray {
    recording_facts what;
    bool ours = false;  // it has a line, so it may be mended
  };
  void find_strays(const std::vector<recording_facts>& listed, std::deque<stray>& to) const;
  struct repairing;
  std::unique_ptr<repairing> begin_repair();
  void end_repair(repairing& one);
  void list(const recording_facts& r);  // under the lock, as is the next
  void unlist(std::string_view id);
  void forget(std::string_view id);
  void save();

  disk& disk_;
  const std::filesystem::path directory_;
  int lock_fd_ = -1;
  std::set<std::string, std::less<>> unsaved_;  // whose lines could not be written; the disk thread's
  std::unique_ptr<repairing> repairing_;         // likewise
  mutable std::mutex lock_;  // guards what follows
  std::map<std::string, recording_facts, std::less<>> all_;
  // The ids of a stream's recordings, the newest first: by the start's distance from the epoch, negative.
  std::map<std::string, std::set<std::pair<std::chrono::system_clock::duration, std::string>>, std::less<>> by_stream_;
  std::deque<stray> strays_;  // the first one is being read if `repairing_`
};

}  // namespace millrace::record
