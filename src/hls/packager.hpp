// A viewer of a stream that cuts what it gets into segments and parts.
#pragma once
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "base/time.hpp"
#include "hls/presentation.hpp"
#include "hub/stream.hpp"
#include "mux/muxer.hpp"

namespace millrace::hls {

// Monotonic time, and what time of day it was at one moment of it.
struct clocks {
  std::function<base::instant()> now;
  base::instant at{};
  std::chrono::system_clock::time_point wall_at{};

  static clocks real();
  [[nodiscard]] std::int64_t wall_ms(base::instant t) const;
};

// From one discontinuity to the next.
struct packaged_run {
  bool video = false;                        // a picture came: they are the clock
  std::int64_t part_ms = 0, segment_ms = 0;  // where the open ones begin
  std::int64_t newest_ms = 0;                // of the clock
  std::int64_t offset_ms = 0;                // from stream time to the time of day
};

// Lives on its stream's thread: made there, called there, destroyed there (not from inside the hub).
//
// Where it cuts. A segment ends at a key frame once it is long enough, and earlier if the next key frame would come too late for the target
// duration; without key frames it ends where the target duration makes it. Parts end at a frame; where frames do not fall on it
// (they jitter, or stop while sound goes on) exactly at the part target, so that no part is longer, and none but the last of a segment shorter
// than 85 % of it (draft section 4.4.4.9). The clock is that of the pictures, without pictures that of the sound. A hole in the
// times, another configuration and another publisher are discontinuities.
class packager final : public hub::viewer {
 public:
  packager(const std::shared_ptr<hub::stream>& source, std::shared_ptr<presentation> to, clocks time);
  ~packager() override;

  // Ends what nobody asks for, or what nobody publishes any more. Call it a few times a second.
  void on_timer(base::instant now);
  // It does nothing any more and may go.
  [[nodiscard]] bool over() const { return to_->closed(); }

  void on_frames() override;
  void on_publisher_gone() override;
  void on_publisher_back() override;

 private:
  void take(const hub::delivery& d);
  void accept(const media::frame& f);
  void learn();
  void begin_run(const media::frame& f);
  void advance(std::int64_t at_ms, bool key);
  void end_run();
  void close_part(std::int64_t at_ms);
  void close_segment();
  void take_pieces(std::int64_t duration_ms);
  void note_interval(const media::frame& f);
  [[nodiscard]] bool segment_is_due(std::int64_t at_ms, bool key) const;
  [[nodiscard]] std::int64_t segment_bound_ms() const;
  [[nodiscard]] std::int64_t next_boundary_ms() const;
  [[nodiscard]] std::int64_t part_bound_ms() const { return part_target_ms_ > 0 ? part_target_ms_ : segment_bound_ms(); }

  const std::shared_ptr<presentation> to_;
  const clocks time_;
  mux::muxer muxer_;
  std::optional<packaged_run> run_;
  bool any_run_ = false;
  bool discontinuous_ = false;  // what follows is
  std::uint32_t publication_ = 0;
  std::vector<media::frame> first_;  // until the distance of frames is known, which decides the part target
  std::size_t first_bytes_ = 0;
  std::int64_t part_target_ms_ = 0;
  double interval_ms_ = 0;  // of the clock's frames, lately
  std::optional<std::int64_t> last_frame_ms_, last_key_ms_;
  std::int64_t key_distance_ms_ = 0;  // the largest
  std::optional<base::instant> gone_since_;
  base::instant begun_{};
  bool ended_ = false;
  hub::cursor cursor_;  // last: calls back from its constructor on
};

// The packagers of one shard.
class packager_set {
 public:
  void add(const std::shared_ptr<hub::stream>& source, std::shared_ptr<presentation> to, const clocks& time) {
    all_.push_back(std::make_unique<packager>(source, std::move(to), time));
  }
  void on_timer(base::instant now) {
    for (auto& p : all_) p->on_timer(now);
    std::erase_if(all_, [](const auto& p) { return p->over(); });
  }
  [[nodiscard]] std::size_t size() const noexcept { return all_.size(); }
  // For the end of the shard: who waits gets an answer.
  void close() { all_.clear(); }

 private:
  std::vector<std::unique_ptr<packager>> all_;
};

}  // namespace millrace::hls
