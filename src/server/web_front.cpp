#include "server/web_front.hpp"

#include <boost/asio/ip/address.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/escape.hpp"
#include "base/log.hpp"
#include "net/endpoint_text.hpp"
#include "rtmp/names.hpp"
#include "server/console.hpp"
#include "server/hls_path.hpp"
#include "server/loss_notice.hpp"
#include "server/shard.hpp"
#include "server/signature.hpp"

namespace millrace::server {
namespace log = base::log;
using base::escaped;

namespace {

constexpr std::string_view flv_suffix = ".flv";
constexpr std::size_t agent_bytes_max = 128;

std::string agent_of(const http::request& r) { return std::string(r.header("user-agent").value_or("")).substr(0, agent_bytes_max); }

// A token may also come as programs send it that can set headers (RFC 6750 section 2.1): then with each segment.
std::string query_with_token(const http::request& r) {
  constexpr std::string_view scheme = "Bearer ";
  const auto shown = r.header("authorization");
  if (!shown || !shown->starts_with(scheme) || r.parameter("jwt")) return r.query;
  return r.query + (r.query.empty() ? "" : "&") + "jwt=" + std::string(shown->substr(scheme.size()));
}

}  // namespace

// What is known of a connection that plays. The viewer belongs to the connection and may go first.
struct web_front::player {
  const http::flv_viewer* viewer = nullptr;
  std::string stream, protocol, agent, remote;
  std::chrono::system_clock::time_point since = std::chrono::system_clock::now();
  loss_notice notice;
  std::shared_ptr<hook_visit> visit;
  bool kicked = false;
  bool glance = false;  // of one picture: nobody wants to read of it
};

web_front::web_front(shard_context& shard, server_context& server)
    : shard_(shard), server_(server), api_(shard.io, shard.settings.web, shard.settings.access, server.control, server.reasons), context_{shard.io, {}, {}} {
  reload();
  context_.handle = [this](http::request&& r, http::reply_ptr to) { handle(std::move(r), std::move(to)); };
}

web_front::~web_front() { close(); }

base::result<void> web_front::listen(net::listener_options options) {
  auto opened = net::listen(shard_.io, std::move(options), [this](net::transport_ptr t, base::instant came) { accept(std::move(t), came); });
  if (!opened) return std::move(opened).error();
  listeners_.push_back(std::move(*opened));
  return {};
}

void web_front::reload() {
  context_.limits.request = shard_.settings.rtmp.connect_deadline;
  context_.limits.progress = shard_.settings.viewers.progress;
  for (const auto& one : listeners_) one->set_handshake_deadline(shard_.settings.rtmp.connect_deadline);
}

void web_front::stop() {
  for (const auto& one : listeners_) one->stop();
}

void web_front::leave_to_sibling() {
  for (const auto& one : listeners_) one->leave_to_sibling();
  context_.limits.requests_max = 0;
}

void web_front::take_back() {
  context_.limits.requests_max = http::connection_limits{}.requests_max;
  for (const auto& one : listeners_) one->take_back();
}

void web_front::close() {
  listeners_.clear();
  auto gone = std::exchange(connections_, {});
}

void web_front::end_all() {
  const auto all = connections_;  // ending one may end others' players
  for (const auto& [id, at] : all) at.connection->shut_down();
}

net::listener_counters web_front::counters() const {
  net::listener_counters sum;
  for (const auto& one : listeners_) sum += one->counters();
  return sum;
}

net::traffic web_front::traffic() const {
  auto sum = gone_;
  for (const auto& [id, at] : connections_) {
    const auto one = at.connection->traffic();
    sum.sent += one.sent;
    sum.received += one.received;
  }
  return sum;
}

void web_front::accept(net::transport_ptr transport, base::instant came) {
  const auto id = shard_.next_id();
  auto connection = std::make_shared<http::connection>(context_, std::move(transport), came, id, [weak = std::weak_ptr(alive_), id] {
    const auto self = weak.lock();
    if (!self) return;
    auto& own = **self;
    const auto at = own.connections_.find(id);
    if (at == own.connections_.end()) return;
    const auto all = at->second.connection->traffic();
    own.gone_.sent += all.sent;
    own.gone_.received += all.received;
    own.connections_.erase(at);
    if (own.connections_.empty() && own.on_empty) own.on_empty();
  });
  connections_[id].connection = connection;
  connection->start();
}

http::response web_front::with_cors(http::response r) const {
  if (const auto& origin = shard_.settings.web.cors; !origin.empty()) {
    r.headers.emplace_back("Access-Control-Allow-Origin", origin);
    if (origin != "*") r.headers.emplace_back("Vary", "Origin");
  }
  return r;
}

void web_front::handle(http::request&& r, http::reply_ptr to) {
  ++requests_;
  if (api_.handle(r, to)) return;
  const auto hls = hls_path_of(r.path);
  const bool media = hls || r.path.ends_with(flv_suffix);
  if (media && r.method == "OPTIONS") {  // a browser asks whether it may
    http::response may;
    may.status = 204;
    may.headers.emplace_back("Access-Control-Allow-Methods", "GET, HEAD, OPTIONS");
    may.headers.emplace_back("Access-Control-Allow-Headers", "Authorization, Range, Content-Type");
    may.headers.emplace_back("Access-Control-Max-Age", "86400");
    return to->send(with_cors(std::move(may)));
  }
  if (r.method != "GET" && !r.head()) {
    auto no = http::text_response(405, r.method + " is not for " + escaped(r.path));
    no.headers.emplace_back("Allow", "GET, HEAD");
    return to->send(std::move(no));
  }
  if (hls) {
    auto kept = std::make_shared<const http::request>(std::move(r));
    return admit(kept, hls->stream, to, true, [this, kept, rest = hls->rest, to](const admission& a) { get_hls(*kept, a, rest, to); });
  }
  if (media) {
    const auto name = r.path.substr(1, r.path.size() - 1 - flv_suffix.size());
    auto kept = std::make_shared<const http::request>(std::move(r));
    return admit(kept, name, to, false, [this, kept, to](const admission& a) { play_flv(*kept, a.as, a.visit, to); });
  }
  if (auto page = console_response(r)) {
    const auto why = api_.refusal(r);
    return to->send(why ? http::text_response(403, *why) : std::move(*page));
  }
  to->send(http::text_response(404, "nothing is here. Streams are at /APP/NAME.m3u8 and /APP/NAME.flv"));
}

void web_front::refuse(const http::request& r, const std::string& name, const http::reply_ptr& to, unsigned status, const std::string& why, const std::string& told) {
  log::info("http {}: play {} refused: {}", r.remote, escaped(name), why);
  shard_.reasons.note(name, reason::play_refused, to->connection_id(), r.remote, why);
  if (status != 403) return to->send(with_cors(http::text_response(status, told)));
  // Nothing behind it on the same connection is read until then.
  auto timer = std::make_shared<boost::asio::steady_timer>(shard_.io, refusal_delay);
  timer->async_wait([timer, to, no = with_cors(http::text_response(status, told))](boost::system::error_code) mutable { to->send(std::move(no)); });
}

void web_front::admit(const std::shared_ptr<const http::request>& r, const std::string& name, const http::reply_ptr& to, bool hls, admitted then) {
  const auto& limits = shard_.settings.rtmp;
  const auto shown = shard_.hooks != nullptr ? loggable(*shard_.hook_set, hook::play, name) : name;
  if (const auto bad = rtmp::bad_name("stream name", name, limits.app_bytes + 1 + limits.stream_name_bytes)) return to->send(with_cors(http::text_response(400, *bad)));
  if (shard_.stopping) return refuse(*r, shown, to, 503, "the server is shutting down", "the server is shutting down");
  if (!hls && shard_.memory != nullptr && shard_.memory->tight()) {
    shard_.memory->count_refused();
    return refuse(*r, shown, to, 503, "memory is short (limits.memory_bytes)", "the server is busy: try again later");
  }
  const auto now = std::chrono::system_clock::now();
  const auto from = net::address_of(r->remote);
  const auto decision = may_play(shard_.settings.access, from, name, query_with_token(*r), now);
  if (decision.wrong) return refuse(*r, shown, to, 403, decision.why, decision.why);
  const bool asks = shard_.hooks != nullptr && !shard_.hook_set->of(hook::play).empty();
  if (asks && hls) {
    if (const auto as = server_.hls_viewers.known(name, from, std::chrono::steady_clock::now())) return then({*as});
  }
  const auto still = [&](const std::string& earlier) { return may_play(shard_.settings.access, from, name, earlier, now).allowed; };
  if (!decision.allowed && !asks && !(hls && server_.grants.granted(name, from, now, still))) return refuse(*r, shown, to, 403, decision.why, decision.why);
  std::optional<play_grants::promise> promised;
  if (hls && decision.allowed && !decision.by_address) promised = {name, from, decision.shown, decision.until, server_.grants.rules()};
  const auto grant = [this, promised] {
    if (promised) server_.grants.grant(*promised, std::chrono::system_clock::now());
  };
  if (!asks && hls && tells_of_plays()) {
    return then({name, nullptr, [this, name, from, grant, q = question(*r, name, to->connection_id())] {
                   grant();
                   server_.hls_viewers.attend(name, from, *shard_.hooks, q, std::chrono::steady_clock::now());
                 }});
  }
  if (!asks) return then({name, nullptr, grant});
  auto q = question(*r, name, to->connection_id());
  shard_.hooks->ask(shard_.hook_set, q, [weak = std::weak_ptr(alive_), &io = shard_.io, r, q, name, shown, from, to = http::reply_ptr(to), hls, grant, then = std::move(then)](hook_answer&& answer) mutable {
    // On the caller's thread: shards are there as long as it is. Moved, because the reply belongs to this one and ends here.
    boost::asio::post(io, [weak, r, q, name, shown, from, to = std::move(to), hls, grant, then = std::move(then), answer = std::move(answer)] {
      const auto self = weak.lock();
      if (!self || !to->wanted()) return;
      auto& own = **self;
      if (!answer.allowed) return own.refuse(*r, shown, to, 403, "hook: " + answer.why, "not allowed by the rules of this server");
      const auto as = answer.stream ? q.who.app + "/" + *answer.stream : name;
      const auto visit = std::make_shared<hook_visit>(*own.shard_.hooks, q);
      if (!hls) return then({as, visit});
      then({as, nullptr, [&own, name, from, as, visit, grant] {
              grant();
              own.server_.hls_viewers.begin(name, from, as, std::move(*visit), std::chrono::steady_clock::now());
            }});
    });
  });
}

bool web_front::tells_of_plays() const {
  return shard_.hooks != nullptr && !(shard_.hook_set->of(hook::play_done).empty() && shard_.hook_set->of(hook::done).empty());
}

// A request has no connect and no handshake: what stands for their fields is what SRS says of its players over HTTP.
hook_question web_front::question(const http::request& r, const std::string& name, std::uint64_t id) const {
  hook_question q;
  q.what = hook::play;
  std::tie(q.who.app, q.stream) = split_name(name);
  q.query = r.query;
  q.who.id = std::to_string(id);
  q.who.address = net::address_of(r.remote).to_string();
  q.who.tc_url = std::string(r.secure ? "https://" : "http://") + std::string(r.header("host").value_or("")) + "/" + q.who.app;
  q.who.page_url = std::string(r.header("referer").value_or(""));
  q.who.flash_ver = agent_of(r);
  return q;
}

// A playlist stays while its publisher is away for a moment, so whether there is something is for the service to say.
void web_front::get_hls(const http::request& r, const admission& who_may, const std::string& rest, const http::reply_ptr& to) {
  hls::asker who{net::address_of(r.remote).to_string(), r.remote, agent_of(r), r.secure};
  server_.hls->get(who_may.as, rest, r.query, [weak = std::weak_ptr(alive_), &io = shard_.io, to, there = who_may.there, who = std::move(who), wants_body = !r.head()](hls::answer a) {
    // From any thread. The reply belongs to this one.
    if (a.taken_by && wants_body) a.taken_by->took(who, a.body.size(), std::chrono::steady_clock::now());
    boost::asio::post(io, [weak, to, there, answer = std::make_shared<hls::answer>(std::move(a))] {
      const auto self = weak.lock();
      if (!self) return;
      if (answer->status != 200) return to->send((*self)->with_cors(http::text_response(answer->status, answer->why)));
      if (there) there();
      http::response out;
      out.content_type = answer->content_type;
      out.body = std::move(answer->body);
      if (!answer->cache_control.empty()) out.headers.emplace_back("Cache-Control", answer->cache_control);
      to->send((*self)->with_cors(std::move(out)));
    });
  });
}

void web_front::play_flv(const http::request& r, const std::string& name, const std::shared_ptr<hook_visit>& visit, const http::reply_ptr& to) {
  const bool websocket = http::asks_for_websocket(r);
  if (websocket) {
    if (const auto fault = http::websocket_fault(r)) {
      auto no = http::text_response(fault->starts_with("only version") ? 426 : 400, *fault);
      no.headers.emplace_back("Sec-WebSocket-Version", "13");
      return to->send(std::move(no));
    }
  }
  if (!shard_.streams.published(name)) {
    const auto why = "nobody publishes " + escaped(name);
    log::info("http {}: play {} refused: nobody publishes it", r.remote, escaped(name));
    shard_.reasons.note(name, reason::play_refused, to->connection_id(), r.remote, why);
    return to->send(with_cors(http::text_response(404, why)));
  }

  const auto& settings = shard_.settings;
  const auto options = read_play_options(r.query, settings.viewers, settings.hub.viewer_age, false);
  for (const auto& wrong : options.ignored) log::info("http {}: play {}: ignores {}", r.remote, escaped(name), wrong);
  auto one = std::make_shared<player>();
  one->stream = name;
  one->protocol = std::string(websocket ? "ws" : "http") + (r.secure ? "s-flv" : "-flv");
  one->agent = agent_of(r);
  one->remote = r.remote;
  one->visit = visit;
  one->glance = r.parameter("picture").has_value();  // no play
  if (!visit && !one->glance && tells_of_plays()) one->visit = std::make_shared<hook_visit>(*shard_.hooks, question(r, name, to->connection_id()));  // nobody was asked
  const http::flv_options how{options.policy, websocket, settings.viewers.publisher_wait, one->glance};
  const auto source = shard_.streams.watch(name);
  const auto key = websocket ? std::string(*r.header("sec-websocket-key")) : std::string();
  const auto begin = [weak = std::weak_ptr(alive_), one, how, source, key, to] {
    if (const auto self = weak.lock(); self && to->wanted()) (*self)->start_flv(one, how, source, key, to);
  };
  if (source->here(begin)) begin();
}

void web_front::start_flv(const std::shared_ptr<player>& one, const http::flv_options& how, const std::shared_ptr<watched_stream>& source,
                          const std::string& websocket_key, const http::reply_ptr& to) {
  const auto id = to->connection_id();
  // It may have ended while its stream came from another shard, and still be there for this turn: nobody would end a viewer of it.
  const auto found = connections_.find(id);
  if (found == connections_.end() || found->second.connection->transport() == nullptr) return;
  http::response r;
  if (how.websocket) {
    r.status = 101;
    r.headers.emplace_back("Upgrade", "websocket");
    r.headers.emplace_back("Connection", "Upgrade");
    r.headers.emplace_back("Sec-WebSocket-Accept", http::websocket_accept(websocket_key));
  } else {
    r = with_cors({});
    r.content_type = "video/x-flv";
    r.headers.emplace_back("Cache-Control", "no-store");
  }
  auto viewer = std::make_unique<http::flv_viewer>(source->stream(), source, how);
  one->viewer = viewer.get();
  viewer->on_second = [this, one, id](base::instant at) { tell_losses(*one, id, at); };
  viewer->on_over = [weak = std::weak_ptr(alive_), one, id](std::string_view why) {
    if (const auto self = weak.lock()) (*self)->stopped(*one, id, why);
  };
  if (!one->glance) {
    log::info("http #{} {}: plays {} over {}", id, one->remote, escaped(one->stream), one->protocol);
    shard_.reasons.note(one->stream, reason::play_began, id, one->remote, "over " + one->protocol);
  }
  found->second.playing = one;
  r.source = std::move(viewer);
  to->send(std::move(r));
}

void web_front::tell_losses(player& one, std::uint64_t id, base::instant at) {
  const auto text = one.notice.for_log(one.viewer->stats(), at);
  if (!text) return;
  const auto line = fmt::format("http #{} {}: plays {}: {}", id, one.remote, escaped(one.stream), text->what);
  if (text->too_slow) log::info("{}", line); else log::debug("{}", line);
  if (const auto why = reason_of(text->most)) shard_.reasons.note(one.stream, *why, id, one.remote, text->what);
}

void web_front::stopped(player& one, std::uint64_t id, std::string_view why) {
  const auto& stats = one.viewer->stats();
  const auto losses = losses_text(stats);
  if (!one.glance) {
    log::info("http #{} {}: stops playing {}: {} frames sent, {}, {} times too slow: {}", id, one.remote, escaped(one.stream), stats.delivered,
              losses.empty() ? "none lost" : losses, stats.jumps, escaped(why));
  }
  auto reason = reason::play_ended;
  if (why == http::stuck_text) reason = reason::viewer_stuck;
  if (shard_.stopping) reason = reason::shutting_down;
  if (!one.kicked && !one.glance) shard_.reasons.note(one.stream, reason, id, one.remote, losses);
  one.viewer = nullptr;
  if (const auto at = connections_.find(id); at != connections_.end()) at->second.playing.reset();
}

void web_front::facts(base::instant at, std::vector<connection_facts>& into) const {
  for (const auto& [id, each] : connections_) {
    if (!each.playing || each.playing->viewer == nullptr) continue;
    const auto& one = *each.playing;
    connection_facts c;
    c.id = id;
    c.protocol = one.protocol;
    c.agent = one.agent;
    c.since = one.since;
    bool blocked = false;
    if (const auto* const transport = each.connection->transport()) {
      c.transport = transport->facts();
      c.queued_bytes = transport->queued_bytes();
      c.queued_age = std::chrono::duration_cast<std::chrono::milliseconds>(transport->oldest_queued_age(at));
      blocked = transport->send_budget() == 0;
    }
    c.plays.push_back({one.stream, one.viewer->stats(), one.viewer->delay().worst(at, blocked)});
    into.push_back(std::move(c));
  }
}

void web_front::held_up(std::vector<std::pair<std::uint64_t, std::uint64_t>>& into) const {
  constexpr std::uint64_t queued_usual = 256u << 10;
  constexpr std::chrono::seconds answer_usual{1};  // an answer is queued whole: one that has just begun says nothing of its client
  const auto now = std::chrono::steady_clock::now();
  for (const auto& [id, each] : connections_) {
    const auto* const transport = each.connection->transport();
    if (transport == nullptr) continue;
    const bool plays = each.playing && each.playing->viewer != nullptr;
    if (!plays && transport->oldest_queued_age(now) < answer_usual) continue;
    const auto queued = static_cast<std::uint64_t>(transport->queued_bytes());
    if (transport->send_budget() == 0 || queued > queued_usual) into.emplace_back(std::max<std::uint64_t>(queued, 1), id);
  }
}

bool web_front::give_way(std::uint64_t id) {
  const auto at = connections_.find(id);
  if (at == connections_.end() || at->second.connection->transport() == nullptr) return false;
  const auto connection = at->second.connection;
  log::warning("http #{} {}: closed: it does not take what it is sent, and memory is short", id, connection->transport()->facts().remote);
  if (const auto playing = at->second.playing) {
    playing->kicked = true;
    shard_.reasons.note(playing->stream, reason::memory_short, id, playing->remote, "the viewer was closed");
  }
  connection->give_up("memory is short");
  return true;
}

void web_front::count(std::map<std::string, protocol_count, std::less<>>& protocols) const {
  for (const auto& [id, each] : connections_) {
    if (each.playing && each.playing->viewer != nullptr) ++protocols[each.playing->protocol].viewers;
  }
}

void web_front::sample(base::instant at, stream_history& history) const {
  for (const auto& [id, each] : connections_) {
    const auto* const transport = each.connection->transport();
    if (!each.playing || each.playing->viewer == nullptr || transport == nullptr) continue;
    history.of_viewer(each.playing->stream, each.playing->viewer->delay().worst(at, transport->send_budget() == 0),
                      std::chrono::duration_cast<std::chrono::milliseconds>(transport->oldest_queued_age(at)));
  }
}

bool web_front::kick(std::uint64_t id) {
  const auto at = connections_.find(id);
  if (at == connections_.end() || !at->second.playing) return false;
  const auto playing = at->second.playing;
  playing->kicked = true;
  log::info("http #{} {}: closed by an operator", id, playing->remote);
  shard_.reasons.note(playing->stream, reason::kicked, id, playing->remote, {});
  const auto connection = at->second.connection;
  connection->shut_down();
  return true;
}

}  // namespace millrace::server
