// What the host gives a server less of than it could use, and what to type about that: said once, at the start.
#pragma once
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace millrace::server {

struct host_facts {
  std::optional<std::size_t> udp_receive_max, udp_send_max;  // bytes of what net::udp_buffer_bytes asks for that a socket gets; nothing: not known
  std::size_t descriptors_max = 0;                           // that may be open, after the soft limit was raised
};
host_facts look_at_host();

// One sentence or two for each thing that is short. Pure.
std::vector<std::string> host_advice(const host_facts& host, bool quic);

}  // namespace millrace::server
