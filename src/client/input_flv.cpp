#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "client/input_source.hpp"

namespace millrace::client {
namespace {

base::error read_error() { return {base::error_kind::input, std::string("reading failed: ") + std::strerror(errno)}; }

}  // namespace

base::result<bool> begins_as_flv(int fd, std::string& head) {
  // Signature and version (FLV 10.1 annex E.2); four bytes also tell it from a text that starts with the letters.
  std::array<char, 4> bytes{};
  std::size_t have = 0;
  while (have < bytes.size()) {
    const auto count = ::read(fd, bytes.data() + have, bytes.size() - have);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return read_error();
    if (count == 0) break;
    have += static_cast<std::size_t>(count);
  }
  head.assign(bytes.data(), have);
  return head == std::string_view("FLV\x01", 4);
}

base::result<void> copy_flv(int fd, int wake_fd, base::bytes_view head, const flv_target& target) {
  if (auto taken = target.receive(head); !taken) return taken;
  std::vector<std::uint8_t> buffer(64U << 10);
  while (!target.stopped()) {
    std::array<pollfd, 2> wait{{{fd, POLLIN, 0}, {wake_fd, POLLIN, 0}}};
    if (::poll(wait.data(), wait.size(), -1) < 0) {
      if (errno == EINTR) continue;
      return read_error();
    }
    if ((wait[1].revents & POLLIN) != 0) break;
    const auto count = ::read(fd, buffer.data(), buffer.size());
    if (count < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (count < 0) return read_error();
    if (count == 0) break;
    if (auto taken = target.receive(base::bytes_view(buffer).first(static_cast<std::size_t>(count))); !taken) return taken;
  }
  return {};
}

}  // namespace millrace::client
