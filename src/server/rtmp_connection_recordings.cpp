// Recordings over RTMP (RTMP 1.0 section 7.2.2.1: a start of 0 or more): `NAME?recording=ID`, `?recording=newest`, or the newest one of a name that nobody publishes.
#include "base/escape.hpp"
#include "base/log.hpp"
#include "rtmp/group_sender.hpp"
#include "server/rtmp_connection.hpp"

namespace millrace::server {
namespace log = base::log;
using base::escaped;

namespace {
constexpr std::size_t group_bytes_max = 1u << 20;  // that wait in groups; the network's rest is paced by the recording's time
}

std::optional<record::recording_facts> rtmp_connection::recording_for(const std::string& name, std::string_view query) const {
  if (shard_.recordings == nullptr) return std::nullopt;
  const auto wish = query_parameter(query, "recording");
  if (!wish || *wish == "newest") return shard_.recordings->newest_recording(name);
  auto found = shard_.recordings->recording(*wish);
  if (!found || found->stream != name) return std::nullopt;
  return found;
}

bool rtmp_connection::plays_recording(const rtmp::play_requested& e, const std::string& name) {
  // Without an explicit wish a stream that runs comes first: librtmp says start=0 whether or not it is meant.
  const bool says_so = query_parameter(e.query, "recording").has_value();
  if (!says_so && (e.start < 0 || shard_.streams.published(name))) return false;
  // Who may not play recordings does not learn which there are either.
  const auto decision = recordings_allowed(shard_.settings.access, remote_address_);  // to play at all it is
  if (says_so && !decision.allowed) {
    refuse_play(e.msid, name, decision.why, decision.why);
    visits_.erase(e.msid);  // a play that has ended at once
    return true;
  }
  const auto found = decision.allowed ? recording_for(name, e.query) : std::nullopt;
  if (!found) {
    log::info("#{} {}: play {} refused: no such recording", id_, remote_, escaped(name));
    refuse_later(e.msid, "NetStream.Play.StreamNotFound", "nobody publishes " + name + ", and there is no recording of it", false);
    visits_.erase(e.msid);
    return true;
  }
  // Milliseconds, as librtmp and FFmpeg count.
  const auto start_ms = static_cast<std::int64_t>(std::clamp(e.start, 0.0, 1e12));
  auto from = std::make_unique<recording_player>(recording_player::parts{shard_.io, *shard_.readers, *shard_.recordings}, found->id, start_ms,
                                                 [weak = weak_from_this()] {
                                                   if (const auto self = weak.lock(); self && self->transport_) self->turn();
                                                 });
  recordings_[e.msid] = {name, std::move(from), false};
  return true;
}

std::size_t rtmp_connection::recordings_budget() const {
  const auto* const groups = session_.groups();
  return groups ? group_bytes_max - std::min(groups->queued_bytes(), group_bytes_max) : transport_->send_budget();
}

// What is due and has no room waits for on_writable: a timer for it would be over at once, again and again.
base::instant rtmp_connection::recordings_due() const {
  auto due = base::instant::max();
  if (recordings_.empty() || recordings_budget() == 0) return due;
  for (const auto& [msid, played] : recordings_) due = std::min(due, played.from->due().value_or(due));
  return due;
}

void rtmp_connection::pump_recordings() {
  if (recordings_.empty() || !transport_) return;
  for (auto at = recordings_.begin(); at != recordings_.end();) {
    if (pump_recording(at->first, at->second)) {
      ++at;
      continue;
    }
    visits_.erase(at->first);
    at = recordings_.erase(at);
  }
}

bool rtmp_connection::pump_recording(std::uint32_t msid, played_recording& one) {
  auto& from = *one.from;
  if (const auto& failed = from.failure(); failed && !one.accepted) {
    log::info("#{} {}: play {} refused: recording {}: {}", id_, remote_, escaped(one.name), from.id(), escaped(failed->text));
    session_.reject_play(msid, {"error", "NetStream.Play.StreamNotFound", "the recording cannot be read: " + failed->text});
    return false;
  }
  if (!from.opened()) return true;
  if (!std::exchange(one.accepted, true)) {
    session_.accept_play_recorded(msid);
    log::info("#{} {}: plays recording {} of {} over {}", id_, remote_, from.id(), escaped(one.name), rtmp_scheme(transport_->kind()));
    note(one.name, reason::play_began, "recording " + from.id() + " over " + std::string(rtmp_scheme(transport_->kind())));
  }
  if (auto sought = from.take_sought()) session_.finish_seek(msid, std::move(*sought));
  const auto at = std::chrono::steady_clock::now();
  auto budget = recordings_budget();
  while (budget > 0) {
    const auto* const frame = from.front(at);
    if (frame == nullptr) break;
    budget -= std::min(budget, frame->payload.size() + 1);
    session_.send(at, msid, *frame, nullptr);  // nobody shares its image
    from.pop();
  }
  auto out = session_.poll_output();
  if (!out.empty()) transport_->send(std::move(out));
  pull();
  if (const auto& failed = from.failure(); failed && from.due() == std::nullopt && !from.ended()) {
    log::warning("#{} {}: recording {} of {} cannot be read further: {}", id_, remote_, from.id(), escaped(one.name), escaped(failed->text));
    session_.end_play(msid, {"error", "NetStream.Play.Failed", "the recording cannot be read further: " + failed->text});
    return false;
  }
  if (!from.ended()) return true;
  log::info("#{} {}: has played recording {} of {}", id_, remote_, from.id(), escaped(one.name));
  note(one.name, reason::play_ended, "recording " + from.id() + ": its end");
  session_.complete_play(msid);
  return false;
}

void rtmp_connection::handle(rtmp::seek_requested& e) {
  if (const auto found = recordings_.find(e.msid); found != recordings_.end()) found->second.from->seek(e.to_ms);
}

void rtmp_connection::handle(rtmp::length_requested& e) {
  const auto name = stream_name(e.name);
  const bool asks = query_parameter(e.query, "recording").has_value() || !shard_.streams.published(name);
  // A back end is asked about a play, and not beforehand: then the length is known with the recording's metadata.
  const bool may = asks && !hooked(hook::play) && may_play_recordings(shard_.settings.access, remote_address_, name, e.query, std::chrono::system_clock::now()).allowed;
  const auto found = may ? recording_for(name, e.query) : std::nullopt;
  session_.tell_length(e.transaction, found ? static_cast<double>(found->duration_ms) / 1000 : 0);
}

}  // namespace millrace::server
