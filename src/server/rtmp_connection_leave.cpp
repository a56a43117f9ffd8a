// How a connection is sent away: at the end of the server, to another place, or to a successor of its own.
#include <boost/asio/post.hpp>

#include "base/escape.hpp"
#include "base/log.hpp"
#include "rtmp/group_sender.hpp"
#include "server/rtmp_connection.hpp"
#include "server/rtmp_connection_player.hpp"

namespace millrace::server {
namespace log = base::log;
using base::escaped;

void rtmp_connection::kick() {
  if (!transport_) return;
  log::info("#{} {}: closed by an operator", id_, remote_);
  note_all(reason::kicked, {});
  end_noted_ = true;
  shut_down("closed by an operator");
}

std::uint64_t rtmp_connection::held_up() const {
  constexpr std::uint64_t held_usual = 256u << 10;
  if (!transport_ || (players_.empty() && recordings_.empty())) return 0;
  auto held = static_cast<std::uint64_t>(transport_->held_bytes());
  if (const auto* groups = session_.groups()) held += groups->queued_bytes();
  // Who takes nothing holds what its stream keeps for it as well.
  return blocked_since_ ? std::max<std::uint64_t>(held, 1) : held > held_usual ? held : 0;
}

void rtmp_connection::give_way() {
  if (!transport_) return;
  log::warning("#{} {}: closed: it does not take what it is sent, and memory is short", id_, remote_);
  note_all(reason::memory_short, "the viewer was closed");
  end_noted_ = true;
  // Not in order: what is queued for it is what has to go.
  transport_->abort();
  drop_transport();
  session_.on_transport_closed({base::error_kind::limit, "memory is short"});
  handle_events();
}

void rtmp_connection::shut_down(const std::string& why) {
  if (!transport_) return;
  if (!std::exchange(end_noted_, true)) note_all(reason::shutting_down, {});
  if (!session_.connected()) session_.reject_connect({"error", "NetConnection.Connect.AppShutdown", why});
  for (auto& [msid, viewer] : players_) session_.end_play(msid, {"status", "NetStream.Play.Stop", why});
  for (auto& [msid, one] : recordings_) session_.end_play(msid, {"status", "NetStream.Play.Stop", why});
  for (auto& [msid, publication] : publications_) session_.end_publish(msid, {"status", "NetStream.Unpublish.Success", why});
  session_.release_behind_media();
  flush();
  finish(net::close_code::no_error, why);
}

// E-RTMP v2 "Reconnect Request". Everything goes on meanwhile: the peer opens its new connection first.
bool rtmp_connection::ask_to_reconnect(const std::string& tc_url, const std::string& why) {
  if (!transport_ || !session_.request_reconnect(tc_url, why)) return false;
  asked_to_leave_ = true;
  for (const auto& [msid, publication] : publications_) let_go(msid, true);
  flush();
  return true;
}

// The name may be published by somebody else with the same right to it, from their first key frame on: by anybody, or by who has shown its token.
void rtmp_connection::let_go(std::uint32_t msid, bool to_anybody) {
  const auto taken_over = [weak = weak_from_this(), msid] {
    // We are deep inside the turn of the connection that takes over.
    // Posted without a share of it: at the end of the server the shard may go before its loop comes to this.
    const auto self = weak.lock();
    if (!self) return;
    boost::asio::post(self->shard_.io, [weak, msid] {
      if (const auto still = weak.lock()) still->on_taken_over(msid);
    });
  };
  auto& publication = *publications_.at(msid);
  if (to_anybody) publication.yield(taken_over); else publication.yield_to_shown(taken_over);
}

void rtmp_connection::on_taken_over(std::uint32_t msid) {
  const auto found = publications_.find(msid);
  if (!transport_ || found == publications_.end() || !(found->second->over() || found->second->waiting())) return;
  const auto& name = found->second->target()->name();
  log::info("#{} {}: {} was taken over by its new connection", id_, remote_, escaped(name));
  note(name, reason::publish_taken_over, {});
  session_.end_publish(msid, {"status", "NetStream.Unpublish.Success", "taken over by the new connection"});
  if (const auto token = resume_tokens_.extract(msid)) shard_.resumes.end(name, token.mapped());
  publications_.erase(found);
  metered_.erase(msid);
  visits_.erase(msid);
  turn();
}

// What the publisher may come back with, if it knows how to.
std::string rtmp_connection::offer_resume(std::uint32_t msid, const std::string& name) {
  if (!session_.peer_extension().announced || shard_.settings.resume_window.count() == 0) return {};
  auto token = shard_.resumes.issue(name, [weak = weak_from_this(), msid] {
    const auto self = weak.lock();
    if (!self || !self->publications_.contains(msid)) return;
    self->publications_.at(msid)->look();  // or the name would not know that it may be followed
    if (!self->publications_.at(msid)->waiting()) return self->let_go(msid, false);
    // Its turn has not come. We are deep inside the turn of the connection that comes now.
    boost::asio::post(self->shard_.io, [weak, msid] {
      const auto still = weak.lock();
      if (!still || !still->publications_.contains(msid)) return;
      still->publications_.at(msid)->look();
      if (still->publications_.at(msid)->waiting()) still->on_taken_over(msid); else still->let_go(msid, false);
    });
  });
  publications_.at(msid)->offer_token(token);
  resume_tokens_[msid] = token;
  return token;
}

// The connection was lost. Who ends in order has unpublished before.
void rtmp_connection::leave_publications() {
  for (auto& [msid, token] : std::exchange(resume_tokens_, {})) {
    auto publication = publications_.extract(msid);
    metered_.erase(msid);
    if (!publication) continue;
    const auto target = publication.mapped()->target();
    shard_.resumes.linger(target->name(), token, std::move(publication.mapped()));
  }
}

// The object stays until nothing of the hub is on the stack: it may be in the middle of telling this very viewer something.
void rtmp_connection::refuse_codec(player& viewer, std::uint32_t msid, const std::string& codec) {
  viewer.set_over();
  const auto& name = viewer.cursor().source()->name();
  log::info("#{} {}: play {} ended: the stream is {}, which connect did not announce", id_, remote_, escaped(name), escaped(codec));
  note(name, reason::codec_refused, codec);
  session_.end_play(msid, {"error", "NetStream.Play.Failed", "this stream is " + codec + ", which the player did not announce in connect"});
  boost::asio::post(shard_.io, [weak = weak_from_this(), msid] {
    const auto self = weak.lock();
    if (!self) return;
    const auto found = self->players_.find(msid);
    if (found != self->players_.end() && found->second->over()) {
      self->players_.erase(found);
      self->visits_.erase(msid);
    }
    self->turn();
  });
}

}  // namespace millrace::server
