// Settings and counters of the QUIC side that others may see. No ngtcp2 type leaves this folder's quic_*.cpp files.
#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "net/identity.hpp"
#include "net/port_group.hpp"

namespace millrace::net {

// What a UDP socket is asked to have, either way: a burst of key frames to hundreds of viewers. The kernel cuts it to its own maximum.
inline constexpr int udp_buffer_bytes = 4 << 20;

// The two mappings of RTMP onto QUIC (RFC 7301 tells which).
inline constexpr const char* roqr_alpn = "roqr";         // RoQR draft: messages in frames, on several streams
inline constexpr const char* byte_stream_alpn = "rtmp";  // RTMP's byte stream on stream 0

enum class congestion_control : unsigned char { bbr, cubic };

// Sending media packets twice where the path loses packets and has room to spare (repeat_policy).
enum class redundancy_policy : unsigned char { off, automatic };

struct quic_common_options {
  congestion_control congestion = congestion_control::bbr;
  redundancy_policy redundancy = redundancy_policy::automatic;
  std::chrono::milliseconds idle_timeout{30'000};
  // Most wanted first; a server's order decides.
  std::vector<std::string> alpn{roqr_alpn, byte_stream_alpn};
};

enum class retry_policy : unsigned char { under_load, always, never };

struct quic_server_options : quic_common_options {
  quic_secrets secrets;   // the same for all of a group
  port_group group;
  std::uint16_t tag = 0;  // of this process, in its connection ids (quic_sibling.hpp)
  retry_policy retry = retry_policy::under_load;
  std::size_t retry_above_half_open = 1000;
  std::chrono::milliseconds handshake_timeout{10'000};
};

struct quic_client_options : quic_common_options {
  std::chrono::milliseconds handshake_timeout{3'000};
  std::chrono::milliseconds keep_alive{10'000};
  bool follow_network = true;  // move when the way to the server leads over another address
};

struct quic_server_counters {
  std::uint64_t datagrams_received = 0, datagrams_sent = 0;
  std::uint64_t retries_sent = 0, stateless_resets_sent = 0, version_negotiations_sent = 0;
  std::uint64_t path_changes = 0, over_budget = 0;
  std::uint64_t handshakes_dropped = 0;  // datagrams, for which there was no room while others waited for the CPU
  std::size_t connections = 0, half_open = 0;

  quic_server_counters& operator+=(const quic_server_counters& other) {
    datagrams_received += other.datagrams_received;
    datagrams_sent += other.datagrams_sent;
    retries_sent += other.retries_sent;
    stateless_resets_sent += other.stateless_resets_sent;
    version_negotiations_sent += other.version_negotiations_sent;
    path_changes += other.path_changes;
    over_budget += other.over_budget;
    handshakes_dropped += other.handshakes_dropped;
    connections += other.connections;
    half_open += other.half_open;
    return *this;
  }
};

}  // namespace millrace::net
