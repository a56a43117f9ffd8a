// What the kernel knows about a TCP connection.
#pragma once
#include "net/transport.hpp"

namespace millrace::net {

// Fills RTT, minimum RTT, packets, retransmissions (as lost), congestion window and the algorithm's name. Leaves empty what this
// kernel does not tell.
void read_tcp_info(int socket, transport_facts& facts);

// Bytes that the peer has acknowledged.
std::optional<std::uint64_t> tcp_bytes_acknowledged(int socket);

}  // namespace millrace::net
