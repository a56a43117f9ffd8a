#include "server/shared_streams.hpp"

#include <boost/asio/post.hpp>

#include "base/escape.hpp"
#include "base/log.hpp"

namespace millrace::server {
namespace log = base::log;
using base::escaped;

// ---- a publication of this shard --------------------------------------------------------------------------------

live_publication::live_publication(shared_streams& home, std::uint64_t id, std::shared_ptr<hub::stream> stream,
                                   std::unique_ptr<hub::publication> local)
    : home_(home.alive_), id_(id), stream_(std::move(stream)), local_(std::move(local)) {
  home.publications_.emplace(stream_->name(), this);
}

live_publication::~live_publication() {
  if (const auto home = home_.lock()) (*home)->ended(*this);
}

void live_publication::append(media::frame&& f) {
  if (!local_) return;
  if (f.kind != media::frame_kind::data && !f.config) arrivals_.saw(f.arrival, f.dts_ms);
  local_->append(std::move(f));
  look();
}

// Its turn comes with its own key frame, or without a word when the one before ends.
void live_publication::look() {
  if (in_effect_ || waiting() || over()) return;
  if (const auto home = home_.lock()) (*home)->took_effect(*this);
}

void live_publication::announce() {
  const auto home = home_.lock();
  if (!home) return;
  if (const auto at = (*home)->feeds_.find(stream_->name()); at != (*home)->feeds_.end()) {
    for (const auto& each : at->second) each.frames->on_frames();
  }
  (*home)->viewers_.announce(stream_);
}

void live_publication::yield(std::function<void()> taken_over) {
  if (!local_) return;
  if (const auto home = home_.lock()) (*home)->names_.yield(stream_->name(), id_);
  yield_to_shown(std::move(taken_over));
}

void live_publication::yield_to_shown(std::function<void()> taken_over) {
  if (!local_) return;
  taken_over_ = std::move(taken_over);
  local_->yield([this] {
    if (const auto tell = std::exchange(taken_over_, nullptr)) tell();
  });
}

void live_publication::offer_token(const std::string& token) {
  if (const auto home = home_.lock()) (*home)->names_.offer_token(stream_->name(), id_, token);
}

// ---- a stream that this shard has viewers of --------------------------------------------------------------------

watched_stream::watched_stream(shared_streams& home, std::shared_ptr<hub::stream> stream) : home_(home.alive_), stream_(std::move(stream)) {}

watched_stream::~watched_stream() {
  const auto home = home_.lock();
  if (home) {
    (*home)->names_.unwatch(stream_->name(), (*home)->index_);
    // A new one may have its place already.
    const auto at = (*home)->watched_.find(stream_->name());
    if (at != (*home)->watched_.end() && at->second.expired()) (*home)->watched_.erase(at);
  }
  let_go();
}

bool watched_stream::here(std::function<void()> then) {
  if (!mirror_ || mirror_->into) return true;
  waiting_.push_back(std::move(then));
  return false;
}

void watched_stream::tell_who_waits() {
  const auto home = home_.lock();
  for (auto& each : std::exchange(waiting_, {})) {
    if (home) boost::asio::post((*home)->io_, std::move(each));
  }
}

void watched_stream::follow() {
  const auto home = home_.lock();
  if (mirror_ || !home) return;  // what comes from another shard has an end, and then we are here again
  auto& own = **home;
  const auto& name = stream_->name();
  const auto holder = own.names_.holder(name);
  if (!holder) {
    const auto successor = own.names_.successor(name);
    if (!successor || *successor == own.index_) before_.reset();  // tells the viewers, or lets the successor here go on
    return;
  }
  if (*holder == own.index_) {
    before_.reset();
    return;
  }
  mirror_ = mirror{own.next_feed_++, *holder, nullptr};
  ++own.mirrored_;
  own.post(*holder, [name, to = own.index_, id = mirror_->feed](shared_streams& there) { there.start_feed(name, to, id); });
}

// With the first batch, so that viewers who came before it find the whole GOP and not its beginning.
bool watched_stream::begin() {
  if (!mirror_ || mirror_->into) return mirror_.has_value();
  auto into = stream_->publish();
  if (!into) {
    log::warning("{}: what shard {} publishes cannot be shown by another: {}", escaped(stream_->name()), mirror_->from, into.error().text);
    let_go();
    return false;
  }
  (*into)->yield({});  // who follows was found to be right by the register
  mirror_->into = std::move(*into);
  return true;
}

void watched_stream::keep(std::unique_ptr<hub::publication> one) {
  if (before_) return;  // `one` has not begun yet
  one->yield({});
  before_ = std::move(one);
}

void watched_stream::let_go() {
  const auto home = home_.lock();
  if (mirror_ && home) {
    --(*home)->mirrored_;
    (*home)->post(mirror_->from, [name = stream_->name(), to = (*home)->index_, id = mirror_->feed](shared_streams& there) { there.stop_feed(name, to, id); });
  }
  // Their ends tell viewers, who may look here again.
  const auto gone = std::exchange(mirror_, std::nullopt);
  const auto kept = std::exchange(before_, nullptr);
  tell_who_waits();
}

void watched_stream::take(frame_batch&& batch) {
  const auto home = home_.lock();
  if (!home || !begin()) return;
  auto& own = **home;
  if (batch.begins) {  // here as there; while somebody of this shard waits for its turn it goes on as one
    if (auto next = stream_->publish()) {
      (*next)->yield({});
      keep(std::exchange(mirror_->into, std::move(*next)));
    }
  }
  auto& into = *mirror_->into;
  for (const auto& each : batch.frames) into.append(media::frame(*each->frame()));
  tell_who_waits();
  if (into.over()) return let_go();
  if (!into.waiting()) before_.reset();
  own.viewers_.announce(stream_);
  if (!batch.end) {
    own.post(mirror_->from, [name = stream_->name(), to = own.index_, id = mirror_->feed, bytes = batch.bytes](shared_streams& there) { there.taken(name, to, id, bytes); });
    return;
  }
  own.post(mirror_->from, [name = stream_->name(), to = own.index_, id = mirror_->feed](shared_streams& there) { there.stop_feed(name, to, id); });
  --own.mirrored_;
  auto last = std::move(mirror_->into);
  mirror_.reset();
  keep(std::move(last));
  follow();
}

// ---- all of them ------------------------------------------------------------------------------------------------

shared_streams::shared_streams(boost::asio::io_context& io, hub::directory& own, fan_out& viewers, name_register& names, shard_index index)
    : io_(io), own_(own), viewers_(viewers), names_(names), index_(index) {}

shared_streams::~shared_streams() = default;

void shared_streams::post(shard_index to, std::function<void(shared_streams&)> what) const {
  if (to >= all_.size()) return;
  const auto& [io, there] = all_[to];
  boost::asio::post(*io, [there, what = std::move(what)] {
    if (const auto alive = there.lock()) what(**alive);
  });
}

void shared_streams::tell(const name_register::shards& others, const std::string& name) const {
  for (const auto other : others) {
    if (other != index_) post(other, [name](shared_streams& there) { there.reconsider(name); });
  }
}

std::shared_ptr<watched_stream> shared_streams::find_watched(std::string_view name) const {
  const auto at = watched_.find(name);
  return at == watched_.end() ? nullptr : at->second.lock();
}

std::shared_ptr<watched_stream> shared_streams::watch(std::string_view name) {
  if (auto known = find_watched(name)) return known;
  std::shared_ptr<watched_stream> made(new watched_stream(*this, own_.open(name)));
  watched_[std::string(name)] = made;
  names_.watch(name, index_);  // before the look: whatever changes after it is told
  made->follow();
  return made;
}

base::result<std::unique_ptr<live_publication>> shared_streams::publish(const std::string& name, bool relayed) {
  name_register::shards others;
  auto claim = names_.publish(name, index_, others);
  if (!claim) return std::move(claim).error();
  // A successor waits for the end of what viewers have now, so that has to be here too.
  std::shared_ptr<watched_stream> watching;
  if (claim->follows && claim->holder_shard != index_) {
    watching = watch(name);
    watching->begin();
  }
  reconsider(name);  // what is over elsewhere must not be in the way here
  if (!claim->follows) {
    if (const auto stale = find_watched(name)) stale->let_go();
  }
  const auto stream = own_.open(name);
  auto local = stream->publish();
  if (!local) {
    names_.release(name, claim->id, others);
    tell(others, name);
    return std::move(local).error();
  }
  std::unique_ptr<live_publication> made(new live_publication(*this, claim->id, stream, std::move(*local)));
  made->watching_ = std::move(watching);
  made->relayed_ = relayed;
  if (!made->waiting()) {
    if (claim->follows) {
      took_effect(*made);
    } else {
      made->in_effect_ = true;
      tell(others, name);
      tell_of(*made);
    }
  }
  return made;
}

bool shared_streams::take(const std::string& name, const std::string& token) {
  const auto tell_of_token = [&](shard_index where) {
    if (where != index_) {
      return post(where, [name, token](shared_streams& there) {
        if (there.on_token) there.on_token(name, token);
      });
    }
    if (on_token) on_token(name, token);
  };
  if (const auto waits = names_.waits_with(name, token)) {
    tell_of_token(*waits);
    return false;
  }
  shard_index where = 0;
  if (!names_.take(name, token, where)) return false;
  tell_of_token(where);
  return true;
}

shared_facts shared_streams::facts() const {
  shared_facts facts{0, mirrored_, lost_};
  for (const auto& [name, each] : feeds_) facts.fed += each.size();
  return facts;
}

std::size_t shared_streams::feeds_of(std::string_view name) const {
  const auto at = feeds_.find(name);
  return at == feeds_.end() ? 0 : at->second.size();
}

// ---- publications of this shard ---------------------------------------------------------------------------------

void shared_streams::took_effect(live_publication& which) {
  which.in_effect_ = true;
  const auto& name = which.stream_->name();
  name_register::shards others;
  const bool news = names_.take_over(name, which.id_, others);
  which.watching_.reset();
  if (const auto watched = find_watched(name)) watched->let_go();  // it was followed by this one
  if (news) tell(others, name);
  tell_of(which);
}

void shared_streams::tell_of(live_publication& which) {
  if (on_published) on_published(which.stream_);
  if (!which.relayed_ && on_own) on_own(which.stream_->name(), true);
}

void shared_streams::ended(live_publication& which) {
  const auto& name = which.stream_->name();
  const auto [first, last] = publications_.equal_range(name);
  for (auto at = first; at != last; ++at) {
    if (at->second != &which) continue;
    publications_.erase(at);
    break;
  }
  if (which.in_effect_ && !which.relayed_ && on_own) on_own(name, false);
  name_register::shards others;
  names_.release(name, which.id_, others);
  auto local = std::move(which.local_);
  which.watching_.reset();
  const auto watched = find_watched(name);
  if (local && which.in_effect_ && !local->over()) {
    const auto follows = names_.successor(name), holder = names_.holder(name);
    const bool elsewhere = (follows && *follows != index_) || (holder && *holder != index_);
    if (elsewhere && watched) {
      finish_feeds(which.stream_->name());
      watched->keep(std::move(local));
    }
  }
  local.reset();  // the hub tells viewers and feeds
  tell(others, name);
  if (watched) watched->follow();
}

// By a publication of another shard.
void shared_streams::followed(live_publication& which) {
  finish_feeds(which.stream_->name());
  if (const auto watched = find_watched(which.stream_->name()); watched && which.in_effect_) {
    watched->keep(std::move(which.local_));
  }
  which.local_.reset();
  if (const auto taken_over = std::exchange(which.taken_over_, nullptr)) taken_over();
}

void shared_streams::reconsider(const std::string& name) {
  const auto [first, last] = publications_.equal_range(name);
  std::vector<live_publication*> lost;
  for (auto at = first; at != last; ++at) {
    if (!at->second->over() && !names_.has(name, at->second->id_)) lost.push_back(at->second);
  }
  for (auto* const one : lost) followed(*one);
  if (const auto watched = find_watched(name)) watched->follow();
}

// ---- from this shard --------------------------------------------------------------------------------------------

void shared_streams::start_feed(const std::string& name, shard_index to, std::uint64_t id) {
  const auto deliver = [this, name, to, id](frame_batch&& batch) {
    post(to, [name, id, held = std::make_shared<frame_batch>(std::move(batch))](shared_streams& there) {
      there.arrived(name, id, std::move(*held));
    });
  };
  const auto [first, last] = publications_.equal_range(name);
  for (auto at = first; at != last; ++at) {
    auto& one = *at->second;
    one.look();
    if (!one.in_effect_ || one.over()) continue;
    auto& added = feeds_[name].emplace_back(feed{to, id, std::make_unique<stream_feed>(one.stream_, deliver)});
    return added.frames->start();
  }
  deliver({{}, 0, false, true});  // it has ended meanwhile
}

void shared_streams::stop_feed(const std::string& name, shard_index to, std::uint64_t id) {
  const auto at = feeds_.find(name);
  if (at == feeds_.end()) return;
  std::erase_if(at->second, [&](const feed& each) {
    if (each.to != to || each.id != id) return false;
    if (const auto lost = each.frames->stats().dropped_slow(); lost > 0) {
      lost_ += lost;
      log::warning("{}: shard {} was too slow for shard {}: its viewers did not get {} frames", escaped(name), to, index_, lost);
    }
    return true;
  });
  if (at->second.empty()) feeds_.erase(at);
}

void shared_streams::taken(const std::string& name, shard_index to, std::uint64_t id, std::size_t bytes) {
  const auto at = feeds_.find(name);
  if (at == feeds_.end()) return;
  for (const auto& each : at->second) {
    if (each.to == to && each.id == id) each.frames->taken(bytes);
  }
}

void shared_streams::finish_feeds(const std::string& name) {
  const auto at = feeds_.find(name);
  if (at == feeds_.end()) return;
  for (const auto& each : at->second) each.frames->finish();
}

// ---- to this shard ----------------------------------------------------------------------------------------------

void shared_streams::arrived(const std::string& name, std::uint64_t id, frame_batch&& batch) {
  const auto watched = find_watched(name);
  if (watched && watched->mirror_ && watched->mirror_->feed == id) watched->take(std::move(batch));
}

}  // namespace millrace::server
