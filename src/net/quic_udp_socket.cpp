#include "net/quic_udp_socket.hpp"

#include <netinet/udp.h>

#include <array>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <cerrno>
#include <cstring>

#include "net/quic_options.hpp"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

namespace millrace::net {
namespace asio = boost::asio;

udp_address::udp_address(const asio::ip::udp::endpoint& from) : udp_address(from.data(), static_cast<socklen_t>(from.size())) {}

udp_address::udp_address(const sockaddr* from, socklen_t size) {
  if (size > sizeof bytes_) return;
  std::memcpy(&bytes_, from, size);
  size_ = size;
}

bool udp_address::is_v4_mapped() const noexcept { return is_v6() && IN6_IS_ADDR_V4MAPPED(&bytes_.v6.sin6_addr); }

std::uint16_t udp_address::port() const noexcept { return ntohs(is_v6() ? bytes_.v6.sin6_port : bytes_.v4.sin_port); }

asio::ip::udp::endpoint udp_address::endpoint() const {
  if (size_ == 0) return {};
  if (!is_v6()) return {asio::ip::address_v4(ntohl(bytes_.v4.sin_addr.s_addr)), port()};
  asio::ip::address_v6::bytes_type raw;
  std::memcpy(raw.data(), &bytes_.v6.sin6_addr, raw.size());
  const asio::ip::address_v6 address(raw, bytes_.v6.sin6_scope_id);
  if (is_v4_mapped()) return {asio::ip::make_address_v4(asio::ip::v4_mapped, address), port()};
  return {address, port()};
}

std::string udp_address::text() const {
  const auto at = endpoint();
  const std::string host = at.address().to_string();
  return (at.address().is_v6() ? "[" + host + "]" : host) + ":" + std::to_string(at.port());
}

bool operator==(const udp_address& a, const udp_address& b) noexcept {
  if (a.size_ != b.size_ || a.bytes_.any.sa_family != b.bytes_.any.sa_family) return false;
  if (a.size_ == 0) return true;
  if (!a.is_v6()) return a.bytes_.v4.sin_port == b.bytes_.v4.sin_port && a.bytes_.v4.sin_addr.s_addr == b.bytes_.v4.sin_addr.s_addr;
  return a.bytes_.v6.sin6_port == b.bytes_.v6.sin6_port && a.bytes_.v6.sin6_scope_id == b.bytes_.v6.sin6_scope_id &&
         std::memcmp(&a.bytes_.v6.sin6_addr, &b.bytes_.v6.sin6_addr, sizeof(in6_addr)) == 0;
}

// Shared with the waiting handlers, which may run after the socket object is gone.
struct quic_udp_socket::state {
  explicit state(asio::io_context& io) : socket(io) {}
  asio::ip::udp::socket socket;
  bool closed = false;
};

namespace {

base::error local_error(std::string_view what, int number) {
  return {base::error_kind::local, std::string(what) + ": " + std::strerror(number)};
}

template <class T>
bool set_option(int fd, int level, int option, T value) {
  return ::setsockopt(fd, level, option, &value, sizeof value) == 0;
}

void set_common_options(int fd, bool v6) {
  // All of these are wishes: without them QUIC still works, only slower or blind to ECN.
  set_option(fd, SOL_SOCKET, SO_RCVBUF, udp_buffer_bytes);
  set_option(fd, SOL_SOCKET, SO_SNDBUF, udp_buffer_bytes);
  set_option(fd, SOL_UDP, UDP_GRO, 1);
  // A "::" socket carries IPv4 too, so it wants the IPv4 options as well.
  set_option(fd, SOL_IP, IP_RECVTOS, 1);
  set_option(fd, SOL_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE);
  if (v6) {
    set_option(fd, SOL_IPV6, IPV6_RECVTCLASS, 1);
    set_option(fd, SOL_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE);
    set_option(fd, SOL_IPV6, IPV6_RECVPKTINFO, 1);
  } else {
    set_option(fd, SOL_IP, IP_PKTINFO, 1);
  }
}

// Shared by all sockets of a thread: a receive call is never inside another one.
constexpr std::size_t receive_messages = 16;
constexpr std::chrono::minutes segmentation_pause{1};
constexpr std::size_t receive_bytes = 65'536;
struct receive_space {
  std::array<mmsghdr, receive_messages> messages;
  std::array<iovec, receive_messages> parts;
  std::array<sockaddr_in6, receive_messages> names;
  alignas(cmsghdr) std::array<std::array<std::uint8_t, 256>, receive_messages> controls;
  std::vector<std::uint8_t> bytes = std::vector<std::uint8_t>(receive_messages * receive_bytes);
};

receive_space& space_of_thread() {
  static thread_local auto space = std::make_unique<receive_space>();
  return *space;
}

// What the kernel says beside a datagram. Returns the GRO segment size, 0 for a single datagram.
std::size_t read_control(const msghdr& message, bool wildcard, udp_datagram& into) {
  std::size_t segment = 0;
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(const_cast<msghdr*>(&message), c)) {
    if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO) {
      int size = 0;
      std::memcpy(&size, CMSG_DATA(c), sizeof size);
      if (size > 0) segment = static_cast<std::size_t>(size);
    } else if (c->cmsg_level == SOL_IP && c->cmsg_type == IP_TOS) {
      into.ecn = *CMSG_DATA(c) & 3;
    } else if (c->cmsg_level == SOL_IPV6 && c->cmsg_type == IPV6_TCLASS) {
      int value = 0;
      std::memcpy(&value, CMSG_DATA(c), sizeof value);
      into.ecn = static_cast<std::uint8_t>(value & 3);
    } else if (wildcard && c->cmsg_level == SOL_IP && c->cmsg_type == IP_PKTINFO && !into.local.is_v6()) {
      in_pktinfo info{};
      std::memcpy(&info, CMSG_DATA(c), sizeof info);
      into.local.set_v4(info.ipi_addr);
    } else if (wildcard && c->cmsg_level == SOL_IPV6 && c->cmsg_type == IPV6_PKTINFO && into.local.is_v6()) {
      in6_pktinfo info{};
      std::memcpy(&info, CMSG_DATA(c), sizeof info);
      into.local.set_v6(info.ipi6_addr);
    }
  }
  return segment;
}

template <class T>
void add_control(msghdr& message, std::size_t capacity, int level, int type, const T& value) {
  if (message.msg_controllen + CMSG_SPACE(sizeof value) > capacity) return;
  auto* at = reinterpret_cast<cmsghdr*>(static_cast<std::uint8_t*>(message.msg_control) + message.msg_controllen);
  at->cmsg_level = level;
  at->cmsg_type = type;
  at->cmsg_len = CMSG_LEN(sizeof value);
  std::memcpy(CMSG_DATA(at), &value, sizeof value);
  message.msg_controllen += CMSG_SPACE(sizeof value);
}

}  // namespace

base::result<std::unique_ptr<quic_udp_socket>> quic_udp_socket::bind(asio::io_context& io, const asio::ip::udp::endpoint& local,
                                                                     const port_group& group) {
  auto s = std::make_shared<state>(io);
  boost::system::error_code failed;
  s->socket.open(local.protocol(), failed);
  if (!failed && local.address().is_v6() && local.address().to_v6().is_unspecified()) {
    s->socket.set_option(asio::ip::v6_only(false), failed);
  }
  if (!failed && !group.share(s->socket.native_handle())) return local_error("share the port", errno);
  if (!failed) s->socket.bind(local, failed);
  if (!failed && !group.steer(s->socket.native_handle())) return local_error("steer by connection id", errno);
  if (!failed) s->socket.non_blocking(true, failed);
  if (failed) return local_error("bind", failed.value());
  std::unique_ptr<quic_udp_socket> made(new quic_udp_socket(std::move(s)));
  made->wildcard_ = local.address().is_unspecified();
  made->prepare(local.address().is_v6());
  return made;
}

base::result<std::unique_ptr<quic_udp_socket>> quic_udp_socket::adopt(asio::io_context& io, int socket, const port_group& group) {
  sockaddr_storage bound{};
  socklen_t size = sizeof bound;
  if (::getsockname(socket, reinterpret_cast<sockaddr*>(&bound), &size) != 0) return local_error("take over", errno);
  const bool v6 = bound.ss_family == AF_INET6;
  auto s = std::make_shared<state>(io);
  boost::system::error_code failed;
  s->socket.assign(v6 ? asio::ip::udp::v6() : asio::ip::udp::v4(), socket, failed);
  if (!failed) s->socket.non_blocking(true, failed);
  if (failed) return local_error("take over", failed.value());
  if (!group.steer(socket)) return local_error("steering datagrams by connection id", errno);
  std::unique_ptr<quic_udp_socket> made(new quic_udp_socket(std::move(s)));
  made->prepare(v6);
  made->wildcard_ = made->local_.endpoint().address().is_unspecified();
  return made;
}

int quic_udp_socket::descriptor() const { return state_->closed ? -1 : state_->socket.native_handle(); }

base::result<std::unique_ptr<quic_udp_socket>> quic_udp_socket::connect(asio::io_context& io, const asio::ip::udp::endpoint& remote) {
  auto s = std::make_shared<state>(io);
  boost::system::error_code failed;
  s->socket.open(remote.protocol(), failed);
  if (failed) return local_error("socket", failed.value());
  s->socket.connect(remote, failed);
  if (failed) return base::error{base::error_kind::unreachable, failed.message()};
  s->socket.non_blocking(true, failed);
  if (failed) return local_error("socket", failed.value());
  std::unique_ptr<quic_udp_socket> made(new quic_udp_socket(std::move(s)));
  made->connected_ = true;
  made->prepare(remote.address().is_v6());
  return made;
}

quic_udp_socket::~quic_udp_socket() { close(); }

void quic_udp_socket::prepare(bool v6) {
  v6_ = v6;
  set_common_options(state_->socket.native_handle(), v6);
  boost::system::error_code ignored;
  local_ = udp_address(state_->socket.local_endpoint(ignored));
}

void quic_udp_socket::send_through(unsigned interface) {
  if (!connected_ || state_->closed) return;
  const int wanted = static_cast<int>(htonl(interface));
  const int fd = state_->socket.native_handle();
  if (!(v6_ ? set_option(fd, SOL_IPV6, IPV6_UNICAST_IF, wanted) : set_option(fd, SOL_IP, IP_UNICAST_IF, wanted))) return;
  boost::system::error_code failed;  // the kernel keeps the route of a connected socket, and looks for another as it is connected anew
  const auto remote = state_->socket.remote_endpoint(failed);
  if (!failed) state_->socket.connect(remote, failed);
}

void quic_udp_socket::close() {
  if (state_->closed) return;
  state_->closed = true;
  boost::system::error_code ignored;
  state_->socket.close(ignored);
}

void quic_udp_socket::wait_readable(std::function<void()> then) {
  if (state_->closed) return;
  state_->socket.async_wait(asio::ip::udp::socket::wait_read, [s = state_, then = std::move(then)](boost::system::error_code failed) {
    if (!failed && !s->closed) then();
  });
}

void quic_udp_socket::wait_writable(std::function<void()> then) {
  if (state_->closed) return;
  state_->socket.async_wait(asio::ip::udp::socket::wait_write, [s = state_, then = std::move(then)](boost::system::error_code failed) {
    if (!failed && !s->closed) then();
  });
}

quic_udp_socket::received quic_udp_socket::receive(std::size_t most, const std::function<void(const udp_datagram&)>& each) {
  received out;
  auto& space = space_of_thread();
  while (!state_->closed) {
    if (out.datagrams >= most) {
      out.more = true;
      return out;
    }
    for (std::size_t i = 0; i < receive_messages; ++i) {
      space.parts[i] = {space.bytes.data() + i * receive_bytes, receive_bytes};
      auto& header = space.messages[i].msg_hdr;
      header = {};
      header.msg_name = &space.names[i];
      header.msg_namelen = sizeof space.names[i];
      header.msg_iov = &space.parts[i];
      header.msg_iovlen = 1;
      header.msg_control = space.controls[i].data();
      header.msg_controllen = space.controls[i].size();
      space.messages[i].msg_len = 0;
    }
    const int count = ::recvmmsg(state_->socket.native_handle(), space.messages.data(), receive_messages, MSG_DONTWAIT, nullptr);
    if (count < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN) out.error = errno;
      return out;
    }
    for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
      const auto& message = space.messages[i];
      if ((message.msg_hdr.msg_flags & MSG_TRUNC) != 0) continue;
      udp_datagram datagram;
      datagram.local = local_;
      datagram.remote = udp_address(reinterpret_cast<const sockaddr*>(&space.names[i]), message.msg_hdr.msg_namelen);
      if (datagram.remote.port() == 0) {  // a forged address: nothing can be sent there
        ++out.datagrams;
        continue;
      }
      const std::size_t segment = read_control(message.msg_hdr, wildcard_, datagram);
      base::bytes_view rest(space.bytes.data() + i * receive_bytes, message.msg_len);
      // UDP_GRO: several datagrams of one sender in one message, all of `segment` bytes but the last.
      while (!rest.empty()) {
        const std::size_t size = segment == 0 || segment > rest.size() ? rest.size() : segment;
        datagram.bytes = rest.first(size);
        rest = rest.subspan(size);
        ++out.datagrams;
        each(datagram);
        if (state_->closed) return out;
      }
    }
    if (static_cast<std::size_t>(count) < receive_messages) return out;  // drained
  }
  return out;
}

long quic_udp_socket::send_call(const udp_batch& batch, base::bytes_view bytes, bool segmented) const {
  iovec part{const_cast<std::uint8_t*>(bytes.data()), bytes.size()};
  alignas(cmsghdr) std::array<std::uint8_t, 256> control{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  if (!connected_) {
    message.msg_name = const_cast<sockaddr*>(batch.remote.data());
    message.msg_namelen = batch.remote.size();
  }
  const bool as_v4 = !v6_ || batch.remote.is_v4_mapped();
  if (batch.ecn != 0) {
    const int value = batch.ecn;
    if (as_v4) {
      add_control(message, control.size(), SOL_IP, IP_TOS, value);
    } else {
      add_control(message, control.size(), SOL_IPV6, IPV6_TCLASS, value);
    }
  }
  if (wildcard_ && batch.local.size() != 0) {  // answer from the address that the peer spoke to
    if (v6_) {
      in6_pktinfo info{};
      info.ipi6_addr = batch.local.v6().sin6_addr;
      add_control(message, control.size(), SOL_IPV6, IPV6_PKTINFO, info);
    } else {
      in_pktinfo info{};
      info.ipi_spec_dst = batch.local.v4().sin_addr;
      add_control(message, control.size(), SOL_IP, IP_PKTINFO, info);
    }
  }
  if (segmented) add_control(message, control.size(), SOL_UDP, UDP_SEGMENT, static_cast<std::uint16_t>(batch.segment));
  if (message.msg_controllen == 0) message.msg_control = nullptr;
  for (;;) {
    const auto done = ::sendmsg(state_->socket.native_handle(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (done >= 0 || errno != EINTR) return done;
  }
}

quic_udp_socket::sent quic_udp_socket::send(const udp_batch& batch) {
  sent out;
  if (state_->closed || batch.bytes.empty() || batch.segment == 0) {
    out.bytes = batch.bytes.size();
    return out;
  }
  const auto would_block = [](int number) { return number == EAGAIN || number == ENOBUFS; };
  bool refused = false;  // as segments
  if (batch.bytes.size() > batch.segment && std::chrono::steady_clock::now() >= segmentation_from_) {
    if (send_call(batch, batch.bytes, true) >= 0) {
      segmentation_refused_ = 0;
      out.bytes = batch.bytes.size();
      out.datagrams = (batch.bytes.size() + batch.segment - 1) / batch.segment;
      return out;
    }
    const int why = errno;
    if (would_block(why)) {
      out.blocked = true;
      return out;
    }
    refused = why == EIO || why == EINVAL || why == EMSGSIZE || why == EOPNOTSUPP;
  }
  while (out.bytes < batch.bytes.size()) {
    const auto rest = batch.bytes.subspan(out.bytes);
    const auto one = rest.first(std::min(rest.size(), batch.segment));
    if (send_call(batch, one, false) < 0) {
      if (would_block(errno)) {
        out.blocked = true;
        break;
      }
      // EMSGSIZE is an answer to a path MTU probe; the rest is the caller's to judge. Either way the packet counts as lost.
      if (errno != EMSGSIZE) out.error = errno;
    } else {
      ++out.datagrams;
    }
    out.bytes += one.size();
  }
  // Segmentation is at fault only where the same bytes went without it: some destinations the kernel refuses either way, and a peer can make them up.
  // The refusal may be about this batch only (the route's MTU fell), or about this destination (EIO, as from a device without checksums: IPsec on the way
  // there), so it takes three in a row to do without, and after a while segmentation is tried again: behind those, one more is enough.
  if (refused && out.datagrams > 0 && ++segmentation_refused_ >= 3) segmentation_from_ = std::chrono::steady_clock::now() + segmentation_pause;
  return out;
}

}  // namespace millrace::net
