// What the sockets of this thread refuse to send. It takes effect in millrace_net_test, where quic_udp_socket_test.cpp stands in for sendmsg().
#pragma once
#include <cstdint>

namespace millrace::test {

struct send_faults {
  bool segments = false;        // EIO for what is to be segmented: no route of a test machine has IPsec
  std::uint16_t full_port = 0;  // EAGAIN for whoever sends from this port, though the kernel calls it writable
  unsigned found_full = 0;
};
inline thread_local send_faults faults;

}  // namespace millrace::test
