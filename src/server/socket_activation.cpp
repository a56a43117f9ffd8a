#include "server/socket_activation.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/ip/tcp.hpp>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "net/endpoint_text.hpp"

namespace millrace::server {
namespace {

namespace ip = boost::asio::ip;
constexpr int first_descriptor = 3;  // SD_LISTEN_FDS_START

// A number of the environment, which forgets it: not for what this process starts.
int taken(const char* variable) {
  const auto* const text = std::getenv(variable);
  int number = 0;
  if (text != nullptr) std::from_chars(text, text + std::strlen(text), number);
  ::unsetenv(variable);
  return number;
}

struct given_socket {
  int descriptor = -1, type = 0;
  ip::tcp::endpoint bound;  // of either protocol
};

base::result<given_socket> look_at(int descriptor) {
  const auto wrong = [&](const char* what) {
    return base::error{base::error_kind::usage, fmt::format("socket activation: descriptor {} {}: a socket unit has ListenStream= and ListenDatagram= with an address and a port", descriptor, what)};
  };
  given_socket out;
  out.descriptor = descriptor;
  sockaddr_storage bound{};
  socklen_t size = sizeof bound, type_size = sizeof out.type;
  if (::getsockname(descriptor, reinterpret_cast<sockaddr*>(&bound), &size) != 0) return wrong("is no socket");
  if (bound.ss_family != AF_INET && bound.ss_family != AF_INET6) return wrong("has no Internet address");
  if (::getsockopt(descriptor, SOL_SOCKET, SO_TYPE, &out.type, &type_size) != 0 || (out.type != SOCK_STREAM && out.type != SOCK_DGRAM)) return wrong("is neither TCP nor UDP");
  int listens = 0;
  socklen_t listens_size = sizeof listens;
  if (out.type == SOCK_STREAM && (::getsockopt(descriptor, SOL_SOCKET, SO_ACCEPTCONN, &listens, &listens_size) != 0 || listens == 0)) return wrong("does not listen");
  std::memcpy(out.bound.data(), &bound, size);
  ::fcntl(descriptor, F_SETFD, FD_CLOEXEC);
  return out;
}

struct of_address {
  net::listen_address as;
  bool web = false;
  std::vector<int> tcp, udp;
};

bool is_of(const given_socket& socket, const net::listen_address& as) {
  boost::system::error_code failed;
  const auto address = ip::make_address(as.host, failed);
  return !failed && address == socket.bound.address() && as.port == socket.bound.port();
}

}  // namespace

base::result<std::optional<inheritance>> take_activation(config& c) {
  const int process = taken("LISTEN_PID"), count = taken("LISTEN_FDS");
  taken("LISTEN_FDNAMES");
  if (process != ::getpid() || count <= 0) return std::optional<inheritance>();

  std::vector<of_address> all;
  const auto addresses = c.listen.empty() ? std::vector{net::listen_address{"::", 1935}} : c.listen;
  for (const auto& as : addresses) all.push_back({as, false, {}, {}});
  for (const auto& as : c.web.listen) all.push_back({as, true, {}, {}});
  std::size_t most = 1;
  for (int descriptor = first_descriptor; descriptor < first_descriptor + count; ++descriptor) {
    const auto socket = look_at(descriptor);
    if (!socket) return socket.error();
    const bool udp = socket->type == SOCK_DGRAM;
    const auto found = std::find_if(all.begin(), all.end(), [&](const of_address& one) { return is_of(*socket, one.as) && !(udp && one.web); });
    if (found == all.end()) {
      return base::error{base::error_kind::usage,
                         fmt::format("socket activation: {} {} is none of {}: say the same address in the socket unit and in the configuration", udp ? "udp" : "tcp",
                                     net::endpoint_text(socket->bound.address(), socket->bound.port()), udp ? "listen" : "listen and http.listen")};
    }
    auto& list = udp ? found->udp : found->tcp;
    list.push_back(descriptor);
    most = std::max(most, list.size());
  }

  c.shards = std::max(shard_count(c), most);
  inheritance out;
  out.shards = c.shards;
  for (auto& one : all) {
    if (one.tcp.empty() && one.udp.empty()) continue;
    handed_listener made;
    made.as = one.as;
    made.port = one.as.port;
    made.sockets.resize(c.shards);
    for (std::size_t i = 0; i < c.shards; ++i) {
      // Every shard accepts from the same queue, each by a descriptor of its own.
      if (!one.tcp.empty()) made.sockets[i].tcp = i < one.tcp.size() ? one.tcp[i] : ::fcntl(one.tcp[i % one.tcp.size()], F_DUPFD_CLOEXEC, first_descriptor);
      if (i < one.udp.size()) made.sockets[i].udp = one.udp[i];
    }
    (one.web ? out.http : out.rtmp).push_back(std::move(made));
  }
  return std::optional(std::move(out));
}

}  // namespace millrace::server
