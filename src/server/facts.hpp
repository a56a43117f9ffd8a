// What the server can say of itself: plain values, collected on the shards and put together for the API and the metrics.
#pragma once
#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "hub/stream.hpp"
#include "net/listener.hpp"
#include "server/fan_out.hpp"
#include "server/hooks.hpp"
#include "server/memory_watch.hpp"
#include "server/name_register.hpp"

namespace millrace::server {

// One viewing of one stream.
struct play_facts {
  std::string stream;
  hub::cursor_stats frames;
  // From a frame's arrival at this server to its hand-over to the transport, the worst of the last second; while nothing is handed over although there is
  // something: since when.
  std::chrono::milliseconds delay{0};
};

// One playing of one recording.
struct replay_facts {
  std::string recording;  // its id
  std::string stream;     // that it is of
  std::chrono::milliseconds position{0};
};

// One peer, whatever it speaks.
struct connection_facts {
  std::uint64_t id = 0;        // unique in this process; 0: a viewer of HLS, who comes over any connection (hls/audience.hpp)
  shard_index shard = 0;
  std::string protocol;        // "rtmp", "rtmps", "rtmpq"; "http-flv", "ws-flv", over TLS "https-flv", "wss-flv"; "hls"
  std::string framing;         // of RTMP: "chunks", "roqr", "roqr-groups"
  std::string agent;           // flashVer, User-Agent
  std::string fell_back;       // why a millrace that wished for QUIC is not on it: its words
  std::chrono::system_clock::time_point since;
  net::transport_facts transport;
  std::size_t queued_bytes = 0;
  std::chrono::milliseconds queued_age{0};  // of the oldest byte that the kernel or QUIC has not taken
  std::optional<std::chrono::milliseconds> publisher_queue;  // as the publisher itself says (rtmp/extension.hpp); others do not say
  std::vector<std::string> publishes;
  std::vector<play_facts> plays;
  std::vector<replay_facts> recordings;
};

// A second of a stream.
struct stream_sample {
  std::int64_t at = 0;         // Unix time, seconds
  float kbps = 0, fps = 0;     // media taken in; pictures
  float backlog_ms = 0;        // how late media came by its own clock, against the best of the last half minute (arrival_clock.hpp)
  float publisher_queue_ms = 0;  // what it has that its network has not taken, where it says so
  float rtt_ms = 0;            // of the publisher's transport; 0: not known
  float loss_per_cent = 0;     // packets that the publisher … the server sent to it and that got lost; 0 where it is not known
  float viewers = 0;
  float viewer_delay_ms = 0;   // the worst of its viewers (play_facts::delay)
  float queue_ms = 0;          // the oldest byte that waits for one of its viewers
};

struct stream_entry {
  hub::stream_facts hub;
  bool owned = false;          // its publisher is on the shard that says this
  std::optional<std::chrono::system_clock::time_point> since;  // of the publication
  std::deque<stream_sample> seconds;  // the last ten minutes
};

struct protocol_count {
  std::size_t publishers = 0, viewers = 0, recordings = 0;  // the last: recordings that are played
};

struct shard_snapshot {
  shard_index index = 0;
  fan_out_facts viewers;
  double busy = 0;             // share of its core in the last second, 0 to 1
  std::size_t peers = 0;       // connections that are open, whatever they do
  std::size_t packaged = 0;    // streams for HLS
  std::size_t lingering = 0;   // publishers that lost their connection and are waited for
  std::map<std::string, protocol_count, std::less<>> protocols;
  std::vector<connection_facts> connections;  // empty unless asked for
  std::map<std::string, stream_entry> streams;
  net::listener_counters rtmp, http;
  std::uint64_t http_requests = 0;
  std::uint64_t bytes_in = 0, bytes_out = 0;   // of all connections, since the start
  std::uint64_t hand_over_lost = 0;            // frames that another shard was too slow for
};

// What is wanted of a snapshot beside the sums.
struct look_at {
  bool connections = false;  // every one: takes a while where there are thousands
  std::size_t seconds = 2;   // of each stream's history; the newest may not be over yet on every shard
};

// All shards at about the same moment.
struct snapshot {
  std::vector<shard_snapshot> shards;
  std::chrono::system_clock::time_point at;
  hook_counts hooks;
  memory_facts memory;
};

}  // namespace millrace::server
