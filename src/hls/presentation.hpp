// What there is of one stream in one container: written by its packager, read by requests on any thread.
#pragma once
#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/send_chain.hpp"
#include "base/time.hpp"
#include "hls/audience.hpp"
#include "hls/playlist.hpp"
#include "hls/request.hpp"
#include "hls/settings.hpp"

namespace millrace::hls {

struct answer {
  unsigned status = 200;
  std::string content_type;
  base::send_chain body;  // shared with everybody who asks for the same
  std::string cache_control;
  std::shared_ptr<audience> taken_by;  // of a segment or part: to be told who got it
  std::string why;  // of a status that is no 200, for people
};
// Called once, from any thread: that of the request before get() returns, or the packager's, from inside the hub. It may post, and nothing else.
using answer_function = std::function<void(answer)>;

class presentation {
 public:
  // No segment gets a number below `least_number`.
  presentation(std::string stream, mux::container container, const settings& how, std::uint64_t least_number = 0);
  presentation(const presentation&) = delete;
  presentation& operator=(const presentation&) = delete;

  [[nodiscard]] const std::string& stream() const noexcept { return stream_; }  // "app/name"
  [[nodiscard]] mux::container container() const noexcept { return container_; }
  [[nodiscard]] const settings& how() const noexcept { return how_; }

  // ---- any thread ----
  // Answers now, or when there is what was asked for, or when the wait has lasted too long (see expire).
  void get(const request& what, base::instant now, answer_function done);
  // Answers what has waited for too long.
  void expire(base::instant now);
  [[nodiscard]] bool closed() const;
  [[nodiscard]] audience& viewers() const { return *viewers_; }
  // Above all numbers that its segments have got.
  [[nodiscard]] std::uint64_t next_number() const noexcept { return next_msn_; }
  // Whether nobody asked for anything for the idle time, and nobody waits.
  [[nodiscard]] bool idle(base::instant now) const;
  // No packager will write to it any more. Whoever waits, and who asks later, gets this.
  void close(unsigned status, std::string why);

  // ---- the packager's thread ----
  // The number that the first segment gets, if it is not too low. Discontinuities are counted from 0: hls.js takes minutes for an array as long as their number.
  void begin(std::uint64_t first_number, base::instant now);
  void set_part_target(std::int64_t ms);
  void add_init(base::slice bytes, std::vector<mux::track_facts> tracks);
  // Opens a segment; the first part belongs to it.
  void begin_segment(bool discontinuity, std::int64_t wall_ms);
  void add_part(base::slice bytes, std::int64_t duration_ms, bool independent);
  // The first one decides the target duration, at least `target_s`.
  void end_segment(std::int64_t target_s);
  void end();  // the playlist says that nothing follows
  // Why there may be nothing: said to who waits in vain.
  void set_trouble(std::string why);
  // What the playlist promised. 0: nothing yet.
  [[nodiscard]] std::int64_t target_s() const noexcept { return target_s_; }
  [[nodiscard]] bool segment_open() const noexcept { return !segments_.empty() && !segments_.back()->entry.complete; }

 private:
  struct stored_segment {
    segment_entry entry;
    std::vector<base::slice> parts;
    std::size_t bytes = 0;
  };
  using segment_ptr = std::shared_ptr<const stored_segment>;
  struct initialization {
    std::uint64_t number = 0;
    base::slice bytes;
  };
  // Everything that requests see, never changed once it is there: a look at it takes the lock only to get hold of it.
  struct snapshot {
    std::vector<segment_ptr> segments;  // kept ones too
    std::vector<initialization> inits;
    base::slice playlist, delta, multivariant;
    std::int64_t target_s = 0;
    std::int64_t part_target_ms = 0;
    std::uint64_t first_complete = 0, next_msn = 0;  // of the segment after the last complete one
    std::size_t next_parts = 0;                      // that it has already
    bool ready = false, ended = false;
  };
  struct waiter {
    request what;
    base::instant until{};
    answer_function done;
  };

  // Nothing: it is to wait.
  [[nodiscard]] std::optional<answer> answer_to(const request& what, const snapshot& s) const;
  [[nodiscard]] std::optional<answer> playlist_answer(const request& what, const snapshot& s) const;
  [[nodiscard]] std::optional<answer> part_answer(const request& what, const snapshot& s) const;
  [[nodiscard]] std::optional<answer> segment_answer(const request& what, const snapshot& s) const;
  [[nodiscard]] base::instant wait_until(base::instant now, const snapshot& s) const;
  void forget_old();
  void publish();
  [[nodiscard]] variant measured() const;

  const std::string stream_;
  const mux::container container_;
  const settings how_;
  const std::shared_ptr<audience> viewers_;

  // The packager's own.
  std::deque<std::shared_ptr<stored_segment>> segments_;  // the last may be open: it is copied for a snapshot
  std::size_t first_listed_ = 0;                          // index in segments_
  std::vector<initialization> inits_;
  std::vector<mux::track_facts> tracks_;
  std::atomic<std::uint64_t> next_msn_;  // written by the packager alone
  std::uint64_t discontinuities_gone_ = 0;
  std::size_t bytes_ = 0;
  std::int64_t target_s_ = 0, part_target_ms_ = 0;
  bool ended_ = false;

  mutable std::mutex mutex_;  // held for a look; no callback runs under it
  std::shared_ptr<const snapshot> now_;
  std::vector<waiter> waiters_;
  std::optional<answer> closed_;
  std::string trouble_;
  base::instant last_request_{};
};

}  // namespace millrace::hls
