// Who may connect, publish and play: the rules of the configuration first, then the operator's back end, whose answer takes a while.
#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/post.hpp>

#include "base/escape.hpp"
#include "base/log.hpp"
#include "rtmp/rejection.hpp"
#include "server/rtmp_connection.hpp"
#include "server/rtmp_connection_player.hpp"
#include "server/stream_follower.hpp"

namespace millrace::server {
namespace log = base::log;
using base::escaped;

namespace {

constexpr std::size_t agent_bytes_max = 128;  // of flashVer is kept to be shown
// What the peer hears: why a back end refused is the operator's business.
constexpr std::string_view refused_text = "not allowed by the rules of this server";
constexpr std::string_view moved_publisher_text = "publishing from the new address is not allowed", moved_player_text = "playing from the new address is not allowed";

}  // namespace

void rtmp_connection::handle(rtmp::connect_requested& e) {
  app_ = e.app;
  agent_ = e.flash_ver.substr(0, agent_bytes_max);
  log::debug("#{} rtmp connect app=\"{}\" tcUrl=\"{}\" flashVer=\"{}\" transport={}", id_, escaped(e.app), escaped(url_without_secrets(e.tc_url), 2048),
             escaped(e.flash_ver), transport_ ? rtmp_scheme(transport_->kind()) : "");
  if (shard_.stopping) {
    const auto& elsewhere = shard_.settings.drain_to;
    const bool absolute = elsewhere.find("://") != std::string::npos;
    session_.reject_connect({"error", absolute ? "NetConnection.Connect.Rejected" : "NetConnection.Connect.AppShutdown",
                             "the server is shutting down: try again"}, absolute ? elsewhere : std::string());
    return;
  }
  if (rtmp::offers_dialogue(e.query)) {
    session_.reject_connect({"error", "NetConnection.Connect.Rejected",
                             "user and password are not used here: put the key behind the stream name, as in NAME?key=SECRET"});
    return;
  }
  sibling_ = is_sibling(e.query, shard_.door_secret);
  if (sibling_) return session_.accept_connect();
  // Whether or not there are hooks: they may come while this connection is there.
  who_ = std::make_unique<hook_client>(
      hook_client{std::to_string(id_), remote_address_.to_string(), e.app, std::move(e.tc_url), std::move(e.page_url), std::move(e.swf_url), std::move(e.flash_ver)});
  if (!hooked(hook::connect)) return session_.accept_connect();
  ask(question(hook::connect), [this](hook_answer&& answer) {
    if (answer.allowed) return session_.accept_connect();
    log::warning("#{} {}: connect to {} refused: hook: {}", id_, remote_, escaped(app_), answer.why);
    who_.reset();
    after_refusal(0, [this] { session_.reject_connect({"error", "NetConnection.Connect.Rejected", std::string(refused_text)}); });
  });
}

void rtmp_connection::handle(rtmp::publish_requested& e) {
  const auto name = stream_name(e.name), shown = unanswered_name(hook::publish, e.name);
  log::debug("#{} rtmp publish app=\"{}\" name=\"{}\" query=\"{}\"", id_, escaped(app_), escaped(shown.substr(app_.size() + 1)), escaped(without_secrets(e.query), 1024));
  if (shard_.failures.locked_out(remote_address_, std::chrono::steady_clock::now())) {
    note(shown, reason::publish_refused, "too many refused attempts from this address");
    return refuse_later(e.msid, "NetStream.Publish.Denied", "too many refused attempts from this address: wait a minute", true);
  }
  if (memory_refuses(e.msid, shown, true)) return;
  const auto decision = may_publish(shard_.settings.access, remote_address_, name, e.query, shard_.keys, std::chrono::system_clock::now());
  const bool asks = hooked(hook::publish) && !decision.wrong;
  if (!decision.allowed && !asks) {
    count_failure();
    return refuse_publish(e.msid, shown, decision.why, decision.why);
  }
  auto q = question(hook::publish);
  q.stream = e.name;
  q.query = e.query;
  q.type = e.type;
  if (!asks) return publish_decided(e, decision, q, {true, {}, std::nullopt});
  ask(q, [this, e, decision, q](hook_answer&& answer) { publish_decided(e, decision, q, answer); });
}

void rtmp_connection::count_failure() {
  if (!shard_.failures.failed(remote_address_, std::chrono::steady_clock::now())) return;
  log::warning("#{} {}: too many refused attempts to publish from this address: no more are heard until a minute after the first of them", id_, remote_);
}

void rtmp_connection::publish_decided(const rtmp::publish_requested& e, const access_decision& by, const hook_question& q, const hook_answer& answer) {
  if (!answer.allowed) {
    if (!answer.unheard) count_failure();
    return refuse_publish(e.msid, unanswered_name(hook::publish, e.name), "hook: " + answer.why, std::string(refused_text));
  }
  const auto name = stream_name(answer.stream.value_or(e.name));
  // The peer may have moved while the back end thought about it.
  if (by.by_address && !may_publish_by_address(shard_.settings.access, remote_address_)) {
    return refuse_publish(e.msid, name, std::string(moved_publisher_text), std::string(moved_publisher_text));
  }
  accept_publish(e, name, by);
  if (publications_.contains(e.msid)) begin_visit(e.msid, q);
}

// Frames are cheap to count and a session's end is a timer's business, so what a key allows is looked at here and nowhere else.
void rtmp_connection::spend(std::uint32_t msid, std::size_t bytes) {
  const auto found = metered_.find(msid);
  if (found == metered_.end() || found->second.allows.kbps == 0 || found->second.seat.spend(bytes, std::chrono::steady_clock::now())) return;
  end_spent(msid, fmt::format("more than {} kbit/s, which is what {} allows", found->second.allows.kbps, found->second.by));
}

void rtmp_connection::end_sessions(base::instant at) {
  const auto found = std::find_if(metered_.begin(), metered_.end(), [&](const auto& one) { return one.second.over <= at; });
  if (found == metered_.end()) return;
  end_spent(found->first, fmt::format("published for {} s, which is what {} allows", found->second.allows.session.count(), found->second.by));
}

// The connection with it: an encoder that goes on sending would not understand.
void rtmp_connection::end_spent(std::uint32_t msid, const std::string& why) {
  const auto limits = metered_.extract(msid);
  shard_.allowances.rest(limits.mapped().holder, limits.mapped().stream, std::chrono::steady_clock::now());
  log::warning("#{} {}: publish {} ended: {}", id_, remote_, escaped(limits.mapped().stream), why);
  note(limits.mapped().stream, reason::allowance_spent, why);
  end_noted_ = true;
  session_.end_publish(msid, {"error", "NetStream.Publish.Denied", why});
  shut_down(why);
}

void rtmp_connection::handle(rtmp::play_requested& e) {
  const auto name = stream_name(e.name), shown = unanswered_name(hook::play, e.name);
  log::debug("#{} rtmp play app=\"{}\" name=\"{}\" query=\"{}\"", id_, escaped(app_), escaped(shown.substr(app_.size() + 1)), escaped(without_secrets(e.query), 1024));
  if (sibling_) return play(e, name);
  if (memory_refuses(e.msid, shown, false)) return;
  const auto decision = may_play(shard_.settings.access, remote_address_, name, e.query, std::chrono::system_clock::now());
  const bool asks = hooked(hook::play) && !decision.wrong;
  if (!decision.allowed && !asks) return refuse_play(e.msid, shown, decision.why, decision.why);
  auto q = question(hook::play);
  q.stream = e.name;
  q.query = e.query;
  q.start = e.start;
  if (!asks) return play_decided(e, decision, q, {true, {}, std::nullopt});
  ask(q, [this, e, decision, q](hook_answer&& answer) { play_decided(e, decision, q, answer); });
}

void rtmp_connection::play_decided(const rtmp::play_requested& e, const access_decision& by, const hook_question& q, const hook_answer& answer) {
  if (!answer.allowed) {
    return refuse_play(e.msid, unanswered_name(hook::play, e.name), "hook: " + answer.why, std::string(refused_text));
  }
  const auto name = stream_name(answer.stream.value_or(e.name));
  if (by.by_address && !may_play_by_address(shard_.settings.access, remote_address_)) {
    return refuse_play(e.msid, name, std::string(moved_player_text), std::string(moved_player_text));
  }
  note_admission(e.msid, by);
  begin_visit(e.msid, q);
  play(e, name);
}

// ---- a peer that moves ---------------------------------------------------------------------------------------------

void rtmp_connection::note_admission(std::uint32_t msid, const access_decision& by) {
  if (by.by_address) by_address_.insert(msid); else by_address_.erase(msid);
}

// Rules about addresses have to hold for the new one too; who showed a key, a token or a signature goes on. The connection ends with what may not go on:
// the peer's next one is judged like any other.
void rtmp_connection::ask_again() {
  const auto& rules = shard_.settings.access;
  const bool may_publish = may_publish_by_address(rules, remote_address_), may_play = may_play_by_address(rules, remote_address_);
  const bool may_play_recordings = recordings_allowed(rules, remote_address_).allowed;
  const auto lost = [this](std::uint32_t msid, bool may) { return !may && by_address_.contains(msid); };
  std::string_view why;
  for (const auto& [msid, publication] : publications_) {
    if (!lost(msid, may_publish)) continue;
    why = moved_publisher_text;
    note(publication->target()->name(), reason::publish_refused, why);
  }
  for (const auto& [msid, viewer] : players_) {
    if (!lost(msid, may_play)) continue;
    why = moved_player_text;
    note(viewer->cursor().source()->name(), reason::play_refused, why);
  }
  for (const auto& [msid, played] : recordings_) {
    if (may_play_recordings && !lost(msid, may_play)) continue;
    why = moved_player_text;
    note(played.name, reason::play_refused, why);
  }
  for (const auto& [msid, source] : arriving_) {
    if (lost(msid, may_play)) why = moved_player_text;
  }
  if (why.empty()) return;
  log::warning("#{} {}: closed: {}", id_, remote_, why);
  end_noted_ = true;
  shut_down(std::string(why));
}

void rtmp_connection::play(const rtmp::play_requested& e, const std::string& name) {
  if (plays_recording(e, name)) return;
  const auto& settings = shard_.settings;
  const auto options = read_play_options(e.query, settings.viewers, settings.hub.viewer_age, session_.peer().multitrack());
  for (const auto& wrong : options.ignored) log::info("#{} {}: play {}: ignores {}", id_, remote_, escaped(name), wrong);
  const auto source = shard_.streams.watch(name);
  arriving_[e.msid] = source;
  const auto begin = [weak = weak_from_this(), msid = e.msid, policy = options.policy] {
    const auto self = weak.lock();
    if (!self || !self->transport_) return;
    self->start_playing(msid, policy);
    self->turn();
  };
  if (source->here(begin)) start_playing(e.msid, options.policy);
}

bool rtmp_connection::memory_refuses(std::uint32_t msid, const std::string& name, bool publishing) {
  if (shard_.memory == nullptr || !shard_.memory->tight()) return false;
  shard_.memory->count_refused();
  log::warning("#{} {}: {} {} refused: memory is short (limits.memory_bytes)", id_, remote_, publishing ? "publish" : "play", escaped(name));
  note(name, reason::memory_short, publishing ? "publishing was refused" : "playing was refused");
  refuse_later(msid, publishing ? "NetStream.Publish.Failed" : "NetStream.Play.Failed", "the server is busy: try again later", publishing);
  return true;
}

void rtmp_connection::refuse_publish(std::uint32_t msid, const std::string& name, const std::string& why, const std::string& told) {
  log::warning("#{} {}: publish {} refused: {}", id_, remote_, escaped(name), why);
  note(name, reason::publish_refused, why);
  refuse_later(msid, "NetStream.Publish.Denied", told, true);
}

void rtmp_connection::refuse_play(std::uint32_t msid, const std::string& name, const std::string& why, const std::string& told) {
  log::warning("#{} {}: play {} refused: {}", id_, remote_, escaped(name), why);
  note(name, reason::play_refused, why);
  refuse_later(msid, "NetStream.Play.Failed", told, false);
}

void rtmp_connection::refuse_later(std::uint32_t msid, std::string code, std::string why, bool publishing) {
  after_refusal(msid, [this, msid, code = std::move(code), why = std::move(why), publishing] {
    if (publishing) {
      session_.reject_publish(msid, {"error", code, why});
    } else {
      session_.reject_play(msid, {"error", code, why});
    }
  });
}

void rtmp_connection::after_refusal(std::uint32_t msid, std::function<void()> answer) {
  auto timer = std::make_shared<boost::asio::steady_timer>(shard_.io, refusal_delay);
  refusals_[msid] = timer;
  timer->async_wait([weak = weak_from_this(), timer, msid, answer = std::move(answer)](boost::system::error_code failed) {
    const auto self = weak.lock();
    if (failed || !self || !self->transport_) return;
    const auto held = self->refusals_.find(msid);
    if (held == self->refusals_.end() || held->second != timer) return;  // the peer has given up, and may ask for something else by now
    self->refusals_.erase(held);
    answer();
    self->turn();
  });
}

// ---- the operator's back end --------------------------------------------------------------------------------------

hook_question rtmp_connection::question(hook what) const {
  hook_question q;
  q.what = what;
  if (who_) q.who = *who_;
  return q;
}

std::string rtmp_connection::unanswered_name(hook asked, const std::string& name) const {
  return shard_.hooks != nullptr ? loggable(*shard_.hook_set, asked, stream_name(name)) : stream_name(name);
}

// The session holds back what comes behind the request until it is answered, so the answer finds what it is about, unless all is over.
void rtmp_connection::ask(hook_question q, std::function<void(hook_answer&&)> then) {
  shard_.hooks->ask(shard_.hook_set, std::move(q), [weak = weak_from_this(), &io = shard_.io, then = std::move(then)](hook_answer&& answer) {
    // On the caller's thread: shards are there as long as it is.
    boost::asio::post(io, [weak, then, answer = std::move(answer)]() mutable {
      const auto self = weak.lock();
      if (!self || !self->transport_) return;
      self->session_.on_timer(std::chrono::steady_clock::now());  // answers count as given at the session's time
      then(std::move(answer));
      self->turn();
    });
  });
}

void rtmp_connection::begin_visit(std::uint32_t msid, hook_question q) {
  if (!who_) return;
  const bool publishing = q.what == hook::publish;
  if (hooked(hook::done) || hooked(publishing ? hook::publish_done : hook::play_done)) visits_[msid] = hook_visit(*shard_.hooks, std::move(q));
}

void rtmp_connection::tell_disconnect() {
  if (!who_ || !hooked(hook::disconnect)) return;
  auto q = question(hook::disconnect);
  const auto bytes = traffic();
  q.sent = bytes.sent;
  q.received = bytes.received;
  shard_.hooks->tell(std::move(q));
  who_.reset();
}

}  // namespace millrace::server
