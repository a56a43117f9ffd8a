#include "mux/muxer.hpp"

#include <algorithm>
#include <array>
#include <deque>
#include <limits>
#include <utility>

#include "media/codec.hpp"
#include "mux/av_output.hpp"
#include "mux/sample_clock.hpp"
#include "mux/track_config.hpp"

namespace millrace::mux {
namespace {

using base::error;
using base::error_kind;
using media::frame_kind;
namespace codecs = media::codecs;

constexpr std::int64_t no_cut = std::numeric_limits<std::int64_t>::max();
// Sound whose configuration changed waits for a key frame, so that the picture need not stop; no longer than this without one.
constexpr std::int64_t wait_for_key_ms = 10'000;
// What the last picture of all lasts when there was none before it.
constexpr std::int64_t usual_duration_ms = 40;
constexpr std::int64_t video_units_per_ms = 90;

bool can_carry(container to, std::uint32_t codec) {
  switch (codec) {
    case codecs::avc:
    case codecs::hevc:
    case codecs::aac:
    case codecs::opus:
    case codecs::mp3: return true;
    case codecs::av1: return to == container::fmp4;
    default: return false;
  }
}

struct item {
  std::int64_t dts_ms = 0;
  std::int32_t composition_ms = 0;
  bool key = false;
  base::slice data;

  [[nodiscard]] std::size_t cost() const { return data.size() + muxer::frame_overhead_bytes; }
};

struct track {
  frame_kind kind = frame_kind::video;
  std::optional<track_config> config;  // the newest
  std::optional<track_config> used;    // that of the frames which wait and of the output; nothing: the track is not in it
  std::deque<item> queue;
  std::vector<std::uint32_t> refused;  // codecs that were complained of
  std::optional<track_config> unfit;   // the container did not take it: the track is left out until another one comes
  std::int64_t newest_ms = 0;
  // Where the output stands.
  std::size_t index = 0;
  std::optional<sample_clock> clock;                        // of sound
  std::int64_t last_dts = 0, shift = 0, last_duration = 0;  // of video, in its units
  bool any = false;

  [[nodiscard]] bool is_video() const { return kind == frame_kind::video; }
  [[nodiscard]] bool carries(const track_config& c) const { return !unfit || !unfit->same_stream(c); }
};

// The configuration that a frame brings itself, if the track has none for it: MP3 has no message for that, also in the middle of something else.
std::optional<track_config> own_config(const track& t, const track_body& body) {
  if (t.config && (t.config->codec == body.codec || body.codec != codecs::mp3)) return std::nullopt;
  return config_of_frame(t.kind, body);
}

}  // namespace

std::string_view name(container c) { return c == container::fmp4 ? "MP4" : "MPEG-TS"; }

struct muxer::state {
  muxer_options options;
  track video, audio;
  std::unique_ptr<av_output> output;
  std::int64_t origin_ms = 0;
  std::optional<std::int64_t> held_since_ms;  // sound waits for a key frame since
  std::size_t bytes = 0;
  std::uint64_t refused_frames = 0;
  std::deque<piece> pieces;
  std::deque<error> errors;

  std::array<track*, 2> tracks() { return {&video, &audio}; }
  track& of(frame_kind kind) { return kind == frame_kind::video ? video : audio; }

  void complain(track& t, std::uint32_t codec, std::string text) {
    if (std::ranges::find(t.refused, codec) != t.refused.end() || t.refused.size() >= 16) return;
    t.refused.push_back(codec);
    errors.push_back({error_kind::unsupported, std::move(text)});
  }
  void take_config(track& t, const track_body& body);
  [[nodiscard]] bool restarts(const track& t, const track_config& config, const track_body& body, std::int64_t dts_ms) const;
  void restart();
  void cut(std::int64_t at_ms);
  bool open(std::int64_t first_ms, const item* key);
  void open_output();
  void drop(track& t);
  void convert(track& t, std::vector<item>& items, std::int64_t at_ms, std::vector<sample>& out);
};

muxer::muxer(muxer_options options) : state_(std::make_unique<state>()) {
  state_->options = options;
  state_->video.kind = frame_kind::video;
  state_->audio.kind = frame_kind::audio;
}
muxer::~muxer() = default;

std::size_t muxer::queued_bytes() const noexcept { return state_->bytes; }
std::uint64_t muxer::refused_frames() const noexcept { return state_->refused_frames; }
std::size_t muxer::queued_frames() const noexcept { return state_->video.queue.size() + state_->audio.queue.size(); }

bool muxer::has_before(std::int64_t at_ms) const noexcept {
  const auto before = [at_ms](const track& t) { return std::ranges::any_of(t.queue, [at_ms](const item& i) { return i.dts_ms < at_ms; }); };
  return before(state_->video) || before(state_->audio);
}

void muxer::state::take_config(track& t, const track_body& body) {
  if (body.codec == codecs::mp3) return;
  if (auto config = config_of(t.kind, body)) {
    t.config = std::move(config);
  } else {
    complain(t, body.codec, "the configuration of " + media::codec_name(t.kind, body.codec) + " cannot be read");
  }
}

// Whether this frame, which is of `config`, cannot go on in what was begun.
bool muxer::state::restarts(const track& t, const track_config& config, const track_body& body, std::int64_t dts_ms) const {
  if (t.is_video()) {
    if (!body.key) return false;
    return t.used ? !t.used->same_stream(config) || held_since_ms : output != nullptr;
  }
  if (t.used ? t.used->same_stream(config) : output == nullptr) return false;
  return !video.used || (held_since_ms && dts_ms - *held_since_ms > wait_for_key_ms);
}

bool muxer::starts_anew(const media::frame& f) const {
  const auto& s = *state_;
  if (f.kind == frame_kind::data) return false;
  const auto body = body_of(f, f.kind == frame_kind::video ? s.options.video_track : s.options.audio_track);
  const auto& t = f.kind == frame_kind::video ? s.video : s.audio;
  if (!body || !body->frame || !can_carry(s.options.to, body->codec)) return false;
  const auto own = own_config(t, *body);
  const auto& config = own ? own : t.config;
  return config && config->codec == body->codec && t.carries(*config) && s.restarts(t, *config, *body, f.dts_ms);
}

void muxer::push(const media::frame& f) {
  auto& s = *state_;
  if (f.kind == frame_kind::data) return;
  auto& t = s.of(f.kind);
  const auto body = body_of(f, t.is_video() ? s.options.video_track : s.options.audio_track);
  if (!body || (!body->config && !body->frame)) return;
  if (!can_carry(s.options.to, body->codec)) {
    s.complain(t, body->codec, std::string(name(s.options.to)) + " cannot carry " + media::codec_name(f.kind, body->codec));
    return;
  }
  if (body->config) return s.take_config(t, *body);
  if (auto own = own_config(t, *body)) t.config = std::move(own);
  if (!t.config || t.config->codec != body->codec || !t.carries(*t.config)) return;
  if (s.restarts(t, *t.config, *body, f.dts_ms)) s.restart();
  if (!t.config) return;  // what waited was of it, and did not say its size
  const bool fits = t.used ? t.used->same_stream(*t.config) : s.output == nullptr;
  if (!fits) {
    if (!t.is_video() && !s.held_since_ms) s.held_since_ms = f.dts_ms;
    return;
  }
  if (!t.used) {
    if (t.is_video() && !body->key) return;
    t.used = t.config;
  }
  t.queue.push_back({f.dts_ms, body->composition_ms, body->key, body->bytes});
  t.newest_ms = f.dts_ms;
  s.bytes += t.queue.back().cost();
}

// What waits goes out as it was begun; what comes now begins anew.
void muxer::state::restart() {
  cut(no_cut);
  output.reset();
  held_since_ms.reset();
  for (auto* t : tracks()) {
    t->used.reset();
    t->clock.reset();
    t->any = false;
    t->shift = t->last_dts = 0;
  }
}

void muxer::cut(std::int64_t at_ms) { state_->cut(at_ms); }
void muxer::finish() { state_->cut(no_cut); }

void muxer::state::cut(std::int64_t at_ms) {
  std::array<std::vector<item>, 2> taken;
  auto first_ms = no_cut;
  for (std::size_t i = 0; i < taken.size(); ++i) {
    auto& queue = tracks()[i]->queue;
    // Up to the last one that is early enough: jitter of a sender keeps its order.
    auto end = queue.end();
    while (end != queue.begin() && std::prev(end)->dts_ms >= at_ms) --end;
    std::move(queue.begin(), end, std::back_inserter(taken[i]));
    queue.erase(queue.begin(), end);
    for (const auto& one : taken[i]) {
      first_ms = std::min(first_ms, one.dts_ms);
      bytes -= one.cost();
    }
  }
  if (first_ms == no_cut) return;
  if (!output) {
    const item* key = !taken[0].empty() ? &taken[0].front() : !video.queue.empty() ? &video.queue.front() : nullptr;
    if (!open(first_ms, key)) return;
    if (!video.used) taken[0].clear();
    if (!audio.used) taken[1].clear();
    if (taken[0].empty() && taken[1].empty()) return;
  }
  piece p;
  p.begin_ms = first_ms;
  p.end_ms = at_ms == no_cut ? std::numeric_limits<std::int64_t>::min() : at_ms;
  std::vector<sample> samples;
  for (std::size_t i = 0; i < taken.size(); ++i) {
    if (taken[i].empty()) continue;
    auto& t = *tracks()[i];
    convert(t, taken[i], at_ms, samples);
    const auto last_ms = samples.back().duration * 1000 / t.used->time_scale;
    if (at_ms == no_cut) p.end_ms = std::max(p.end_ms, taken[i].back().dts_ms + last_ms);
  }
  // MPEG-TS wants its tracks in the order of time; an MP4 fragment does not care.
  std::ranges::stable_sort(samples, {}, [this](const sample& s) {
    return static_cast<double>(s.dts) / (s.track == video.index && video.used ? video : audio).used->time_scale;
  });
  auto written = output->write(samples);
  if (!written) {
    errors.push_back(std::move(written).error());
    for (auto* t : tracks()) drop(*t);
    output.reset();
    return;
  }
  auto& [made, refusal] = written.value();
  if (refusal) errors.push_back(std::move(*refusal));
  refused_frames += static_cast<std::uint64_t>(std::ranges::count_if(samples, &sample::refused));
  if (made.empty()) return;
  const auto picture = std::ranges::find_if(samples, [this](const sample& s) { return !s.refused && video.used && s.track == video.index; });
  p.has_video = picture != samples.end();
  p.independent = video.used ? p.has_video && picture->key : true;
  p.bytes = std::move(made);
  pieces.push_back(std::move(p));
}

// Nothing that waits goes out. The track goes on with a configuration that it has or gets.
void muxer::state::drop(track& t) {
  for (const auto& one : t.queue) bytes -= one.cost();
  t.queue.clear();
  t.used.reset();
}

// With the tracks that have frames. `key`: the first one of video.
bool muxer::state::open(std::int64_t first_ms, const item* key) {
  if (video.used && key != nullptr) {
    const auto seen = picture_of(video.used->codec, video.used->record, key->data.view());
    video.used->width = seen.width;
    video.used->height = seen.height;
    video.used->frame_rate = seen.frame_rate;
    if (seen.width <= 0 || seen.height <= 0) {
      complain(video, video.used->codec, "the picture size of " + media::codec_name(frame_kind::video, video.used->codec) + " cannot be read");
      if (video.config && video.config->same_stream(*video.used)) video.config.reset();  // until it comes again
      drop(video);
    }
  }
  open_output();
  if (!output) return false;
  piece p;
  p.is = piece::type::init;
  std::size_t index = 0;
  for (auto* t : tracks()) {
    if (!t->used) continue;
    t->index = index++;
    if (!t->is_video()) t->clock.emplace(t->used->time_scale);
    const auto& c = *t->used;
    p.tracks.push_back({c.kind, c.codec, codecs_text(c), c.width, c.height, c.frame_rate, c.sample_rate, c.channels});
  }
  origin_ms = options.from_zero ? first_ms : 0;
  p.bytes = output->init();
  p.begin_ms = p.end_ms = first_ms;
  pieces.push_back(std::move(p));
  return true;
}

// A configuration that the container does not take costs its own track: the other one goes on.
void muxer::state::open_output() {
  const auto configs_of = [this](bool with_video, bool with_audio) {
    std::vector<track_config> out;
    if (with_video && video.used) out.push_back(*video.used);
    if (with_audio && audio.used) out.push_back(*audio.used);
    return out;
  };
  const auto leave_out = [this](track& t) {
    if (!t.used) return;
    t.unfit = t.used;
    drop(t);
  };
  std::optional<error> why;
  for (const auto& [with_video, with_audio] : {std::pair{true, true}, {true, false}, {false, true}}) {
    const auto configs = configs_of(with_video, with_audio);
    if (configs.empty()) continue;
    auto opened = av_output::open(options.to, configs);
    if (opened) {
      output = std::move(opened).value();
      if (!with_video) leave_out(video);
      if (!with_audio) leave_out(audio);
      break;
    }
    if (!why) why = std::move(opened).error();
  }
  if (why) errors.push_back(std::move(*why));
  if (output) return;
  for (auto* t : tracks()) leave_out(*t);
}

void muxer::state::convert(track& t, std::vector<item>& items, std::int64_t at_ms, std::vector<sample>& out) {
  for (std::size_t i = 0; i < items.size(); ++i) {
    const auto& one = items[i];
    sample s;
    s.track = t.index;
    s.key = one.key || !t.is_video();
    s.data = one.data;
    const auto time_ms = one.dts_ms - origin_ms;
    if (!t.is_video()) {
      auto samples = static_cast<std::int64_t>(samples_of(*t.used, one.data));
      if (samples == 0) samples = t.used->time_scale / 50;
      s.dts = s.pts = t.clock->place(time_ms, samples);
      s.duration = samples;
      out.push_back(std::move(s));
      continue;
    }
    // A picture shown before its decoding time would be refused: from then on all are decoded earlier by as much.
    s.pts = (time_ms + one.composition_ms) * video_units_per_ms;
    t.shift = std::max(t.shift, -one.composition_ms * video_units_per_ms);
    s.dts = time_ms * video_units_per_ms - t.shift;
    if (t.any) s.dts = std::max(s.dts, t.last_dts + 1);
    s.pts = std::max(s.pts, s.dts);
    const auto next_ms = i + 1 < items.size() ? items[i + 1].dts_ms : !t.queue.empty() ? t.queue.front().dts_ms : at_ms;
    if (next_ms != no_cut) {
      s.duration = std::max<std::int64_t>((next_ms - origin_ms) * video_units_per_ms - t.shift - s.dts, 1);
      // Cut between two pictures: the next one is not there yet, and comes when the one before makes likely.
      if (next_ms == at_ms && s.duration < t.last_duration) s.duration = t.last_duration;
      t.last_duration = s.duration;
    } else {
      s.duration = t.last_duration > 0 ? t.last_duration : usual_duration_ms * video_units_per_ms;
    }
    t.last_dts = s.dts;
    t.any = true;
    out.push_back(std::move(s));
  }
}

std::optional<piece> muxer::poll_piece() {
  auto& pieces = state_->pieces;
  if (pieces.empty()) return std::nullopt;
  auto first = std::move(pieces.front());
  pieces.pop_front();
  return first;
}

std::optional<error> muxer::poll_error() {
  auto& errors = state_->errors;
  if (errors.empty()) return std::nullopt;
  auto first = std::move(errors.front());
  errors.pop_front();
  return first;
}

}  // namespace millrace::mux
