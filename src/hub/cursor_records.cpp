// Metadata and configuration that go ahead of a viewer's next frame.
#include <algorithm>

#include "hub/stream_state.hpp"

namespace millrace::hub {

using media::frame_kind;

// From here on the viewer no longer reads in order: what it has seen is what lies below its position.
void cursor::state::expect_records() {
  if (check) return;  // still owed from before; nothing was read since
  seen.fill(position);
  check = true;
}

// Records of a track that is switched on are owed from the beginning, whatever went by while it was off.
void cursor::state::enable(std::size_t kind) {
  if (ahead) {
    again[kind] = true;
    return;
  }
  expect_records();
  seen[kind] = 0;
}

bool cursor::state::owed(const record& r) const {
  const auto kind = kind_index(r.kind);
  if (const auto track = picked(r.kind); track && r.track != *track) return false;
  return wanted[kind] && r.sequence >= seen[kind];
}

// True if something is to be delivered ahead of the slot at the position.
bool cursor::state::begin_prelude(stream::state& s, const slot& at) {
  const auto& records = at.before->records;
  if (std::none_of(records.begin(), records.end(), [this](const record& r) { return owed(r); })) {
    check = false;
    return false;
  }
  const auto dts = at.item->frame()->dts_ms;
  const auto time_of = [&](frame_kind kind) { return catching ? catching->time_of(kind, dts) : dts; };
  ahead = s.prelude_of(position, time_of(frame_kind::video), time_of(frame_kind::audio));
  ahead_records = at.before;
  ahead_index = 0;
  return true;
}

entry_ptr cursor::state::take_ahead() {
  while (ahead_index < ahead->size()) {
    const auto index = ahead_index++;
    const auto& records = ahead_records->records;
    const auto& r = records[index];
    if (again[kind_index(r.kind)] || !owed(r)) continue;
    const auto& item = (*ahead)[index];
    const auto track = picked(r.kind);
    if (!track || !r.multitrack) return item;
    if (auto single = entry_forms::single_track(item, *track)) return single;
  }
  ahead.reset();
  ahead_records.reset();
  seen.fill(position);
  check = false;
  for (std::size_t kind = 0; kind < again.size(); ++kind) {
    if (!again[kind]) continue;
    again[kind] = false;
    seen[kind] = 0;
    check = true;
  }
  return nullptr;
}

}  // namespace millrace::hub
