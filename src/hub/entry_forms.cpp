#include "hub/entry_forms.hpp"

#include <algorithm>

#include "media/composition.hpp"
#include "media/track.hpp"

namespace millrace::hub {

entry_ptr entry_forms::single_track(const entry_ptr& item, std::uint8_t track) {
  auto& made = item->made().tracks;
  const auto found = std::find_if(made.begin(), made.end(), [track](const entry::form& f) { return f.key == track; });
  if (found != made.end()) return found->item;
  auto frame = media::single_track(*item->frame(), track);
  made.push_back({track, frame ? std::make_shared<const entry>(std::move(*frame)) : nullptr});
  return made.back().item;
}

entry_ptr entry_forms::stamped(const entry_ptr& item, const catch_up& with) {
  const auto& frame = *item->frame();
  auto& stamped = item->made().stamped;
  if (stamped.key == with.number) return stamped.item ? stamped.item : item;
  const auto time = with.time_of(frame.kind, frame.dts_ms);
  bool differs = time != frame.dts_ms;
  std::vector<media::composition> compositions;
  if (frame.kind == media::frame_kind::video) {
    compositions = media::compositions_of(frame.payload);
    for (auto& c : compositions) {
      const auto moved = static_cast<std::int32_t>(with.times.map(frame.dts_ms + c.ms) - time);
      differs = differs || moved != c.ms;
      c.ms = moved;
    }
  }
  stamped = {with.number, nullptr};
  if (!differs) return item;

  auto changed = frame;
  changed.dts_ms = time;
  changed.head = media::head_with(frame.payload, compositions);
  stamped.item = std::make_shared<const entry>(std::move(changed));
  return stamped.item;
}

entry_ptr entry_forms::at_time(const entry_ptr& item, std::int64_t dts_ms) {
  auto changed = *item->frame();
  changed.dts_ms = dts_ms;
  return std::make_shared<const entry>(std::move(changed));
}

entry_ptr entry_forms::opening(const delivery& what) {
  const auto& f = *what.item->frame();
  return what.opening && f.kind == media::frame_kind::data && f.dts_ms != 0 ? at_time(what.item, 0) : what.item;
}

}  // namespace millrace::hub
