#include "server/server.hpp"

#include <sys/random.h>

#include "base/log.hpp"

namespace millrace::server {
namespace log = base::log;

namespace {

constexpr std::chrono::milliseconds shut_down_max{900};  // promised: 2 s from SIGTERM, the default drain included

std::uint64_t random_number() {
  std::uint64_t number = 0;
  // getrandom of 8 bytes cannot fail or be cut short once the pool is initialised (man 2 getrandom).
  (void)!getrandom(&number, sizeof number, 0);
  return number;
}

}  // namespace

server::server(boost::asio::io_context& io, config settings)
    : io_(io),
      settings_(std::move(settings)),
      streams_(settings_.hub),
      resumes_(io, random_number, settings_.resume_window),
      fan_out_(io, settings_.fan_out),
      shard_{io, settings_, streams_, failures_, resumes_, fan_out_, random_number},
      deadline_(io) {}

server::~server() {
  listeners_.clear();
  connections_.clear();
  resumes_.clear();
}

base::result<std::unique_ptr<server>> server::open(boost::asio::io_context& io, config settings) {
  std::unique_ptr<server> s(new server(io, std::move(settings)));
  if (auto opened = s->listen(); !opened) return std::move(opened).error();
  return s;
}

base::result<void> server::listen() {
  net::listener_options options;
  options.quic = settings_.quic;
  options.tls = settings_.tls;
  options.handshake_deadline = settings_.rtmp.connect_deadline;
  options.connections_per_address_max = settings_.connections_per_address_max;
  if (settings_.quic || settings_.tls) {
    if (!settings_.certificate.empty()) {
      auto loaded = net::load_identity(settings_.certificate, settings_.key);
      if (!loaded) return std::move(loaded).error();
      identity_ = std::move(*loaded);
    } else {
      auto state = state_directory(settings_);
      if (!state) return std::move(state).error();
      auto made = net::self_signed_identity(*state);
      if (!made) return std::move(made).error();
      identity_ = std::move(*made);
    }
    options.certificate = identity_;
  }
  if (settings_.quic) {
    auto state = state_directory(settings_);
    if (!state) return std::move(state).error();
    auto secrets = net::load_quic_secrets(*state);
    if (!secrets) return std::move(secrets).error();
    options.quic_options.secrets = std::move(*secrets);
    options.quic_options.congestion = settings_.congestion;
    options.quic_options.redundancy = settings_.redundancy;
    options.quic_options.retry = settings_.retry;
    options.quic_options.idle_timeout = settings_.quic_idle_timeout;
  }
  const auto addresses = settings_.listen.empty() ? std::vector{net::listen_address{"::", 1935}} : settings_.listen;
  for (const auto& address : addresses) {
    options.address = address;
    auto opened = net::listen(io_, options, [this](net::transport_ptr t) { accept(std::move(t)); });
    if (!opened) return std::move(opened).error();
    listeners_.push_back(std::move(*opened));
  }
  return {};
}

void server::accept(net::transport_ptr transport) {
  const auto id = next_id_++;
  // Posted by the connection, so it may run after this server is gone.
  auto connection = std::make_shared<rtmp_connection>(shard_, std::move(transport), id, [weak = std::weak_ptr(alive_), id] {
    const auto self = weak.lock();
    if (!self) return;
    (*self)->forget(id);
  });
  connections_.emplace(id, connection);
  connection->start();
}

std::vector<std::string> server::addresses() const {
  std::vector<std::string> all;
  for (const auto& one : listeners_) {
    const auto some = one->addresses();
    all.insert(all.end(), some.begin(), some.end());
  }
  return all;
}

std::uint16_t server::port() const { return listeners_.empty() ? 0 : listeners_.front()->port(); }

net::listener_counters server::counters() const {
  net::listener_counters sum;
  for (const auto& one : listeners_) {
    const auto c = one->counters();
    sum.accepted_tcp += c.accepted_tcp;
    sum.accepted_tls += c.accepted_tls;
    sum.accepted_quic += c.accepted_quic;
    sum.refused_first_byte += c.refused_first_byte;
    sum.refused_handshake += c.refused_handshake;
    sum.refused_limit += c.refused_limit;
    sum.quic.connections += c.quic.connections;
    sum.quic.half_open += c.quic.half_open;
    sum.quic.retries_sent += c.quic.retries_sent;
    sum.quic.path_changes += c.quic.path_changes;
  }
  return sum;
}

std::size_t server::request_reconnect(const std::string& tc_url, const std::string& why) {
  std::size_t count = 0;
  for (const auto& [id, connection] : connections_) {
    if (!connection->ask_to_reconnect(tc_url, why)) continue;
    asked_.insert(id);
    ++count;
  }
  return count;
}

void server::shut_down(std::function<void()> done) {
  on_empty_ = std::move(done);
  for (const auto& one : listeners_) one->stop();
  shard_.stopping = true;
  const auto asked = settings_.drain.count() > 0 ? request_reconnect(settings_.drain_to, "the server is shutting down") : 0;
  if (asked == 0) return end_all();
  log::info("stopping: {} of {} connections were asked to reconnect, served on for up to {:.1f} s", asked, connections_.size(),
            std::chrono::duration<double>(settings_.drain).count());
  draining_ = true;
  deadline_.expires_after(settings_.drain);
  deadline_.async_wait([this](boost::system::error_code failed) {
    if (!failed && draining_) end_all();
  });
}

void server::end_all() {
  draining_ = false;
  log::info("stopping: {} connections to end", connections_.size());
  // Ending one connection may end others' players: walk over a copy.
  const auto all = connections_;
  for (const auto& [id, connection] : all) connection->shut_down("the server is shutting down");
  deadline_.expires_after(shut_down_max);
  deadline_.async_wait([this](boost::system::error_code failed) {
    if (!failed && on_empty_) std::exchange(on_empty_, nullptr)();
  });
  finish_if_empty();
}

void server::forget(std::uint64_t id) {
  connections_.erase(id);
  asked_.erase(id);
  if (draining_ && asked_.empty()) return end_all();  // who could leave has left
  if (!draining_) finish_if_empty();
}

void server::finish_if_empty() {
  // Transports that still flush keep themselves alive on the io_context; their own linger limit bounds that.
  if (on_empty_ && connections_.empty()) {
    deadline_.cancel();
    std::exchange(on_empty_, nullptr)();
  }
}

}  // namespace millrace::server
