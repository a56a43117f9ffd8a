#include <sys/socket.h>

#include <cerrno>
#include <system_error>

#include "net/channel.hpp"

namespace millrace::net {
namespace {

class plain_channel final : public channel {
 public:
  explicit plain_channel(int socket) : socket_(socket) {}

  [[nodiscard]] transport_kind kind() const override { return transport_kind::tcp; }
  [[nodiscard]] bool pending() const override { return false; }
  void describe(transport_facts&) const override {}

  channel_result handshake() override { return {}; }

  channel_result read(std::span<std::uint8_t> into) override { return take(into.data(), into.size(), MSG_DONTWAIT); }
  std::optional<channel_result> skip(std::size_t most) override { return take(nullptr, most, MSG_DONTWAIT | MSG_TRUNC); }

  channel_result write(std::span<const iovec> parts) override {
    msghdr message{};
    message.msg_iov = const_cast<iovec*>(parts.data());  // sendmsg only reads the vector
    message.msg_iovlen = parts.size();
    for (;;) {
      const auto sent = ::sendmsg(socket_, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
      if (sent >= 0) return {channel_status::done, static_cast<std::size_t>(sent), {}};
      if (errno == EINTR) continue;
      if (errno == EAGAIN) return {channel_status::want_write, 0, {}};
      return {channel_status::failed, 0, socket_error(errno)};
    }
  }

  void end() override {}  // the FIN says it

 private:
  channel_result take(std::uint8_t* into, std::size_t most, int flags) {
    for (;;) {
      const auto got = ::recv(socket_, into, most, flags);
      if (got > 0) return {channel_status::done, static_cast<std::size_t>(got), {}};
      if (got == 0) return {channel_status::end, 0, {}};
      if (errno == EINTR) continue;
      if (errno == EAGAIN) return {channel_status::want_read, 0, {}};
      return {channel_status::failed, 0, socket_error(errno)};
    }
  }

  int socket_;
};

}  // namespace

std::unique_ptr<channel> make_plain_channel(int socket) { return std::make_unique<plain_channel>(socket); }

base::error socket_error(int number) {
  using base::error_kind;
  switch (number) {
    case ECONNREFUSED: return {error_kind::unreachable, "connection refused"};
    case ENETUNREACH:
    case EHOSTUNREACH:
    case EADDRNOTAVAIL:
    case EAFNOSUPPORT: return {error_kind::unreachable, "no route to the host"};
    case ENETDOWN: return {error_kind::unreachable, "the network is down"};
    case EACCES:
    case EPERM: return {error_kind::unreachable, "forbidden by a local firewall rule"};
    case ECONNRESET: return {error_kind::unreachable, "connection reset by the peer"};
    case EPIPE: return {error_kind::unreachable, "the peer no longer takes data"};
    case ETIMEDOUT: return {error_kind::timeout, "the peer stopped answering"};
    case EMFILE:
    case ENFILE: return {error_kind::local, "no file descriptor left: raise the limit (ulimit -n)"};
    default: return {error_kind::unreachable, std::generic_category().message(number)};
  }
}

}  // namespace millrace::net
