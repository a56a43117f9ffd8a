#include <algorithm>

#include "hub/stream_state.hpp"

namespace millrace::hub {
namespace {

// What a slot costs beside its payload: frame, entry, wire image headers and the slot itself. Charged against the byte
// limit, so that a flood of empty frames is bounded as well.
constexpr std::size_t slot_overhead_bytes = 512;

}  // namespace

stream::stream(std::string name, const base::hub_limits& limits) : state_(std::make_unique<state>(std::move(name), limits)) {}
stream::~stream() = default;

const std::string& stream::name() const noexcept { return state_->name; }
bool stream::published() const noexcept { return state_->published; }

stream_facts stream::facts() const {
  const auto& s = *state_;
  stream_facts facts;
  facts.name = s.name;
  facts.published = s.published;
  facts.viewers = s.attached;
  facts.frames = s.frames_total;
  facts.bytes = s.bytes_total;
  facts.ring_frames = s.frames.size();
  facts.ring_bytes = s.payload_bytes;
  facts.gop_count = s.gops.size();
  facts.malformed = s.malformed_total;
  if (facts.malformed > 0) {
    const auto& [kind, size, info] = s.newest_fault;
    facts.malformed_text = std::string(kind == media::frame_kind::video ? "video" : "audio") + " message of " + std::to_string(size) +
                           " bytes: " + media::fault_text(info);
  }
  facts.video_codec = s.video_codec;
  facts.audio_codec = s.audio_codec;
  return facts;
}

void stream::state::begin_publication() {
  const bool watched = attached > 0;
  if (!watched) {
    frames.clear();
    gops.clear();
    payload_bytes = 0;
  }
  time.begin(watched);
  records = std::make_shared<record_set>();  // the old publisher's say nothing about the new one's media
  published = true;
  ++publication;
  publication_start = frames.end();
  video_seen = false;
  lead_track = no_track;
  video_codec.clear();
  audio_codec.clear();
  malformed_total = 0;
}

void stream::state::append(media::frame&& f) {
  ++frames_total;
  bytes_total += f.payload.size();
  f.dts_ms = time.stamp(f);
  const auto info = media::inspect(f.kind, f.payload);
  if (f.kind == media::frame_kind::video) video_seen = true;
  note_codec(f, info);
  if (info.fault != media::header_fault::none) {
    ++malformed_total;
    newest_fault = {f.kind, f.payload.size(), info};
  }

  slot added;
  added.arrival = f.arrival;
  added.publication = publication;
  added.kind = f.kind;
  added.config = f.config;
  if (f.kind == media::frame_kind::video && f.key && info.track_id <= lead_track) {
    lead_track = info.track_id;
    added.gop_start = true;
  }
  added.before = records;
  const std::size_t size = f.payload.size();
  const base::instant arrival = f.arrival;
  added.item = std::make_shared<entry>(std::make_shared<const media::frame>(std::move(f)));
  if (update_records(records, added.item, info, frames.end(), limits) != record_effect::pass) return;

  if (added.gop_start) gops.push_back(frames.end());
  payload_bytes += size;
  frames.push(std::move(added));
  appended = true;
  evict(arrival);
}

void stream::state::note_codec(const media::frame& f, const media::tag_info& info) {
  // A configuration names the codec; for those that have none, the first frame does. Side tracks do not count.
  if (!info.valid || info.track_id != 0 || f.kind == media::frame_kind::data) return;
  auto& codec = f.kind == media::frame_kind::video ? video_codec : audio_codec;
  if (codec.empty() || (f.config && !info.metadata && !info.multichannel)) codec = media::codec_name(f.kind, info);
}

void stream::state::evict(base::instant newest) {
  while (!frames.empty()) {
    const bool too_large = payload_bytes + frames.size() * slot_overhead_bytes > limits.ring_bytes;
    // The newest GOP is what late viewers start with: age and count stop before it.
    const bool may_age = gops.empty() || frames.first() < gops.back();
    const bool too_old = may_age && (frames.size() > limits.ring_frames || newest - frames.at(frames.first()).arrival > limits.ring_age);
    if (!too_large && !too_old) return;
    if (!gops.empty() && gops.front() == frames.first()) gops.pop_front();
    payload_bytes -= frames.at(frames.first()).item->frame()->payload.size();
    frames.pop();
  }
}

prelude_ptr stream::state::prelude_of(std::uint64_t sequence) {
  const slot& at = frames.at(sequence);
  auto& cached = at.gop_start ? key_prelude_ : other_prelude_;
  if (cached.sequence == sequence) return cached.list;
  auto list = std::make_shared<prelude_list>();
  list->reserve(at.before->records.size());
  for (const auto& kept : at.before->records) {
    auto stamped = std::make_shared<media::frame>(*kept.item->frame());
    stamped->dts_ms = at.item->frame()->dts_ms;
    stamped->arrival = at.arrival;
    list->push_back(std::make_shared<entry>(std::move(stamped)));
  }
  cached = {sequence, std::move(list)};
  return cached.list;
}

void stream::state::attach(cursor::state& c) {
  c.place = cursors.size();
  cursors.push_back(&c);
  ++attached;
}

void stream::state::detach(cursor::state& c) {
  --attached;
  if (walking > 0) {
    cursors[c.place] = nullptr;  // the walk steps over it
    return;
  }
  cursors[c.place] = cursors.back();
  cursors[c.place]->place = c.place;
  cursors.pop_back();
}

void stream::state::close_gaps() {
  if (cursors.size() == attached) return;
  std::erase(cursors, nullptr);
  for (std::size_t i = 0; i < cursors.size(); ++i) cursors[i]->place = i;
}

void stream::state::flush() {
  if (!appended) return;
  appended = false;
  for_each_cursor([this](cursor::state& c) {
    if (!c.dry || c.paused || !c.has_more(*this)) return;
    c.dry = false;
    c.owner->on_frames();  // last: it may have taken the cursor away
  });
}

}  // namespace millrace::hub
