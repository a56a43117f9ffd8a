#include "server/stream_follower.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <utility>

#include "base/escape.hpp"
#include "base/log.hpp"
#include "net/tcp_client.hpp"
#include "server/hook_text.hpp"
#include "server/query.hpp"

namespace millrace::server {
namespace log = base::log;
using base::escaped;

namespace {
base::instant now() { return std::chrono::steady_clock::now(); }
}  // namespace

std::string sibling_query(const std::string& secret) { return "sibling=" + secret; }

bool is_sibling(std::string_view query, std::string_view secret) {
  const auto shown = query_parameter(query, "sibling");
  return !secret.empty() && shown && equal_in_constant_time(*shown, secret);
}

stream_follower::stream_follower(boost::asio::io_context& io, shared_streams& streams, std::string name, std::uint64_t seed, std::function<void()> over)
    : io_(io), streams_(streams), name_(std::move(name)), seed_(seed), over_(std::move(over)), timer_(io) {}

// By value: a coroutine outlives its caller.
boost::asio::awaitable<void> stream_follower::dial(std::weak_ptr<stream_follower> whose, sibling_door door) {
  net::tcp_connect_options options;
  options.remote = {boost::asio::ip::address_v4::loopback(), door.port};
  auto made = co_await net::tcp_connect(options);
  const auto self = whose.lock();
  if (!self || !self->over_) {
    if (made) (*made)->abort();
  } else if (!made) {
    self->finish(made.error().text);
  } else {
    self->opened(std::move(*made), door);
  }
}

void stream_follower::start(const sibling_door& door) { boost::asio::co_spawn(io_, dial(weak_from_this(), door), boost::asio::detached); }

void stream_follower::opened(net::transport_ptr transport, const sibling_door& door) {
  transport_ = std::move(transport);
  const auto [app, stream] = split_name(name_);
  rtmp::client_config config;
  config.role = rtmp::client_role::play;
  config.app = app + "?" + sibling_query(door.secret);
  config.tc_url = "rtmp://127.0.0.1/" + app;
  config.stream_name = stream + "?catch_up=no";
  config.flash_ver = "millrace";
  session_ = std::make_unique<rtmp::client_session>(std::move(config), now(), seed_);
  transport_->start(*this);
  turn();
}

void stream_follower::on_receive(base::bytes_view bytes) { session_->receive(now(), bytes); }

void stream_follower::on_receive_done() { turn(); }

void stream_follower::on_closed(const net::close_info& info) {
  transport_.reset();
  finish(info.reason.text);
}

void stream_follower::turn() {
  while (session_) {
    auto event = session_->poll_event();
    if (!event) break;
    if (auto* const frame = std::get_if<rtmp::frame_received>(&*event)) {
      if (publication_) publication_->append(std::move(frame->frame));
    } else if (std::holds_alternative<rtmp::started>(*event)) {
      if (!publish()) return;
    } else if (std::holds_alternative<rtmp::stream_ended>(*event)) {
      return finish("its publisher has gone");
    } else if (const auto* const no = std::get_if<rtmp::rejected>(&*event)) {
      return finish(no->reason.text);
    } else if (const auto* const end = std::get_if<rtmp::closed>(&*event)) {
      return finish(end->reason.text);
    }
  }
  if (!session_ || !transport_) return;
  if (publication_) publication_->announce();
  auto out = session_->poll_output();
  if (!out.empty()) transport_->send(std::move(out));
  arm();
}

bool stream_follower::publish() {
  auto made = streams_.publish(name_, true);
  if (!made) {
    finish(made.error().text);
    return false;
  }
  publication_ = std::move(*made);
  // Whoever comes to publish it here goes before what comes from there.
  publication_->yield([weak = weak_from_this(), &io = io_] {
    boost::asio::post(io, [weak] {
      if (const auto self = weak.lock()) self->finish("it is published here now");
    });
  });
  log::info("{}: shown here as it comes from the other process", escaped(name_));
  return true;
}

void stream_follower::arm() {
  const auto due = session_->poll_timeout();
  if (!due) return;
  timer_.expires_at(*due);
  timer_.async_wait([weak = weak_from_this()](boost::system::error_code failed) {
    const auto self = weak.lock();
    if (failed || !self || !self->session_) return;
    self->session_->on_timer(now());
    self->turn();
  });
}

void stream_follower::stop() {
  over_ = nullptr;
  timer_.cancel();
  publication_.reset();
  session_.reset();
  if (transport_) std::exchange(transport_, nullptr)->abort();
}

void stream_follower::finish(const std::string& why) {
  if (!over_) return;
  log::debug("{}: not followed any more: {}", escaped(name_), escaped(why));
  boost::asio::post(io_, std::exchange(over_, nullptr));
  const auto self = shared_from_this();
  stop();
}

}  // namespace millrace::server
