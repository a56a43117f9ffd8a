#include "net/incoming.hpp"

#include <sys/socket.h>

#include <cerrno>

#include "base/log.hpp"
#include "net/endpoint_text.hpp"
#include "net/tcp_transport.hpp"

namespace millrace::net {
namespace {

using boost::asio::ip::tcp;
constexpr std::uint8_t tls_handshake_record = 0x16;  // RFC 8446 section 5.1; RTMP starts with its version, 3

}  // namespace

incoming::incoming(tcp::socket socket, incoming_options options, done_handler done)
    : socket_(std::move(socket)), options_(std::move(options)), done_(std::move(done)), deadline_(socket_.get_executor()) {
  boost::system::error_code ignored;
  const auto remote = socket_.remote_endpoint(ignored);
  remote_ = endpoint_text(remote.address(), remote.port());
}

void incoming::start() {
  boost::system::error_code ignored;
  socket_.non_blocking(true, ignored);
  deadline_.expires_after(options_.deadline);
  deadline_.async_wait([self = shared_from_this()](const boost::system::error_code& failure) {
    if (failure || !self->done_) return;
    base::log::debug("{}: no complete handshake within {} ms", self->remote_, self->options_.deadline.count());
    self->finish(self->channel_ ? incoming_outcome::refused_handshake : incoming_outcome::refused_first_byte);
  });
  wait(tcp::socket::wait_read);
}

void incoming::abandon() {
  done_ = nullptr;
  boost::system::error_code ignored;
  socket_.close(ignored);
  deadline_.cancel();
}

void incoming::wait(tcp::socket::wait_type type) {
  socket_.async_wait(type, [self = shared_from_this()](const boost::system::error_code& failure) {
    if (self->done_ && !failure) self->step();
  });
}

void incoming::step() {
  if (channel_) {
    handshake();
  } else {
    look_at_first_byte();
  }
}

void incoming::look_at_first_byte() {
  std::uint8_t first = 0;
  const auto got = ::recv(socket_.native_handle(), &first, 1, MSG_PEEK | MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return wait(tcp::socket::wait_read);
  if (got <= 0) return finish(incoming_outcome::gone);
  if (first == tls_handshake_record && options_.tls) {
    channel_ = options_.tls->accept(socket_.native_handle());
    if (!channel_) return finish(incoming_outcome::refused_handshake);
    set_tcp_options(socket_.native_handle());
    return handshake();
  }
  // Any other byte, TLS without a certificate included, goes on as RTMP: its handshake says what it saw and why it closes.
  if (!options_.plain) return finish(incoming_outcome::refused_first_byte);
  auto plain = make_plain_channel(socket_.native_handle());
  finish(incoming_outcome::ready, make_tcp_transport(std::move(socket_), std::move(plain)));
}

void incoming::handshake() {
  const auto step = channel_->handshake();
  switch (step.status) {
    case channel_status::done: return finish(incoming_outcome::ready, make_tcp_transport(std::move(socket_), std::move(channel_)));
    case channel_status::want_read: return wait(tcp::socket::wait_read);
    case channel_status::want_write: return wait(tcp::socket::wait_write);
    case channel_status::end:
    case channel_status::failed: break;
  }
  base::log::debug("{}: {}", remote_, step.status == channel_status::end ? "closed during the TLS handshake" : step.error.text);
  finish(incoming_outcome::refused_handshake);
}

void incoming::finish(incoming_outcome outcome, transport_ptr made) {
  const auto self = shared_from_this();
  auto done = std::exchange(done_, nullptr);
  deadline_.cancel();
  if (outcome != incoming_outcome::ready) {
    boost::system::error_code ignored;
    socket_.close(ignored);
  }
  done(*this, outcome, std::move(made));
}

}  // namespace millrace::net
