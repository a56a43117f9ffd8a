// The enhanced header of audio and video messages (E-RTMP v2) from anybody. The first byte of an input sets the kind.
// Properties: everything handed out lies inside the message and in order; what was read is written again to the byte; each track alone
// says the same. `ex_header_fuzz --write-seeds=DIR` writes the seeds from the unit tests' table and ends.
#include <algorithm>
#include <cstdlib>
#include <string>

#include "media/composition.hpp"
#include "media/ex_header.hpp"
#include "media/ex_header_cases.hpp"
#include "media/tag_header.hpp"
#include "media/track.hpp"
#include "seeds.hpp"

namespace {

using namespace millrace;

void require(bool truth) {
  if (!truth) std::abort();
}

bool same(base::bytes_view a, base::bytes_view b) { return std::equal(a.begin(), a.end(), b.begin(), b.end()); }

// `own` is the message of `track` alone.
void check_alone(const media::ex_walk& walk, const media::ex_track& track, const base::slice& own, media::ex_form form) {
  media::ex_walk again(walk.head().kind, own);
  const auto* got = again.next();
  require(got != nullptr);
  require(again.head().form == form && again.head().packet == walk.head().packet && again.head().frame_type == walk.head().frame_type);
  require(again.head().nano_offset == walk.head().nano_offset);
  require(got->id == (form == media::ex_form::single ? 0 : track.id) && got->codec == track.codec && got->usable);
  require(got->composition_ms == track.composition_ms && same(got->content, track.content));
  require(again.next() == nullptr);
}

void check_walk(media::frame_kind kind, base::bytes_view bytes) {
  media::ex_walk walk(kind, bytes);
  media::ex_message read;
  std::size_t at = 0, tracks = 0;
  bool all_usable = true;
  while (const auto* track = walk.next()) {
    require(track->content_at >= at && track->content.data() == bytes.data() + track->content_at);
    at = track->content_at + track->content.size();
    require(at <= bytes.size());
    require(track->body.empty() || track->body.data() + track->body.size() == track->content.data() + track->content.size());
    all_usable = all_usable && track->usable;
    if (track->usable && walk.head().form != media::ex_form::single && ++tracks <= 4) {
      check_alone(walk, *track, walk.as_single(*track), media::ex_form::single);
      check_alone(walk, *track, walk.as_one_track(*track), media::ex_form::one_track);
    }
    if (read.tracks.size() < 1000) {
      read.tracks.push_back({track->id, track->codec, {track->body.begin(), track->body.end()}, track->composition_ms});
    } else {
      all_usable = false;  // not rebuilt: the copies would cost more than the walk
    }
  }
  require(!walk.next() && walk.fault_at() <= bytes.size());

  const auto& head = walk.head();
  if (media::is_unreadable(walk.fault())) {
    require(head.form == media::ex_form::single || !media::single_track(kind, base::slice::copy_of(bytes), 0));
    return;
  }
  require(head.packet == media::ex_packet::command || at == bytes.size());
  if (head.packet_at != 0 || !all_usable || head.packet == media::ex_packet::command) return;
  read.kind = kind;
  read.packet = head.packet;
  read.form = head.form;
  read.frame_type = head.frame_type;
  require(same(media::encode(read), bytes));
}

// Other composition times read back, and nothing else changes.
void check_compositions(base::bytes_view bytes) {
  auto times = media::compositions_of(bytes);
  for (auto& c : times) c.ms = ~c.ms;
  const auto head = media::head_with(bytes, times);
  require(head.size() <= bytes.size() && head.empty() == times.empty());
  std::vector<std::uint8_t> changed(bytes.begin(), bytes.end());
  std::copy(head.view().begin(), head.view().end(), changed.begin());
  const auto again = media::compositions_of(changed);
  require(std::equal(times.begin(), times.end(), again.begin(), again.end(), [](auto a, auto b) { return a.at == b.at && a.ms == b.ms; }));
  for (auto& c : times) c.ms = ~c.ms;
  const auto back = media::head_with(changed, times);
  require(same(back, bytes.first(back.size())));
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv) {
  return millrace::fuzz::write_seeds_if_asked(*argc, *argv, [](const millrace::fuzz::seed_folder& seeds) {
    const auto first = [](media::frame_kind kind) -> std::uint8_t { return kind == media::frame_kind::video ? 0 : 1; };
    for (const auto& c : media::ex_cases::all_good()) seeds.add(c.name, first(c.meaning.kind), c.bytes);
    for (const auto& c : media::ex_cases::all_bad()) seeds.add(c.name, first(c.kind), c.bytes);
  });
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const auto kind = (data[0] & 1) == 0 ? media::frame_kind::video : media::frame_kind::audio;
  const base::bytes_view bytes(data + 1, size - 1);
  if (media::is_enhanced(kind, bytes)) check_walk(kind, bytes);
  if (kind == media::frame_kind::video) check_compositions(bytes);

  const auto info = media::inspect(kind, bytes);
  require(info.valid || !(info.key || info.config || info.disposable || info.end_of_sequence));
  require(!media::is_unreadable(info.fault) || !info.valid);
  require(info.fault != media::header_fault::none || info.valid || bytes.empty());
  require(info.fault_at <= bytes.size());
  require(!media::codec_name(kind, info).empty());

  const auto tracks = media::tracks_of(kind, bytes);
  require(tracks.any());
  const auto payload = base::slice::copy_of(bytes);
  std::size_t looked_at = 0;
  for (std::size_t id = 0; id < tracks.size() && looked_at < 8; ++id) {
    const auto own = media::single_track(kind, payload, static_cast<std::uint8_t>(id));
    if (!tracks[id]) {
      require(!own);
      continue;
    }
    ++looked_at;
    if (!own) continue;
    require(own->size() <= bytes.size());
    // What is alone stays as it is.
    const auto again = media::single_track(kind, *own, 0);
    require(again && again->data() == own->data());
  }
  return 0;
}
