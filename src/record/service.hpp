// Recordings of a server: which streams are recorded, the one disk thread, the list of what there is. What a shard does: record/shard_recorders.hpp.
#pragma once
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/slice.hpp"
#include "base/time.hpp"
#include "record/index.hpp"
#include "record/loss.hpp"
#include "record/settings.hpp"

namespace millrace::record {

// Where the time comes from. The methods here are the system's clocks.
class clock {
 public:
  virtual ~clock() = default;
  virtual base::instant steady();
  virtual std::chrono::system_clock::time_point utc();
};

struct service_parts {
  std::shared_ptr<disk> on;        // null: the system
  std::shared_ptr<clock> times;    // null: the system's
  bool threaded = true;            // false: turn() is called by a test
  bool wait = false;               // another process may have the directory: what is in it, and recording, begin with take()
  std::function<void(const recording_facts&)> on_complete = {};  // a file has ended in order, on the disk thread
};

// A stream that is being recorded, or would be.
struct active_recording {
  std::string stream;
  std::string id, file;            // of the file that is written; empty while there is none
  format as = format::mp4;
  std::int64_t duration_ms = 0;    // of that file
  std::uint64_t bytes = 0;         // of that file
  std::uint64_t files = 0, bytes_total = 0;  // of all since the recording began
  std::size_t queue_bytes = 0;
  base::duration queue_age{0};     // of the oldest frame that is not on its way to the disk: near record queue_age the disk is too slow
  losses lost{};
  std::string failure;             // why nothing is written, and what to do; empty while all is well
  bool publisher = true;           // false: it is waited for
};

struct service_facts {
  bool enabled = false;
  std::vector<active_recording> active;
  std::vector<std::string> demanded;   // asked for with start(), published or not
  std::size_t recordings = 0;          // in the list
  bool list_complete = true;           // false: recordings of before are being looked at
  std::optional<disk::room> room;      // of the directory, some seconds old at most
  // Since the start, recordings that are over included.
  std::uint64_t files = 0, bytes = 0, failures = 0;
  losses lost{};
};

// A recording that somebody reads, for as long as they hold this; erasing it meanwhile does no harm. Any thread.
class file_reader {
 public:
  ~file_reader();
  file_reader(const file_reader&) = delete;
  file_reader& operator=(const file_reader&) = delete;
  [[nodiscard]] const recording_facts& facts() const noexcept;  // as it was opened
  [[nodiscard]] std::uint64_t size() const noexcept;             // likewise: of one that is being written, what there was
  [[nodiscard]] std::string_view content_type() const noexcept;
  // At most `read_max` bytes at `at`; none behind the end. `done` is called on the disk thread, or at once here when the service is closed.
  static constexpr std::size_t read_max = 1u << 20;
  void read(std::uint64_t at, std::size_t count, std::function<void(base::result<base::slice>)> done) const;

 private:
  friend class service;
  struct state;
  explicit file_reader(std::unique_ptr<state> s);
  std::unique_ptr<state> state_;
};

// One for a server; outlives its shards. Everything but open(), turn() and the destructor may be called on any thread and blocks for no disk.
class service {
 public:
  // Reads the list. Error (kind local) with what to do: the directory cannot be used, or another process has it. Without a directory in the settings
  // there is a service that records nothing.
  static base::result<std::unique_ptr<service>> open(settings set, service_parts parts = {});
  // Ends every recording in order. Waits for the disk.
  ~service();
  service(const service&) = delete;
  service& operator=(const service&) = delete;

  [[nodiscard]] bool enabled() const noexcept;
  // Records a stream from now on, whatever the rules say of when: at once if it is published, otherwise when it is, until stop(). For one whose disk
  // failed: tries again. Error: unsupported without a directory; usage for no name.
  base::result<void> start(const std::string& stream);
  // Ends what is recorded of it now, in order; a rule that names it holds again from the next publication on. Error: not_found.
  base::result<void> stop(const std::string& stream);
  [[nodiscard]] service_facts facts() const;

  // The list, the newest first. Recordings are told by their id only, never by a file name.
  [[nodiscard]] std::vector<recording_facts> recordings() const;
  [[nodiscard]] std::optional<recording_facts> recording(std::string_view id) const;
  [[nodiscard]] std::optional<recording_facts> newest_recording(std::string_view stream) const;
  // `done` is called on the disk thread, or at once here when there is none any more. Errors: not_found, local; erase: busy while it is being written.
  void open_recording(std::string id, std::function<void(base::result<std::shared_ptr<file_reader>>)> done);
  void erase(std::string id, std::function<void(base::result<void>)> done);

  // One process takes over from another (server/hand_over.hpp). The one that goes: every recording ends in order, then the directory is free and `done`
  // is called, on the disk thread. Nothing is recorded or erased any more; what there is can be read.
  void give_away(std::function<void()> done);
  // The one that comes, or that has given it away to one which has ended: the directory is free. Records what is published and should be; what was published
  // before to the latter, once it is attached anew. `done` as above. Does nothing if it has it already.
  void take(std::function<void()> done);
  // Records it, or would if it were published here.
  [[nodiscard]] bool wants(std::string_view stream) const;

  // One turn of the disk thread, for tests without one. True if there is more to do at once.
  bool turn();

  struct inner;
  // For shard_recorders.
  [[nodiscard]] const std::shared_ptr<inner>& inside() const noexcept { return inner_; }

 private:
  explicit service(std::shared_ptr<inner> i);
  std::shared_ptr<inner> inner_;
};

}  // namespace millrace::record
