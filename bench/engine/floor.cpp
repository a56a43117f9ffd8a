// The least that fan-out over TCP can cost on this machine: ready-made bytes, pushed to many sockets at a steady rate. No RTMP, no queue, no
// checks; what it takes of a core is what the kernel takes.
//
//   floor push PORT PLAYERS BYTES_PER_SECOND EVERY_MS SECONDS    prints CPU seconds per GB and the writes that the kernel cut short
//   floor read PORT PLAYERS                                      the other end: reads until the connections end
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

namespace {

using clock_type = std::chrono::steady_clock;

[[noreturn]] void die(const char* what) {
  std::fprintf(stderr, "floor: %s: %s\n", what, std::strerror(errno));
  std::exit(1);
}

void raise_descriptor_limit() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

sockaddr_in loopback(int port) {
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_port = htons(static_cast<std::uint16_t>(port));
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return at;
}

double cpu_seconds() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  const auto of = [](const timeval& t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6; };
  return of(used.ru_utime) + of(used.ru_stime);
}

int push(int port, std::size_t players, double rate, double every_ms, double length) {
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  ::setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const auto at = loopback(port);
  if (::bind(listener, reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0 || ::listen(listener, 4096) != 0) die("listen");
  std::vector<int> sockets;
  while (sockets.size() < players) {
    const int one = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (one < 0) die("accept");
    ::setsockopt(one, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    sockets.push_back(one);
  }
  const std::vector<char> ready(static_cast<std::size_t>(rate * every_ms / 1000), 'x');
  const auto begin = clock_type::now();
  const auto every = std::chrono::duration_cast<clock_type::duration>(std::chrono::duration<double, std::milli>(every_ms));
  const double cpu = cpu_seconds();
  std::uint64_t sent = 0, cut = 0, late = 0;
  auto due = begin;
  for (; due - begin < std::chrono::duration<double>(length); due += every) {
    std::this_thread::sleep_until(due);
    if (clock_type::now() - due > every) ++late;
    for (const int one : sockets) {
      const auto done = ::send(one, ready.data(), ready.size(), MSG_NOSIGNAL);
      if (done > 0) sent += static_cast<std::uint64_t>(done);
      if (done != static_cast<ssize_t>(ready.size())) ++cut;
    }
  }
  const double took = std::chrono::duration<double>(clock_type::now() - begin).count(), used = cpu_seconds() - cpu;
  std::printf("{\"players\": %zu, \"every_ms\": %g, \"bytes\": %llu, \"seconds\": %.2f, \"load\": %.3f, \"cpu_seconds_per_gigabyte\": %.3f, "
              "\"cut_short\": %llu, \"late\": %llu}\n",
              players, every_ms, static_cast<unsigned long long>(sent), took, used / took, used / (static_cast<double>(sent) / 1e9),
              static_cast<unsigned long long>(cut), static_cast<unsigned long long>(late));
  return 0;
}

int read_all(int port, std::size_t players) {
  const int poll = ::epoll_create1(EPOLL_CLOEXEC);
  const auto at = loopback(port);
  std::size_t open = 0;
  for (; open < players; ++open) {
    const int one = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (one < 0) die("socket");
    while (::connect(one, reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0) {
      if (errno != ECONNREFUSED) die("connect");
      std::this_thread::sleep_for(std::chrono::milliseconds(20));  // the other end is not there yet
    }
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = one;
    ::epoll_ctl(poll, EPOLL_CTL_ADD, one, &event);
  }
  std::vector<char> into(1 << 18);
  std::array<epoll_event, 1024> events{};
  while (open > 0) {
    const int count = ::epoll_wait(poll, events.data(), events.size(), -1);
    for (int i = 0; i < count; ++i) {
      const int one = events[static_cast<std::size_t>(i)].data.fd;
      const auto got = ::recv(one, into.data(), into.size(), MSG_DONTWAIT);
      if (got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR))) continue;
      ::close(one);
      --open;
    }
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  raise_descriptor_limit();
  const auto word = [&](int i) { return argc > i ? std::atof(argv[i]) : 0; };
  if (argc == 7 && std::strcmp(argv[1], "push") == 0) {
    return push(static_cast<int>(word(2)), static_cast<std::size_t>(word(3)), word(4), word(5), word(6));
  }
  if (argc == 4 && std::strcmp(argv[1], "read") == 0) return read_all(static_cast<int>(word(2)), static_cast<std::size_t>(word(3)));
  std::fprintf(stderr, "usage: floor push PORT PLAYERS BYTES_PER_SECOND EVERY_MS SECONDS | floor read PORT PLAYERS\n");
  return 2;
}
