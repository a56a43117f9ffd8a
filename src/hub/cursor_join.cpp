// Where a viewer starts, at first and after a pause.
#include <algorithm>

#include "hub/stream_state.hpp"

namespace millrace::hub {

bool cursor::state::join(stream::state& s, base::instant now) {
  if (!s.published) return false;
  expect_records();
  const auto start = choose_start(s, now);
  if (joined_before && start > position) lose(loss::paused, start - position);
  position = start;
  slow_skip = false;
  joining = false;
  joined_before = true;
  allow_age_at(s, now);
  return true;
}

// Sets need_key and catching for the start that it returns.
std::uint64_t cursor::state::choose_start(stream::state& s, base::instant now) {
  const std::uint64_t lowest = std::max(s.publication_start, position);
  const auto key = s.newest_start(policy.video_track);
  if (key && *key >= lowest) {
    need_key = true;
    publication = s.publication;
    catching = policy.wanted_delay ? s.catch_up_from(*key, policy.video_track, *policy.wanted_delay) : nullptr;
    return *key;
  }
  const auto near_the_edge = [&] { return policy.wanted_delay ? s.sound_of_last(*policy.wanted_delay, lowest) : s.frames.end(); };
  if (joined_before && position >= s.publication_start) {
    // Resumed within the newest GOP: going back to its key frame would repeat what the viewer has. Its times stay as they were,
    // for a frame that it has may be shown after some that follow. Whether another publisher began just here is for next() to
    // see, as ever.
    const bool evicted = position < s.frames.first();
    if (!evicted && (position == s.frames.end() || now - s.frames.at(position).arrival <= policy.age_max)) return position;
    need_key = true;
    return near_the_edge();
  }
  // No key frame yet. Who waited for this publisher gets everything from its start, who came later starts from now.
  need_key = true;
  return since <= s.publication_start ? std::max(s.publication_start, s.frames.first()) : near_the_edge();
}

void cursor::state::allow_age_at(const stream::state& s, base::instant now) {
  base::duration age{0};
  if (position < s.frames.end()) age = std::max(age, base::duration(now - s.frames.at(position).arrival));
  age_allowed = policy.age_max + age;
}

}  // namespace millrace::hub
