#include "client/bridge.hpp"

#include <boost/asio/post.hpp>
#include <utility>

#include "base/log.hpp"
#include "client/bridge_flow.hpp"

namespace millrace::client {

namespace {

// What lies in the kernel is neither given up nor overtaken by sound, and delays the encoder's view of the network.
constexpr std::size_t receive_buffer = 64U << 10;

}  // namespace

bridge::bridge(boost::asio::io_context& io, bridge_options options) : io_(io), options_(std::move(options)), stop_timer_(io) {}

bridge::~bridge() {
  for (const auto& flow : std::exchange(flows_, {})) flow->abandon();
  for (const auto& connection : std::exchange(connections_, {})) connection->stop("the bridge ended");
}

base::result<void> bridge::start() {
  net::listener_options listening;
  listening.address = options_.listen;
  listening.tls = false;
  listening.quic = false;
  listening.receive_buffer = receive_buffer;
  auto opened = net::listen(io_, std::move(listening), [this](net::transport_ptr transport, base::instant) { accept(std::move(transport)); });
  if (!opened) return std::move(opened).error();
  listener_ = std::move(*opened);
  return {};
}

std::uint16_t bridge::port() const { return listener_ ? listener_->port() : std::uint16_t{0}; }

void bridge::accept(net::transport_ptr transport) {
  auto connection = std::make_shared<bridge_connection>(*this, std::move(transport));
  connections_.insert(connection);
  connection->start();
}

std::vector<bridge_flow_report> bridge::report() const {
  std::vector<bridge_flow_report> out;
  out.reserve(flows_.size());
  for (const auto& flow : flows_) out.push_back(flow->report());
  return out;
}

// Both are posted by their callers' callers: an object must not vanish under its own method.
void bridge::forget(const std::shared_ptr<bridge_connection>& connection) {
  boost::asio::post(io_, [this, connection] {
    connections_.erase(connection);
    check_stopped();
  });
}

void bridge::forget(const std::shared_ptr<bridge_flow>& flow) {
  boost::asio::post(io_, [this, flow] {
    flows_.erase(flow);
    check_stopped();
  });
}

void bridge::check_stopped() {
  if (!stopped_ || !connections_.empty() || !flows_.empty()) return;
  stop_timer_.cancel();
  std::exchange(stopped_, nullptr)();
}

void bridge::stop(std::function<void()> done) {
  if (listener_) listener_->stop();
  stopped_ = std::move(done);
  const auto connections = connections_;
  for (const auto& connection : connections) connection->stop("the bridge is ending");
  stop_timer_.expires_after(std::chrono::seconds(3));
  stop_timer_.async_wait([this](const boost::system::error_code& failure) {
    if (failure || !stopped_) return;
    base::log::warning("not everything could be delivered within 3 s");
    std::exchange(stopped_, nullptr)();
  });
  boost::asio::post(io_, [this] { check_stopped(); });
}

}  // namespace millrace::client
