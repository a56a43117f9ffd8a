// A stream's recording as the disk thread sees it: frames become files, one after the other.
#pragma once
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/time.hpp"
#include "hub/records.hpp"
#include "record/frame_queue.hpp"
#include "record/index.hpp"
#include "record/loss.hpp"
#include "record/timeline.hpp"
#include "record/writer.hpp"

namespace millrace::record {

// What a recording is given; outlives it.
struct recording_context {
  const settings& set;
  disk& on;
  index& list;
  std::function<void(const recording_facts&)> on_complete = {};
};

struct now_times {
  base::instant steady;
  std::chrono::system_clock::time_point utc;
};

struct recording_counts {
  std::uint64_t files = 0, bytes = 0;  // since it began
  std::uint64_t failures = 0;
  losses lost{};                       // but disk_too_slow, which the queue knows
};

// When the disk fails, the file ends as far as it goes, one line of the log says why and what to do, and frames are counted until it is tried again:
// a full disk as soon as there is room, everything else when the next publication begins, the next file would be due, or somebody asks.
class recording {
 public:
  recording(recording_context context, std::string stream, rule how) : context_(context), stream_(std::move(stream)), rule_(std::move(how)) {}
  ~recording() { end(); }
  recording(const recording&) = delete;
  recording& operator=(const recording&) = delete;

  // The frames that follow come from another stream of the hub.
  void next_source();
  void take(const queued_frame& f, const now_times& now);
  // After each batch: writes what there is.
  void flush(const now_times& now);
  // Now and then: what has to be on the disk gets there, room is looked for.
  void tick(const now_times& now);
  // Ends the file in order. What comes after that begins another one.
  void end();
  void retry() {
    failed_.reset();
    failure_text_.clear();
    told_failure_ = 0;
  }

  [[nodiscard]] bool writing() const noexcept { return file_.has_value(); }
  // Of the file being written, or of the last one.
  [[nodiscard]] const recording_facts& facts() const noexcept { return facts_; }
  [[nodiscard]] const recording_counts& counts() const noexcept { return counts_; }
  // Why nothing is written, for people; empty while all is well.
  [[nodiscard]] std::string failure() const { return file_ ? std::string() : failure_text_; }
  [[nodiscard]] const std::string& stream() const noexcept { return stream_; }
  [[nodiscard]] const rule& how() const noexcept { return rule_; }

 private:
  struct failing {
    int number = 0;
    std::optional<std::int64_t> since_ms;  // stream time of the first frame that was lost
    base::instant look_again{};     // at the free space
    bool enough_room = false;
  };
  [[nodiscard]] bool starts_group(const media::frame& f, const media::tag_info& info);
  [[nodiscard]] bool rotation_due(std::int64_t ms) const;
  bool begin(const media::frame& f, const now_times& now);
  void finish(std::optional<std::int64_t> next_ms);
  void write();
  void close(recording_state as);
  void fail(int number, std::string_view what);
  void lose(loss reason) { ++counts_.lost[static_cast<std::size_t>(reason)]; }
  void tell_errors();

  const recording_context context_;
  const std::string stream_;
  const rule rule_;

  timeline time_;
  std::uint32_t publication_ = 0;
  hub::record_set_ptr heads_ = std::make_shared<hub::record_set>();
  std::uint64_t sequence_ = 0;
  std::optional<std::uint8_t> lead_track_;  // lowest track that had a key frame: files begin with its key frames
  bool video_seen_ = false;

  std::unique_ptr<writer> writer_;
  std::optional<disk_file> file_;
  recording_facts facts_;
  std::int64_t begin_ms_ = 0;
  unsigned part_ = 0;
  base::instant now_{}, synced_{};
  std::size_t unwritten_ = 0;   // payload given to the writer since the last write
  std::uint64_t not_carried_ = 0;
  std::vector<std::string> told_;  // what the format cannot carry: said once for all files
  std::optional<failing> failed_;
  std::string failure_text_;
  int told_failure_ = 0;
  recording_counts counts_;
};

}  // namespace millrace::record
