#include "server/shard.hpp"

#include <sys/random.h>

#include <boost/asio/post.hpp>
#include <ctime>

#include "base/log.hpp"

namespace millrace::server {

namespace {

constexpr std::chrono::milliseconds shut_down_max{900};  // promised: 2 s from SIGTERM, the default drain included

std::uint64_t random_number() {
  std::uint64_t number = 0;
  // getrandom of 8 bytes cannot fail or be cut short once the pool is initialised (man 2 getrandom).
  (void)!getrandom(&number, sizeof number, 0);
  return number;
}

}  // namespace

shard::shard(boost::asio::io_context& io, server_context& server, shard_index index, std::size_t count)
    : io_(io),
      memory_(server.memory),
      settings_(server.settings),
      index_(index),
      count_(count),
      streams_(settings_.hub),
      resumes_(io, random_number, settings_.resume_window),
      fan_out_(io, settings_.fan_out, index),
      shared_(io, streams_, fan_out_, server.names, index),
      context_{io, settings_, shared_, server.failures, server.allowances, server.reasons, resumes_, fan_out_, random_number, {}},
      web_(context_, server),
      packagers_(io, shared_),
      second_(io),
      next_id_(index + 1),
      deadline_(io) {
  context_.hooks = server.hooks.get();
  context_.hook_set = std::make_shared<const hook_settings>(settings_.hooks);
  context_.memory = &server.memory;
  context_.next_id = [this] { return std::exchange(next_id_, next_id_ + count_); };
  web_.on_empty = [this] { finish_if_empty(); };
  shared_.on_token = [this](const std::string& name, const std::string& token) { resumes_.take(name, token); };
}

shard::~shard() { close(); }

void shard::close() {
  second_.cancel();
  packagers_.close();
  if (recorders_) recorders_->close();
  shared_.close();
  listeners_.clear();
  web_.close();
  connections_.clear();
  resumes_.clear();
}

void shard::record(record::service& by, boost::asio::thread_pool* readers) {
  if (readers != nullptr) context_.recordings = &by;
  context_.readers = readers;
  const auto published_here = [this](std::string_view name) -> std::shared_ptr<hub::stream> {
    const auto [first, last] = shared_.publications().equal_range(name);
    for (auto at = first; at != last; ++at) {
      if (at->second->in_effect()) return at->second->target();
    }
    return nullptr;
  };
  recorders_ = std::make_unique<record::shard_recorders>(by, record::shard_recorders::seams{
      [&io = io_](std::function<void()> what) { boost::asio::post(io, std::move(what)); }, published_here});
  shared_.on_published = [this](const std::shared_ptr<hub::stream>& stream) {
    // We may be inside the hub.
    boost::asio::post(io_, [weak = std::weak_ptr(alive_), stream] {
      if (const auto self = weak.lock(); self && (*self)->recorders_) (*self)->recorders_->attach(stream);
    });
  };
}

base::result<void> shard::listen(net::listener_options options) {
  auto opened = net::listen(io_, std::move(options), [this](net::transport_ptr t, base::instant came) { accept(std::move(t), came); });
  if (!opened) return std::move(opened).error();
  listeners_.push_back(std::move(*opened));
  return {};
}

void shard::reload(const config& next, const std::shared_ptr<const net::identity>& certificate) {
  settings_.access = next.access;
  settings_.hooks = next.hooks;
  context_.hook_set = std::make_shared<const hook_settings>(settings_.hooks);
  settings_.rtmp = next.rtmp;
  settings_.hub.viewer_age = next.hub.viewer_age;
  settings_.viewers = next.viewers;
  settings_.drain = next.drain;
  settings_.drain_to = next.drain_to;
  settings_.web.cors = next.web.cors;
  settings_.web.admin_allow = next.web.admin_allow;
  settings_.web.admin_hosts = next.web.admin_hosts;
  context_.limits = settings_.rtmp;
  web_.reload();
  for (const auto& one : listeners_) one->set_handshake_deadline(settings_.rtmp.connect_deadline);
  if (!certificate) return;
  const auto show = [&](const std::vector<std::unique_ptr<net::listener>>& all) {
    for (const auto& one : all) {
      if (auto used = one->use(certificate); !used) base::log::warning("shard {}: the certificate cannot be used: {}", index_, used.error().text);
    }
  };
  show(listeners_);
  show(web_.listeners());
}

void shard::accept(net::transport_ptr transport, base::instant came) {
  const auto id = context_.next_id();
  // Posted by the connection, so it may run after this shard is gone.
  auto connection = std::make_shared<rtmp_connection>(context_, std::move(transport), came, id, [weak = std::weak_ptr(alive_), id] {
    const auto self = weak.lock();
    if (!self) return;
    (*self)->forget(id);
  });
  connections_.emplace(id, connection);
  connection->start();
}

net::listener_counters shard::counters() const {
  net::listener_counters sum;
  for (const auto& one : listeners_) sum += one->counters();
  return sum;
}

std::optional<hub::stream_facts> shard::stream(std::string_view name) const {
  const auto found = streams_.find(name);
  if (!found) return std::nullopt;
  auto facts = found->facts();
  facts.viewers -= shared_.feeds_of(name) + packagers_.packagers_of(name) + (recorders_ ? recorders_->viewers_of(name) : 0);
  return facts;
}

std::size_t shard::request_reconnect(const std::string& tc_url, const std::string& why) {
  std::size_t count = 0;
  for (const auto& [id, connection] : connections_) {
    if (!connection->ask_to_reconnect(tc_url, why)) continue;
    asked_.insert(id);
    ++count;
  }
  return count;
}

void shard::leave_to_sibling() {
  for (const auto& one : listeners_) one->leave_to_sibling();
  web_.leave_to_sibling();
}

void shard::take_back() {
  for (const auto& one : listeners_) one->take_back();
  web_.take_back();
  if (!recorders_) return;
  for (const auto& [name, publication] : shared_.publications()) {
    if (publication->in_effect()) recorders_->attach(publication->target());
  }
}

std::size_t shard::drain(std::function<void()> all_left) {
  for (const auto& one : listeners_) one->stop();
  web_.stop();
  context_.stopping = true;
  const auto asked = settings_.drain.count() > 0 ? request_reconnect(settings_.drain_to, "the server is shutting down") : 0;
  if (asked > 0) all_left_ = std::move(all_left);
  return asked;
}

void shard::end_all(std::function<void()> done) {
  all_left_ = nullptr;
  on_empty_ = std::move(done);
  // Ending one connection may end others' players: walk over a copy.
  const auto all = connections_;
  for (const auto& [id, connection] : all) connection->shut_down("the server is shutting down");
  packagers_.close();
  web_.end_all();
  deadline_.expires_after(shut_down_max);
  deadline_.async_wait([weak = std::weak_ptr(alive_)](boost::system::error_code failed) {
    const auto self = weak.lock();
    if (!failed && self && (*self)->on_empty_) std::exchange((*self)->on_empty_, nullptr)();
  });
  finish_if_empty();
}

void shard::forget(std::uint64_t id) {
  if (const auto at = connections_.find(id); at != connections_.end()) {
    const auto all = at->second->traffic();
    gone_.sent += all.sent;
    gone_.received += all.received;
    connections_.erase(at);
  }
  asked_.erase(id);
  if (asked_.empty() && all_left_) std::exchange(all_left_, nullptr)();
  finish_if_empty();
}

void shard::finish_if_empty() {
  // Transports that still flush keep themselves alive on the io_context; their own linger limit bounds that.
  if (on_empty_ && connections_.empty() && web_.empty()) {
    deadline_.cancel();
    std::exchange(on_empty_, nullptr)();
  }
}

}  // namespace millrace::server
