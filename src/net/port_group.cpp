#include "net/port_group.hpp"

#include <linux/filter.h>
#include <sys/socket.h>

#include <array>

namespace millrace::net {

void port_group::claim(std::span<std::uint8_t> id) const noexcept {
  if (id.empty() || !shared()) return;
  const std::uint32_t rounds = 256 / size;  // whole ones, so that the result is in a byte
  id[0] = static_cast<std::uint8_t>(id[0] % rounds * size + index);
}

bool port_group::share(int socket) const noexcept {
  if (!shared()) return true;
  const int on = 1;
  return ::setsockopt(socket, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0;
}

bool port_group::steer(int socket) const noexcept {
  if (!shared()) return true;
  // Offsets count from the UDP payload. A load beyond the end of a datagram ends the program with 0, the first socket.
  std::array<sock_filter, 7> program{{
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0),               // header form and flags
      BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 0x80, 0, 2),    // long?
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 6),
      BPF_JUMP(BPF_JMP | BPF_JA, 1, 0, 0),
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 1),
      BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, size),
      BPF_STMT(BPF_RET | BPF_A, 0),
  }};
  const sock_fprog attached{program.size(), program.data()};
  return ::setsockopt(socket, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &attached, sizeof attached) == 0;
}

}  // namespace millrace::net
