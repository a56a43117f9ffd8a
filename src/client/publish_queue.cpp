#include "client/publish_queue.hpp"

#include <algorithm>
#include <utility>

#include "media/tag_header.hpp"

namespace millrace::client {
namespace {

using media::frame;
using media::frame_kind;

// Enough for every track of a multitrack stream; a source that invents more loses its oldest, not our memory.
constexpr std::size_t heads_max = 32;

// Two configurations with one id are versions of the same thing. Legacy headers say codec and kind in 2 bytes; enhanced ones need
// the FourCC and, with several tracks, the track number behind it (E-RTMP v2 "ExVideoTagHeader": at most 7 bytes).
std::string head_id(const frame& f) {
  std::string id(1, static_cast<char>(f.kind));
  if (f.kind == frame_kind::data) return id;
  const auto info = f.kind == frame_kind::video ? media::inspect_video(f.payload) : media::inspect_audio(f.payload);
  const auto head = f.payload.view().first(std::min<std::size_t>(f.payload.size(), info.enhanced ? 7 : 2));
  return id.append(base::as_text(head));
}

bool is_head(const frame& f) { return f.config || is_metadata(f); }

}  // namespace

bool is_metadata(const frame& f) {
  static constexpr std::string_view name("\x02\x00\x0aonMetaData", 13);
  return f.kind == frame_kind::data && f.payload.size() >= name.size() &&
         base::as_text(f.payload.view().first(name.size())) == name;
}

base::duration publish_queue::age(base::instant now) const {
  return frames_.empty() ? base::duration::zero() : std::max<base::duration>(base::duration::zero(), now - frames_.front().arrival);
}

void publish_queue::remember(const frame& f) {
  auto id = head_id(f);
  std::erase_if(heads_, [&](const remembered& r) { return r.id == id; });
  if (heads_.size() >= heads_max) heads_.erase(heads_.begin());
  // Metadata goes in front: players want it before they set up decoders.
  const auto at = f.kind == frame_kind::data ? heads_.begin() : heads_.end();
  heads_.insert(at, remembered{std::move(id), f});
}

void publish_queue::append(frame f) {
  bytes_ += f.payload.size();
  frames_.push_back(std::move(f));
}

void publish_queue::push(frame f, base::instant now) {
  f.arrival = now;
  if (f.kind == frame_kind::video) has_video_ = true;
  const bool head = is_head(f);
  if (head) remember(f);
  if (suspended_) {
    if (!head) ++frames_dropped_;
    return;
  }
  if (wait_for_key_ && !head) {
    if (f.kind == frame_kind::video && f.key) {
      wait_for_key_ = false;
    } else if (f.kind == frame_kind::video) {
      ++frames_dropped_;
      return;
    }
  }
  append(std::move(f));
  if (too_old(now)) cut(now);
}

void publish_queue::cut(base::instant now) {
  // The newest key frame is where a viewer can go on, if it is itself fresh enough to be worth sending.
  auto from = frames_.end();
  for (auto i = frames_.begin(); i != frames_.end(); ++i) {
    if (i->key && now - i->arrival <= limits_.age_max / 2) from = i;
  }
  std::deque<frame> kept;
  std::size_t kept_bytes = 0;
  for (auto i = frames_.begin(); i != frames_.end(); ++i) {
    const bool behind_key = from != frames_.end() && i >= from;
    if (behind_key || is_head(*i)) {
      // A configuration that outlives its time starts a new age, or it would cause the next cut at once.
      if (!behind_key) i->arrival = now;
      kept_bytes += i->payload.size();
      kept.push_back(std::move(*i));
    } else {
      ++frames_dropped_;
    }
  }
  wait_for_key_ = from == frames_.end() && has_video_;
  frames_ = std::move(kept);
  bytes_ = kept_bytes;
  ++cuts_;
  // A run of configurations only, or one GOP over the byte limit: memory comes first.
  if (bytes_ > limits_.bytes_max) {
    for (const auto& f : frames_) frames_dropped_ += is_head(f) ? 0U : 1U;
    frames_.clear();
    bytes_ = 0;
    wait_for_key_ = has_video_;
    for (const auto& h : heads_) {
      append(h.frame);
      frames_.back().arrival = now;
    }
  }
}

std::optional<frame> publish_queue::pop() {
  if (frames_.empty()) return std::nullopt;
  auto f = std::move(frames_.front());
  frames_.pop_front();
  bytes_ -= f.payload.size();
  return f;
}

void publish_queue::suspend() {
  for (const auto& f : frames_) frames_dropped_ += is_head(f) ? 0U : 1U;
  frames_.clear();
  bytes_ = 0;
  suspended_ = true;
}

void publish_queue::resume(base::instant now) {
  suspended_ = false;
  wait_for_key_ = has_video_;
  for (const auto& h : heads_) {
    append(h.frame);
    frames_.back().arrival = now;
  }
}

}  // namespace millrace::client
