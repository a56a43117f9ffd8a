// What a connection says of itself: to the API, the metrics and the log of reasons.
#include "base/escape.hpp"
#include "rtmp/group_sender.hpp"
#include "server/rtmp_connection.hpp"
#include "server/rtmp_connection_player.hpp"

namespace millrace::server {
namespace {

// Reports come once a second. One that is older says nothing any more.
constexpr std::chrono::seconds report_lasts{5};

}  // namespace

connection_facts rtmp_connection::facts(base::instant at) const {
  connection_facts out;
  out.id = id_;
  out.agent = agent_;
  out.since = since_;
  out.fell_back = session_.peer_extension().fell_back;
  if (transport_) {
    out.protocol = rtmp_scheme(transport_->kind());
    out.transport = transport_->facts();
    out.queued_bytes = transport_->queued_bytes();
    out.queued_age = std::chrono::duration_cast<std::chrono::milliseconds>(transport_->oldest_queued_age(at));
  }
  if (const auto* groups = session_.groups()) {
    out.framing = "roqr-groups";
    out.queued_bytes += groups->queued_bytes();
  } else if (out.transport.alpn == net::roqr_alpn) {
    out.framing = "roqr";
  } else {
    out.framing = "chunks";
  }
  if (!publications_.empty()) out.publisher_queue = publisher_queue(at);
  for (const auto& [msid, publication] : publications_) out.publishes.push_back(publication->target()->name());
  for (const auto& [msid, one] : recordings_) {
    if (one.accepted) out.recordings.push_back({one.from->id(), one.name, one.from->position()});
  }
  for (const auto& [msid, viewer] : players_) {
    out.plays.push_back({viewer->cursor().source()->name(), viewer->cursor().stats(), viewer->delay().worst(at, blocked_since_.has_value())});
  }
  return out;
}

void rtmp_connection::drop_transport() {
  if (transport_) traffic_ = transport_->traffic_so_far();
  transport_.reset();
}

void rtmp_connection::count(std::map<std::string, protocol_count, std::less<>>& protocols) const {
  if (!transport_ || (publications_.empty() && players_.empty() && recordings_.empty())) return;
  const auto name = rtmp_scheme(transport_->kind());
  auto found = protocols.find(name);
  if (found == protocols.end()) found = protocols.emplace(std::string(name), protocol_count{}).first;
  found->second.publishers += publications_.size();
  found->second.viewers += players_.size();
  found->second.recordings += recordings_.size();
}

void rtmp_connection::handle(rtmp::publisher_reported& e) {
  reported_ = e.report;
  reported_at_ = std::chrono::steady_clock::now();
}

std::optional<std::chrono::milliseconds> rtmp_connection::publisher_queue(base::instant at) const {
  if (reported_at_ == base::instant{} || at - reported_at_ > report_lasts) return std::nullopt;
  return reported_.queue_age;
}

void rtmp_connection::sample(base::instant at, stream_history& history) const {
  if (!transport_) return;
  if (!publications_.empty()) {
    const auto transport = transport_->facts();
    for (const auto& [msid, publication] : publications_) history.of_publisher(publication->target()->name(), transport, publisher_queue(at));
  }
  if (players_.empty()) return;
  const auto queued = std::chrono::duration_cast<std::chrono::milliseconds>(transport_->oldest_queued_age(at));
  for (const auto& [msid, viewer] : players_) {
    history.of_viewer(viewer->cursor().source()->name(), viewer->delay().worst(at, blocked_since_.has_value()), queued);
  }
}

void rtmp_connection::note(std::string_view stream, reason why, std::string_view detail) const {
  shard_.reasons.note(stream, why, id_, remote_, detail);
}

void rtmp_connection::note_all(reason why, const std::string& detail) const {
  for (const auto& [msid, publication] : publications_) note(publication->target()->name(), why, detail);
  for (const auto& [msid, viewer] : players_) note(viewer->cursor().source()->name(), why, detail);
  for (const auto& [msid, one] : recordings_) note(one.name, why, detail);
}

// Began as something else than the peer wished.
void rtmp_connection::note_fallback(const std::string& stream) const {
  if (const auto& why = session_.peer_extension().fell_back; !why.empty()) note(stream, reason::fell_back, base::escaped(why, 256));
}

// The connection ends while it still has streams: who ends in order has told before.
void rtmp_connection::note_end(const base::error& why) {
  if (std::exchange(end_noted_, true)) return;
  auto of_publisher = reason::publisher_lost;
  if (why.kind == base::error_kind::timeout) of_publisher = reason::publisher_silent;
  if (why.kind == base::error_kind::protocol || why.kind == base::error_kind::limit) of_publisher = reason::publisher_fault;
  for (const auto& [msid, publication] : publications_) note(publication->target()->name(), of_publisher, why.text);
  const auto of_viewer = why.kind == base::error_kind::closed ? reason::play_ended : reason::viewer_lost;
  for (const auto& [msid, viewer] : players_) note(viewer->cursor().source()->name(), of_viewer, why.text);
}

}  // namespace millrace::server
