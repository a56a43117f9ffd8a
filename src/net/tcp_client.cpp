#include "net/tcp_client.hpp"

#include <netinet/tcp.h>
#include <sys/socket.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "net/tcp_transport.hpp"
#include "net/tls_channel.hpp"

namespace millrace::net {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
constexpr auto as_values = asio::as_tuple(asio::use_awaitable);

base::error connect_error(const boost::system::error_code& failure) {
  if (failure == asio::error::operation_aborted) return {base::error_kind::closed, "given up"};
  return socket_error(failure.value());
}

}  // namespace

asio::awaitable<base::result<transport_ptr>> tcp_connect(tcp_connect_options options) {
  // Cancellation is an outcome like any other, not an exception.
  co_await asio::this_coro::reset_cancellation_state(asio::enable_total_cancellation());
  co_await asio::this_coro::throw_if_cancelled(false);
  const auto executor = co_await asio::this_coro::executor;

  tcp::socket socket(executor);
  boost::system::error_code failure;
  socket.open(options.remote.protocol(), failure);
  if (failure) co_return connect_error(failure);
  std::tie(failure) = co_await socket.async_connect(options.remote, as_values);
  if (failure) co_return connect_error(failure);
  socket.non_blocking(true, failure);
  if (failure) co_return connect_error(failure);
  set_tcp_options(socket.native_handle());
  const auto patience_ms = static_cast<unsigned>(options.unacknowledged_max.count());
  ::setsockopt(socket.native_handle(), IPPROTO_TCP, TCP_USER_TIMEOUT, &patience_ms, sizeof patience_ms);
  if (!options.tls) {
    auto plain = make_plain_channel(socket.native_handle());
    co_return make_tcp_transport(std::move(socket), std::move(plain));
  }

  auto channel = make_tls_client_channel(socket.native_handle(), options.server_name, options.server_name_is_ip, options.verify);
  if (!channel) co_return std::move(channel).error();
  for (;;) {
    auto step = (*channel)->handshake();
    if (step.status == channel_status::done) break;
    if (step.status == channel_status::failed) co_return std::move(step.error);
    if (step.status == channel_status::end) {
      co_return base::error{base::error_kind::unreachable, "the peer closed the connection during the TLS handshake"};
    }
    const auto want = step.status == channel_status::want_write ? tcp::socket::wait_write : tcp::socket::wait_read;
    std::tie(failure) = co_await socket.async_wait(want, as_values);
    if (failure) co_return connect_error(failure);
  }
  co_return make_tcp_transport(std::move(socket), *std::move(channel));
}

}  // namespace millrace::net
