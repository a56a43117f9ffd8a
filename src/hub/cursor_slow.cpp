// What a viewer loses that does not read fast enough (conformance L10).
#include <algorithm>

#include "hub/stream_state.hpp"

namespace millrace::hub {

void cursor::state::jump(const stream::state& s, std::uint64_t to, loss reason, base::instant now) {
  expect_records();
  lose(reason, to - position);
  ++stats.jumps;
  position = to;
  need_key = true;
  slow_skip = true;
  allow_age_at(s, now);
}

// The frame at the position is older than age_max. True if the position changed.
bool cursor::state::fall_behind(const stream::state& s, const slot& at, base::instant now) {
  if (const auto key = s.newest_start(policy.video_track); key && *key > position) {
    jump(s, *key, loss::viewer_too_slow, now);
    return true;
  }
  const base::duration age = now - at.arrival;
  if (age > age_allowed) {
    if (!s.has_video(policy.video_track) || !wants_video() || s.without_pictures().count() > 0) {
      jump(s, s.frames.end(), loss::viewer_too_slow, now);  // without video any frame is a good start, and who knows when a key frame comes
      return true;
    }
    if (!need_key) {
      ++stats.jumps;
      need_key = true;
      slow_skip = true;
    }
  }
  age_allowed = std::min(age_allowed, age + policy.age_max);
  return false;
}

}  // namespace millrace::hub
