#include <algorithm>
#include <utility>

#include "hub/stream_state.hpp"
#include "media/composition.hpp"

namespace millrace::hub {
namespace {

// What a slot costs beside its payload: frame, entry, their forms, wire image headers and the slot itself. Charged against the byte
// limit, so that a flood of empty frames is bounded as well.
constexpr std::size_t slot_overhead_bytes = 768;
constexpr std::uint64_t fetched_ahead = 4;  // slots

}  // namespace

stream::stream(std::string name, const base::hub_limits& limits) : state_(std::make_unique<state>(std::move(name), limits)) {}
stream::~stream() = default;

const std::string& stream::name() const noexcept { return state_->name; }
bool stream::published() const noexcept { return state_->published; }
void stream::flush() { state_->flush(); }
bool stream::claim_flush() { return state_->claim_flush(); }

std::uint64_t stream::take_turns() {
  const auto frames = state_->frames_total - std::exchange(state_->frames_in_turns, state_->frames_total);
  return frames * (1 + state_->attached);
}

stream_facts stream::facts() const {
  const auto& s = *state_;
  stream_facts facts;
  facts.name = s.name;
  facts.published = s.published;
  facts.viewers = s.attached;
  facts.frames = s.frames_total;
  facts.bytes = s.bytes_total;
  facts.pictures = s.pictures_total;
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

std::vector<frame_facts> stream::newest_group(std::size_t most) const {
  const auto& s = *state_;
  auto at = std::max(s.newest_start(std::nullopt).value_or(s.frames.first()), s.frames.first());
  if (s.frames.end() - at > most) at = s.frames.end() - most;
  std::vector<frame_facts> out;
  for (; at < s.frames.end(); ++at) {
    const auto& f = *s.frames.at(at).item->frame();
    out.push_back({f.kind, f.key, f.disposable, f.config, f.dts_ms, f.payload.size()});
  }
  return out;
}

void stream::state::begin_publication() {
  const bool watched = attached > 0;
  if (!watched) {
    frames.clear();
    gops.clear();
    newest_key.clear();
    oldest_start.reset();
    payload_bytes = records_bytes = 0;
  }
  time.begin(watched);
  records = std::make_shared<record_set>();  // the old publisher's say nothing about the new one's media
  published = true;
  ++publication;
  publication_start = frames.end();
  video_tracks.reset();
  lead_track = no_track;
  video_codec.clear();
  audio_codec.clear();
  malformed_total = 0;
}

void stream::state::append(media::frame&& f) {
  ++frames_total;
  bytes_total += f.payload.size();
  const auto info = media::inspect(f.kind, f.payload);
  slot added;
  added.multitrack = info.multitrack;
  if (info.multitrack) added.tracks = std::make_unique<const media::track_set>(media::tracks_of(f.kind, f.payload));
  f.dts_ms = time.stamp(f, info.track_id);
  note_codec(f, info);
  if (info.fault != media::header_fault::none) {
    ++malformed_total;
    newest_fault = {f.kind, f.payload.size(), info};
  }

  added.arrival = f.arrival;
  added.publication = publication;
  added.kind = f.kind;
  added.config = f.config;
  added.key = f.key;
  if (f.kind == media::frame_kind::video) {
    note_video(added, info);
    if (!f.config) {
      ++pictures_total;
      picture_arrival = f.arrival;
    }
  }
  added.before = records;
  const std::size_t size = f.payload.size();
  const base::instant arrival = f.arrival;
  added.item = std::make_shared<entry>(std::move(f));
  const auto effect = update_records(records, added.item, info, frames.end(), limits);
  if (effect == record_effect::consume) for_each_cursor([&added](cursor::state& c) { c.owner->on_cleared(added.item); });
  if (effect != record_effect::pass) return;

  if (added.gop_start) {
    gops.push_back(frames.end());
    look_at_ages();
  }
  const bool is_key = added.key;
  payload_bytes += size;
  if (records != added.before) added.records_bytes = static_cast<std::uint32_t>(cost_of_change(*records, added.item, frames.end()));
  records_bytes += added.records_bytes;
  frames.push(std::move(added));
  if (is_key) look_for_starts();
  appended = true;
  evict(arrival);
}

// Who waits for which key frame (R6): without a picked track the lowest track that ever had one leads.
void stream::state::note_video(slot& added, const media::tag_info& info) {
  if (added.tracks) video_tracks |= *added.tracks; else video_tracks.set(0);
  if (!added.key) return;
  if (info.track_id <= lead_track) {
    lead_track = info.track_id;
    added.gop_start = true;
  }
  if (!added.tracks) {
    newest_key[0] = frames.end();
    return;
  }
  for (std::size_t track = 0; track < added.tracks->size(); ++track) {
    if ((*added.tracks)[track]) newest_key[static_cast<std::uint8_t>(track)] = frames.end();
  }
}

std::optional<std::uint64_t> stream::state::newest_start(std::optional<std::uint8_t> picked) const {
  if (!picked) return gops.empty() ? std::nullopt : std::optional(gops.back());
  const auto found = newest_key.find(*picked);
  if (found == newest_key.end() || found->second < frames.first()) return std::nullopt;
  return found->second;
}

void stream::state::note_codec(const media::frame& f, const media::tag_info& info) {
  // A configuration names the codec; for those that have none, the first frame does. Side tracks do not count.
  if (!info.valid || info.track_id != 0 || f.kind == media::frame_kind::data) return;
  auto& codec = f.kind == media::frame_kind::video ? video_codec : audio_codec;
  if (codec.empty() || (f.config && !info.metadata && !info.multichannel)) codec = media::codec_name(f.kind, info);
}

void stream::state::look_for_starts() {
  oldest_start.reset();
  if (gops.empty()) return;
  oldest_start = gops.back();
  for (const auto& [track, sequence] : newest_key) {
    if (sequence >= frames.first()) oldest_start = std::min(*oldest_start, sequence);
  }
}

void stream::state::evict(base::instant newest) {
  while (!frames.empty()) {
    const auto first = frames.first();
    // Ahead of the key frames that viewers start at there is nothing for who comes, and for who is there only what is younger than its
    // limit: with anything older it would jump to such a key frame.
    const bool before_starts = oldest_start && first < *oldest_start;
    // The newest GOP is what late viewers start with: age and count stop before it.
    const bool may_age = gops.empty() || first < gops.back();
    const bool too_large = payload_bytes + records_bytes + frames.size() * slot_overhead_bytes > limits.ring_bytes;
    // Where the oldest frame is the newest start, as it mostly is, that is all: its slot has long left the cache.
    if (!before_starts && !may_age && !too_large) return;
    const auto age = newest - frames.at(first).arrival;
    const bool of_no_use = before_starts && (attached == 0 || age > viewers_age);
    const bool too_old = may_age && (frames.size() > limits.ring_frames || age > limits.ring_age);
    if (!of_no_use && !too_large && !too_old) return;
    if (!of_no_use) overrun_end = first + 1;
    if (!gops.empty() && gops.front() == first) gops.pop_front();
    payload_bytes -= frames.at(first).item->frame()->payload.size();
    records_bytes -= frames.at(first).records_bytes;
    // A GOP goes at once, and nobody has touched its frames for seconds: the next ones are fetched while this one goes.
    if (frames.size() > fetched_ahead) __builtin_prefetch(frames.at(first + fetched_ahead).item.get());
    frames.pop();
    if (oldest_start && first >= *oldest_start) look_for_starts();
  }
}

prelude_ptr stream::state::prelude_of(std::uint64_t sequence, std::int64_t time_ms, std::int64_t audio_time_ms) {
  const slot& at = frames.at(sequence);
  auto& cached = at.gop_start ? key_prelude_ : other_prelude_;
  if (cached.sequence == sequence && cached.time_ms == time_ms && cached.audio_time_ms == audio_time_ms) return cached.list;
  auto list = std::make_shared<prelude_list>();
  list->reserve(at.before->records.size());
  for (const auto& kept : at.before->records) {
    auto stamped = *kept.item->frame();
    stamped.dts_ms = kept.kind == media::frame_kind::audio ? audio_time_ms : time_ms;
    stamped.arrival = at.arrival;
    list->push_back(std::make_shared<entry>(std::move(stamped)));
  }
  cached = {sequence, time_ms, audio_time_ms, std::move(list)};
  return cached.list;
}

std::shared_ptr<const catch_up> stream::state::catch_up_from(std::uint64_t start, std::optional<std::uint8_t> picked,
                                                             std::chrono::milliseconds delay) {
  auto& cached = catch_up_;
  if (cached.start == start && cached.end == frames.end() && cached.picked == picked && cached.delay == delay) return cached.made;
  cached = {start, frames.end(), picked, delay, nullptr};
  std::vector<std::int64_t> decoded, shown;
  std::int64_t least_composition = 0;
  std::optional<std::int64_t> sound;
  for (auto sequence = start; sequence < frames.end(); ++sequence) {
    const slot& at = frames.at(sequence);
    if (at.kind == media::frame_kind::audio && !at.config) sound = at.item->frame()->dts_ms;
    if (at.kind != media::frame_kind::video || at.config || (picked && !at.has_track(*picked))) continue;
    const auto& frame = *at.item->frame();
    decoded.push_back(frame.dts_ms);
    for (const auto& c : media::compositions_of(frame.payload)) {
      shown.push_back(frame.dts_ms + c.ms);
      least_composition = std::min<std::int64_t>(least_composition, c.ms);
    }
  }
  if (decoded.empty()) return nullptr;
  // Where frames are shown before they are decoded (negative composition times), what comes next may still be shown ahead of the
  // newest decoding time, and nothing squeezed may be shown after it.
  const auto newest = *std::max_element(decoded.begin(), decoded.end());
  auto edge = newest + least_composition;
  // Sound that went on without them is not to be waited for either: it is where its own time says, or by the clock of the pictures if that is earlier.
  if (const auto since = without_pictures(); since.count() > 0 && sound) edge = std::max(edge, std::min(*sound, newest + since.count()));
  auto times = time_squeeze::make(decoded, shown, edge, delay);
  if (times) {
    const bool sound_is_there = sound && *sound >= times->start_ms();
    cached.made = std::make_shared<const catch_up>(catch_up{++catch_ups_, std::move(*times), sound_is_there});
  }
  return cached.made;
}

std::chrono::milliseconds stream::state::without_pictures() const {
  constexpr std::chrono::milliseconds stopped{2'000};
  if (frames.empty()) return {};
  const auto since = std::chrono::duration_cast<std::chrono::milliseconds>(frames.at(frames.end() - 1).arrival - picture_arrival);
  return since > stopped ? since : std::chrono::milliseconds{};
}

std::uint64_t stream::state::sound_of_last(std::chrono::milliseconds delay, std::uint64_t lowest) const {
  std::optional<std::int64_t> newest;
  auto first = frames.end();
  for (auto sequence = frames.end(); sequence > std::max(lowest, frames.first()); --sequence) {
    const slot& at = frames.at(sequence - 1);
    if (at.kind != media::frame_kind::audio || at.config) continue;
    const auto dts = at.item->frame()->dts_ms;
    if (!newest) newest = dts;
    if (dts < *newest - delay.count()) break;
    first = sequence - 1;
  }
  return first;
}

void stream::state::attach(cursor::state& c) {
  c.place = cursors.size();
  cursors.push_back(&c);
  ++attached;
  viewers_age = std::max(viewers_age, c.policy.age_max);
}

// Those who have left count no more. Now and then will do: it costs a look at every viewer.
void stream::state::look_at_ages() {
  viewers_age = {};
  for (const auto* c : cursors) {
    if (c) viewers_age = std::max(viewers_age, c->policy.age_max);
  }
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

bool stream::state::claim_flush() { return appended && attached > 0 && !std::exchange(flush_claimed, true); }

void stream::state::flush() {
  flush_claimed = false;
  if (!appended) return;
  appended = false;
  for_each_cursor([this](cursor::state& c) {
    if (!c.dry || c.paused || !c.has_more(*this)) return;
    c.dry = false;
    c.owner->on_frames();  // last: it may have taken the cursor away
  });
}

}  // namespace millrace::hub
