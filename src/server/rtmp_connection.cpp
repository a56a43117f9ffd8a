#include "server/rtmp_connection.hpp"

#include <boost/asio/post.hpp>

#include "base/escape.hpp"
#include "base/log.hpp"
#include "hub/entry_forms.hpp"
#include "net/endpoint_text.hpp"
#include "rtmp/group_sender.hpp"
#include "rtmp/wire_image.hpp"
#include "server/rtmp_connection_player.hpp"

namespace millrace::server {
namespace log = base::log;
using base::escaped;

namespace {

// Media of one connection that waits in groups: a bound on memory, shared with other viewers as it is.
constexpr std::size_t group_bytes_max = 8u << 20;

base::instant now() { return std::chrono::steady_clock::now(); }

rtmp::server_config session_config(const shard_context& shard, const net::transport& over) {
  rtmp::server_config out;
  if (over.facts().alpn == net::roqr_alpn) out.framing = rtmp::framing_kind::roqr;
  out.limits = shard.limits;
  out.recordings = shard.recordings != nullptr;
  out.amf = shard.settings.amf;
  return out;
}

hub::entry::format image_format(rtmp::wire_format format) {
  switch (format) {
    case rtmp::wire_format::chunks: return hub::entry::format::rtmp_chunks;
    case rtmp::wire_format::roqr: return hub::entry::format::roqr;
    case rtmp::wire_format::roqr_group: return hub::entry::format::roqr_group;
  }
  return hub::entry::format::rtmp_chunks;
}

}  // namespace

rtmp_connection::rtmp_connection(shard_context& shard, net::transport_ptr transport, base::instant came, std::uint64_t id, std::function<void()> on_done)
    : shard_(shard),
      transport_(std::move(transport)),
      id_(id),
      on_done_(std::move(on_done)),
      session_(session_config(shard, *transport_), came, shard.random()),
      timer_(shard.io) {
  remote_ = transport_->facts().remote;
  remote_address_ = net::address_of(remote_);
}

rtmp_connection::~rtmp_connection() {
  if (transport_) transport_->abort();
}

void rtmp_connection::start() {
  log::debug("#{} {} from {}", id_, rtmp_scheme(transport_->kind()), remote_);
  transport_->start(*this);
  arm_timer();
}

// ---- what happened ----------------------------------------------------------------------------------------------

void rtmp_connection::on_receive(base::bytes_view bytes) {
  session_.receive(now(), bytes);
  handle_events();
}

void rtmp_connection::on_stream_receive(std::int64_t stream, base::bytes_view bytes, bool fin) {
  session_.receive_stream(now(), stream, bytes, fin);
  handle_events();
}

void rtmp_connection::on_stream_reset(std::int64_t stream, std::uint64_t) {
  session_.on_stream_reset(now(), stream);
  handle_events();
}

void rtmp_connection::on_groups_flushed() {
  session_.on_groups_flushed(now());
  flush();
  pump();
}

void rtmp_connection::on_receive_done() {
  for (auto& [msid, publication] : publications_) publication->announce();
  turn();
}

void rtmp_connection::on_writable() {
  blocked_since_.reset();
  pump();
  pump_recordings();
  arm_timer();
}

void rtmp_connection::on_closed(const net::close_info& info) {
  drop_transport();
  note_end(info.reason);
  leave_publications();
  log::debug("#{} {}: transport closed: {}", id_, remote_, escaped(info.reason.text));
  session_.on_transport_closed(info.reason);
  handle_events();
}

void rtmp_connection::on_path_changed(const std::string& remote, std::chrono::milliseconds gap) {
  log::info("#{} path changed: {} is now {}, silent for {} ms before", id_, remote_, remote, gap.count());
  note_all(reason::path_changed, fmt::format("{} is now {}, silent for {} ms before", remote_, remote, gap.count()));
  remote_ = remote;
  remote_address_ = net::address_of(remote);
  if (who_) who_->address = remote_address_.to_string();
  ask_again();
}

void rtmp_connection::on_timer() {
  timer_due_ = base::instant::max();
  if (!transport_) return;
  const auto at = now();
  watch_progress(at);
  const auto progress_limit = shard_.settings.viewers.progress;
  if ((!players_.empty() || !recordings_.empty()) && blocked_since_ && at - *blocked_since_ > progress_limit) {
    log::info("#{} {}: takes no data for {} ms, closed", id_, remote_, progress_limit.count());
    for (const auto& [msid, viewer] : players_) note(viewer->cursor().source()->name(), reason::viewer_stuck, {});
    for (const auto& [msid, played] : recordings_) note(played.name, reason::viewer_stuck, "recording " + played.from->id());
    end_noted_ = true;
    transport_->abort();
    drop_transport();
    session_.on_transport_closed({base::error_kind::timeout, "no progress in writing"});
    handle_events();
    return;
  }
  if (session_.groups()) {
    if (const auto rtt = transport_->round_trip()) session_.set_round_trip(*rtt);
  }
  session_.on_timer(at);
  end_waits(at);
  end_sessions(at);
  tell_losses(at);
  turn();
}

void rtmp_connection::turn() {
  handle_events();
  pump_recordings();
  flush();
  if (transport_) session_.on_unsent(transport_->queued_bytes());
  handle_events();
  arm_timer();
}

void rtmp_connection::handle_events() {
  while (auto frame = session_.poll_frame()) handle(*frame);
  while (auto event = session_.poll_event()) {
    std::visit([this](auto& e) { handle(e); }, *event);
  }
}

// ---- events -----------------------------------------------------------------------------------------------------

void rtmp_connection::accept_publish(const rtmp::publish_requested& e, const std::string& name, const access_decision& by) {
  allowance_register::seat seat;
  if (by.allows.any()) {
    auto taken = shard_.allowances.take(by.holder, name, by.allows, now());
    if (!taken) {
      const auto why = by.why + " " + taken.error().text;
      log::warning("#{} {}: publish {} refused: {}", id_, remote_, escaped(name), why);
      note(name, reason::publish_refused, why);
      return refuse_later(e.msid, "NetStream.Publish.Denied", why, true);
    }
    seat = std::move(*taken);
  }
  const auto& token = session_.peer_extension().resume;
  if (!token.empty() && shard_.streams.take(name, token)) {
    log::info("#{} {}: comes back to {}", id_, remote_, escaped(name));
    note(name, reason::publish_resumed, {});
  }
  auto publication = shard_.streams.publish(name);
  if (!publication) {
    log::info("#{} {}: publish {} refused: {}", id_, remote_, escaped(name), escaped(publication.error().text));
    note(name, reason::publish_refused, publication.error().text);
    session_.reject_publish(e.msid, {"error", "NetStream.Publish.BadName", publication.error().text});
    return;
  }
  const bool waits = (*publication)->waiting();
  publications_[e.msid] = std::move(*publication);
  note_admission(e.msid, by);
  if (by.allows.any()) {
    metered_.erase(e.msid);
    auto& limits = metered_.emplace(e.msid, metered{by.why, by.holder, name, by.allows, std::move(seat)}).first->second;
    if (by.allows.session.count() > 0) limits.over = now() + by.allows.session;
  }
  if (transport_) {
    transport_->receive_in_rounds(true);
    transport_->expect_media();
  }
  session_.accept_publish(e.msid, offer_resume(e.msid, name));
  if (asked_to_leave_) let_go(e.msid, true);
  if (waits) log::info("#{} {}: {} will be taken over from its earlier connection at the next key frame", id_, remote_, escaped(name));
  log::info("#{} {}: publishes {} over {}", id_, remote_, escaped(name), transport_ ? rtmp_scheme(transport_->kind()) : "");
  note(name, reason::publish_began, transport_ ? "over " + std::string(rtmp_scheme(transport_->kind())) : "");
  note_fallback(name);
}

void rtmp_connection::start_playing(std::uint32_t msid, const hub::cursor_policy& policy) {
  auto source = arriving_.extract(msid);
  if (!source) return;  // the player has thought better of it
  session_.accept_play(msid);
  players_.erase(msid);
  log::info("#{} {}: plays {} over {}", id_, remote_, escaped(source.mapped()->stream()->name()), transport_ ? rtmp_scheme(transport_->kind()) : "");
  note(source.mapped()->stream()->name(), reason::play_began, transport_ ? "over " + std::string(rtmp_scheme(transport_->kind())) : "");
  note_fallback(source.mapped()->stream()->name());
  players_.emplace(msid, std::make_unique<player>(*this, msid, std::move(source.mapped()), policy));
  pump();
}

void rtmp_connection::handle(rtmp::publish_ended& e) {
  refusals_.erase(e.msid);
  const auto found = publications_.find(e.msid);
  if (found == publications_.end()) return;
  const auto facts = found->second->target()->facts();
  log::info("#{} {}: unpublishes {}", id_, remote_, escaped(facts.name));
  note(facts.name, reason::publish_ended, {});
  if (facts.malformed > 0) log::warning("#{} {}: {} malformed messages, the last: {}", id_, remote_, facts.malformed, facts.malformed_text);
  if (const auto token = resume_tokens_.extract(e.msid)) {
    shard_.resumes.end(facts.name, token.mapped());
    found->second->offer_token({});  // whom it was to follow may be followed as it is, for nobody comes back with a token of who ended in order
  }
  publications_.erase(found);
  metered_.erase(e.msid);
  visits_.erase(e.msid);
  if (publications_.empty() && transport_) transport_->receive_in_rounds(false);
}

void rtmp_connection::handle(rtmp::play_ended& e) {
  refusals_.erase(e.msid);
  arriving_.erase(e.msid);
  if (!players_.contains(e.msid)) visits_.erase(e.msid);  // of a recording, or of one that has not begun
  if (const auto played = recordings_.extract(e.msid)) note(played.mapped().name, reason::play_ended, "recording " + played.mapped().from->id());
  stop_playing(e.msid);
}

void rtmp_connection::stop_playing(std::uint32_t msid) {
  const auto found = players_.find(msid);
  if (found == players_.end()) return;
  const auto& stats = found->second->cursor().stats();
  const auto losses = losses_text(stats);
  log::info("#{} {}: stops playing {}: {} frames sent, {}, {} times too slow", id_, remote_, escaped(found->second->cursor().source()->name()),
            stats.delivered, losses.empty() ? "none lost" : losses, stats.jumps);
  if (!end_noted_) note(found->second->cursor().source()->name(), reason::play_ended, losses);
  players_.erase(found);
  visits_.erase(msid);
}

void rtmp_connection::end_waits(base::instant at) {
  const auto limit = shard_.settings.viewers.publisher_wait;
  if (limit.count() == 0) return;
  std::vector<std::uint32_t> over;
  for (const auto& [msid, viewer] : players_) {
    if (const auto since = viewer->waiting_since(); since && at - *since > limit) over.push_back(msid);
  }
  for (const auto msid : over) {
    const auto& name = players_.at(msid)->cursor().source()->name();
    const auto why = "nobody published " + name + " for " + std::to_string(limit.count()) + " ms";
    note(name, reason::publisher_missing, why);
    session_.end_play(msid, {"error", "NetStream.Play.StreamNotFound", why});
    stop_playing(msid);
  }
}

void rtmp_connection::handle(rtmp::pause_requested& e) {
  if (const auto found = players_.find(e.msid); found != players_.end()) {
    found->second->cursor().set_paused(e.pause);
    pump();
  }
  if (const auto found = recordings_.find(e.msid); found != recordings_.end()) found->second.from->pause(e.pause);
}

void rtmp_connection::handle(rtmp::receive_changed& e) {
  if (const auto found = players_.find(e.msid); found != players_.end()) {
    found->second->cursor().set_tracks(e.audio, e.video);
    pump();
  }
}

void rtmp_connection::handle(rtmp::frame_received& e) {
  const auto found = publications_.find(e.msid);
  if (found == publications_.end()) return;
  const auto bytes = e.frame.payload.size();
  found->second->append(std::move(e.frame));
  if (!metered_.empty()) spend(e.msid, bytes);
}

void rtmp_connection::handle(rtmp::noticed& e) { log::info("#{} {}: {}", id_, remote_, escaped(e.text)); }

void rtmp_connection::handle(rtmp::closed& e) {
  const bool orderly = e.reason.kind == base::error_kind::closed;
  if (orderly) {
    log::debug("#{} {}: closed: {}", id_, remote_, escaped(e.reason.text));
  } else {
    log::info("#{} {}: closed: {}: {}", id_, remote_, base::name(e.reason.kind), escaped(e.reason.text));
  }
  note_end(e.reason);
  flush();
  finish(orderly ? net::close_code::no_error : net::close_code::general_error, e.reason.text);
}

// ---- output -----------------------------------------------------------------------------------------------------

void rtmp_connection::pump() {
  if (!transport_ || pumping_ || players_.empty()) return;
  pumping_ = true;  // send() may not re-enter, but a cursor's jump may notify
  const auto at = now();
  auto* const groups = session_.groups();
  // With groups the newest pictures may be handed over at once: what the network does not take can still be given up there.
  std::size_t budget = groups ? group_bytes_max - std::min(groups->queued_bytes(), group_bytes_max) : transport_->send_budget();
  const auto format = session_.media_format();
  auto& out = shard_.scratch;
  bool more = true;
  while (more && budget > 0) {
    more = false;
    for (auto& [msid, viewer] : players_) {
      if (viewer->over()) continue;
      auto next = viewer->cursor().next(at);
      if (!next) {
        viewer->on_drained();
        continue;
      }
      more = true;
      if (!groups) next->item = hub::entry_forms::opening(*next);
      const auto& frame = *next->item->frame();
      if (!next->prelude) viewer->delay().handed_over(at, frame.arrival);
      if (const auto codec = viewer->gate().refuses(session_.peer(), frame)) {
        refuse_codec(*viewer, msid, *codec);
        continue;
      }
      // The image lives as long as its entry, so the share of the one is the share of the other.
      const auto& image = next->item->image(image_format(format), [format](const media::frame& f) { return rtmp::encode_wire(f, rtmp::wire_msid, format); });
      session_.send(at, msid, frame, base::shared_chain(next->item, &image));
      const auto before = out.size();
      session_.take_output(out);
      budget -= std::min(budget, groups ? image.size() : out.size() - before);
    }
  }
  tell_losses(at);
  pumping_ = false;
  session_.take_output(out);  // notices
  if (!out.empty()) transport_->send(std::move(out));
  out.clear();  // NOLINT: good after a move, too
  pull();
  watch_progress(at);
}

void rtmp_connection::tell_losses(base::instant at) {
  for (auto& [msid, viewer] : players_) {
    const auto& stats = viewer->cursor().stats();
    if (const auto text = viewer->notice().for_log(stats, at)) {
      const auto line = fmt::format("#{} {}: plays {}: {}", id_, remote_, escaped(viewer->cursor().source()->name()), text->what);
      if (text->too_slow) log::info("{}", line); else log::debug("{}", line);
      if (const auto why = reason_of(text->most)) note(viewer->cursor().source()->name(), *why, text->what);
    }
    if (auto text = viewer->notice().for_player(stats, at)) {
      session_.notify_play(msid, {"warning", "NetStream.Play.InsufficientBW", std::move(*text)});
    }
  }
}

// Notes when the transport stopped taking data; on_writable says that it goes on.
void rtmp_connection::watch_progress(base::instant at) {
  if (auto* const groups = session_.groups()) {
    // What nobody takes is given up in time, so an empty queue proves nothing if there were losses on the way to it.
    const auto sent = groups->bytes_sent(), lost = groups->messages_lost();
    if (sent != sent_mark_ || (groups->queued_bytes() == 0 && lost == lost_mark_)) {
      sent_mark_ = sent;
      lost_mark_ = lost;
      blocked_since_.reset();
    } else if (!blocked_since_) {
      blocked_since_ = at;
    }
    return;
  }
  if (!transport_ || blocked_since_ || transport_->send_budget() > 0) return;
  blocked_since_ = at;
}

void rtmp_connection::flush() {
  auto out = session_.poll_output();
  if (!transport_) return;
  if (!out.empty()) transport_->send(std::move(out));
  pull();
  while (const auto stop = session_.poll_stop()) transport_->stop_stream(stop->stream, static_cast<std::uint64_t>(stop->code));
}

void rtmp_connection::pull() {
  auto* const groups = session_.groups();
  if (!groups || !transport_) return;
  if (!std::exchange(pulled_from_, true)) transport_->pull_from(groups);
  if (session_.wants_pull()) transport_->pull();
}

void rtmp_connection::arm_timer() {
  if (!transport_) return;
  auto due = session_.poll_timeout().value_or(base::instant::max());
  if (!players_.empty() || !recordings_.empty()) due = std::min(due, now() + std::chrono::seconds(1));
  for (const auto& [msid, limits] : metered_) due = std::min(due, limits.over);
  due = std::min(due, recordings_due());
  if (due == base::instant::max() || due >= timer_due_) return;  // an earlier one is armed: it will look again
  timer_due_ = due;
  timer_.expires_at(due);
  timer_.async_wait([weak = weak_from_this()](boost::system::error_code failed) {
    if (const auto self = weak.lock(); self && !failed) self->on_timer();
  });
}

void rtmp_connection::finish(net::close_code code, const std::string& why) {
  timer_.cancel();
  refusals_.clear();
  drop_streams();
  tell_disconnect();
  if (transport_) {
    transport_->close(code, why);
    drop_transport();
  }
  // Posted: the owner destroys this object, and we may be deep inside its own callbacks.
  if (on_done_) boost::asio::post(shard_.io, std::exchange(on_done_, nullptr));
}

// A publication that ends tells its viewers, and those may belong to this very connection: take them off the maps first.
void rtmp_connection::drop_streams() {
  arriving_.clear();
  recordings_.clear();
  // What the server ends, or a publisher in order, nobody comes back to; those that do have left before (leave_publications).
  for (const auto& [msid, token] : std::exchange(resume_tokens_, {})) {
    if (const auto found = publications_.find(msid); found != publications_.end()) shard_.resumes.end(found->second->target()->name(), token);
  }
  auto players = std::exchange(players_, {});
  auto publications = std::exchange(publications_, {});
  metered_.clear();
  visits_.clear();
}

}  // namespace millrace::server
