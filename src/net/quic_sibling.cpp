#include "net/quic_sibling.hpp"

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "net/quic_options.hpp"

namespace millrace::net {
namespace {

constexpr int datagrams_per_turn = 512;

// How a datagram goes over: this, then its bytes. Both ends are programs of this host, of whatever version: changing it takes another number.
struct head {
  std::uint32_t form = 1;
  std::uint32_t ecn = 0;
  std::uint32_t local_size = 0, remote_size = 0;
  std::array<std::uint8_t, sizeof(sockaddr_in6)> local{}, remote{};
};

}  // namespace

void put_tag(std::span<std::uint8_t> id, process_tag tag) {
  if (tag == 0 || id.size() < 3) return;
  id[1] = static_cast<std::uint8_t>(tag >> 8);
  id[2] = static_cast<std::uint8_t>(tag & 0xff);
}

bool has_tag(std::span<const std::uint8_t> id, process_tag tag) { return tag != 0 && id.size() >= 3 && id[1] == tag >> 8 && id[2] == (tag & 0xff); }

quic_sibling::quic_sibling(boost::asio::io_context& io, int channel, process_tag tag) : channel_(io, channel), tag_(tag), buffer_(sizeof(head) + 65'536) {
  boost::system::error_code ignored;
  channel_.non_blocking(true, ignored);
  const int room = udp_buffer_bytes;
  ::setsockopt(channel, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
}

void quic_sibling::forward(const udp_datagram& datagram) {
  if (!there()) return;
  head h;
  h.ecn = datagram.ecn;
  h.local_size = static_cast<std::uint32_t>(std::min<std::size_t>(datagram.local.size(), h.local.size()));
  h.remote_size = static_cast<std::uint32_t>(std::min<std::size_t>(datagram.remote.size(), h.remote.size()));
  std::memcpy(h.local.data(), datagram.local.data(), h.local_size);
  std::memcpy(h.remote.data(), datagram.remote.data(), h.remote_size);
  std::array<iovec, 2> parts{{{&h, sizeof h}, {const_cast<std::uint8_t*>(datagram.bytes.data()), datagram.bytes.size()}}};
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = parts.size();
  if (::sendmsg(channel_.native_handle(), &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && (errno == EPIPE || errno == ECONNRESET)) close();
}

void quic_sibling::start(std::function<void(const udp_datagram&)> each, std::function<void()> gone) {
  each_ = std::move(each);
  gone_ = std::move(gone);
  wait();
}

void quic_sibling::wait() {
  channel_.async_wait(boost::asio::posix::stream_descriptor::wait_read, [weak = weak_from_this()](boost::system::error_code failed) {
    const auto self = weak.lock();
    if (failed || !self || !self->each_) return;
    for (int i = 0; i < datagrams_per_turn; ++i) {
      const auto got = ::recv(self->channel_.native_handle(), self->buffer_.data(), self->buffer_.size(), MSG_DONTWAIT);
      if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
        const auto gone = std::move(self->gone_);
        self->close();
        if (gone) gone();
        return;
      }
      if (got < 0) break;
      head h;
      const auto size = static_cast<std::size_t>(got);
      if (size <= sizeof h) continue;
      std::memcpy(&h, self->buffer_.data(), sizeof h);
      if (h.form != 1 || h.local_size > h.local.size() || h.remote_size > h.remote.size()) continue;
      // Through memory that is aligned as addresses are.
      sockaddr_in6 local{}, remote{};
      std::memcpy(&local, h.local.data(), h.local_size);
      std::memcpy(&remote, h.remote.data(), h.remote_size);
      self->each_({{self->buffer_.data() + sizeof h, size - sizeof h},
                   udp_address(reinterpret_cast<const sockaddr*>(&local), h.local_size),
                   udp_address(reinterpret_cast<const sockaddr*>(&remote), h.remote_size),
                   static_cast<std::uint8_t>(h.ecn)});
    }
    self->wait();
  });
}

void quic_sibling::close() {
  boost::system::error_code ignored;
  channel_.close(ignored);
  each_ = nullptr;
  gone_ = nullptr;
}

}  // namespace millrace::net
