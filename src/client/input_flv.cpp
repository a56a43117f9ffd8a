#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

#include "client/input_source.hpp"

namespace millrace::client {

base::result<std::size_t> byte_source::read(std::span<std::uint8_t> into) {
  if (peeked_.empty()) return read_on(into);
  const auto count = std::min(into.size(), peeked_.size());
  std::memcpy(into.data(), peeked_.data(), count);
  peeked_.erase(0, count);
  return count;
}

base::result<std::string> byte_source::peek(std::size_t count) {
  std::vector<std::uint8_t> more(count);
  while (peeked_.size() < count) {
    const auto got = read_on(std::span(more).first(count - peeked_.size()));
    if (!got) return got.error();
    if (*got == 0) break;
    peeked_.append(more.begin(), more.begin() + static_cast<std::ptrdiff_t>(*got));
  }
  return peeked_.substr(0, count);
}

base::result<std::size_t> byte_source::read_on(std::span<std::uint8_t> into) {
  for (;;) {
    std::array<pollfd, 2> wait{{{fd_, POLLIN, 0}, {wake_fd_, POLLIN, 0}}};
    const bool ready = ::poll(wait.data(), wait.size(), -1) >= 0;
    if (ready && (wait[1].revents & POLLIN) != 0) return std::size_t{0};
    const auto count = ready ? ::read(fd_, into.data(), into.size()) : -1;
    if (count >= 0) return static_cast<std::size_t>(count);
    if (errno != EINTR && errno != EAGAIN)
      return base::error{base::error_kind::input, std::string("reading failed: ") + std::strerror(errno)};
  }
}

// Signature and version (FLV 10.1 annex E.2); four bytes also tell it from a text that starts with the letters.
bool begins_as_flv(std::string_view head) { return head.starts_with(std::string_view("FLV\x01", flv_signature_bytes)); }

base::result<void> copy_flv(byte_source& source, const flv_target& target) {
  std::vector<std::uint8_t> buffer(64U << 10);
  while (!target.stopped()) {
    const auto count = source.read(buffer);
    if (!count) return count.error();
    if (*count == 0) break;
    if (auto taken = target.receive(base::bytes_view(buffer).first(*count)); !taken) return taken;
  }
  return {};
}

}  // namespace millrace::client
