#include "server/metrics.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <stdexcept>

#include "base/utf8.hpp"
#include "server/api_json.hpp"

namespace millrace::server {
namespace {

constexpr std::array all_metrics{
    metric{"millrace_info", "gauge", "Always 1; the version is a label."},
    metric{"millrace_start_time_seconds", "gauge", "When the server started, Unix time."},
    metric{"millrace_cpu_seconds_total", "counter", "CPU time of the process, user and system."},
    metric{"millrace_resident_memory_bytes", "gauge", "Resident memory of the process."},
    metric{"millrace_open_descriptors", "gauge", "File descriptors that are open."},
    metric{"millrace_max_descriptors", "gauge", "File descriptors that may be open (ulimit -n)."},
    metric{"millrace_viewers_left", "gauge", "Viewers that would fit beside those that are here, by CPU and descriptors; by descriptors alone while there is too little load to tell of the CPU."},
    metric{"millrace_shard_busy_ratio", "gauge", "Share of its core that a shard's thread used in the last second, 0 to 1."},
    metric{"millrace_shard_connections", "gauge", "Connections of a shard that are open."},
    metric{"millrace_gather_window_seconds", "gauge", "For how long a shard gathers frames before viewers get them; 0: they go out at once. This is the delay that load adds; publishers over TCP are read in the same rounds, so a frame waits for one round and not for two."},
    metric{"millrace_fan_out_rounds_total", "counter", "Times that a shard told its viewers of new frames."},
    metric{"millrace_shard_hand_over_lost_frames_total", "counter", "Frames that one shard did not get from another because it was too slow."},
    metric{"millrace_publishers", "gauge", "Publications, by protocol."},
    metric{"millrace_viewers", "gauge", "Viewers of what is live, by protocol. Of HLS: who took media in the last seconds, told apart by address and User-Agent."},
    metric{"millrace_recording_players", "gauge", "Players of recordings over RTMP, by protocol."},
    metric{"millrace_streams", "gauge", "Streams that somebody publishes."},
    metric{"millrace_hls_streams", "gauge", "Streams that are packaged for HLS because somebody asks for them; one that is asked for as fragmented MP4 and as MPEG-TS counts twice."},
    metric{"millrace_publishers_awaited", "gauge", "Publications whose publisher lost its connection and may come back (publish.resume_s)."},
    metric{"millrace_received_bytes_total", "counter", "Bytes received over all connections, inside of TLS and QUIC."},
    metric{"millrace_sent_bytes_total", "counter", "Bytes sent over all connections, inside of TLS and QUIC."},
    metric{"millrace_connections_accepted_total", "counter", "Connections whose handshake was completed, by protocol."},
    metric{"millrace_connections_refused_total", "counter", "Connections that were refused, by cause: first_byte, handshake, limit (descriptors, handshakes, connections of an address), rate (new ones of an address)."},
    metric{"millrace_memory_limit_bytes", "gauge", "limits.memory_bytes: beyond 7/8 of it nobody may publish or play anew, beyond it viewers that hold up memory are closed; 0: none."},
    metric{"millrace_memory_refused_total", "counter", "Publishers and players that were refused because memory is short."},
    metric{"millrace_memory_closed_total", "counter", "Viewers that were closed because memory was short."},
    metric{"millrace_http_requests_total", "counter", "HTTP requests that were answered."},
    metric{"millrace_hook_requests_total", "counter", "Questions and messages to HTTP hooks."},
    metric{"millrace_hook_refusals_total", "counter", "Questions to HTTP hooks that were answered with no."},
    metric{"millrace_hook_failures_total", "counter", "Requests to HTTP hooks that were not answered or not understood: a question is refused then, a message is lost."},
    metric{"millrace_quic_connections", "gauge", "QUIC connections that are open."},
    metric{"millrace_quic_half_open", "gauge", "QUIC connections in their handshake."},
    metric{"millrace_quic_datagrams_received_total", "counter", "UDP datagrams received."},
    metric{"millrace_quic_datagrams_sent_total", "counter", "UDP datagrams sent."},
    metric{"millrace_quic_retries_total", "counter", "Address validations asked for (Retry, RFC 9000 section 8.1.2)."},
    metric{"millrace_quic_path_changes_total", "counter", "Times that a peer over QUIC went on from another address."},
    metric{"millrace_quic_handshakes_dropped_total", "counter", "Datagrams of QUIC handshakes that were dropped because too many waited for the CPU."},
    metric{"millrace_quic_over_budget_total", "counter", "Peers over QUIC that were cut off because they sent too much that brought nothing."},
    metric{"millrace_events_total", "counter", "Events with a reason code; doc/guide/reasons.md explains each."},
    metric{"millrace_recordings_active", "gauge", "Streams that are being recorded."},
    metric{"millrace_recorded_bytes_total", "counter", "Bytes written into recordings."},
    metric{"millrace_recorded_files_total", "counter", "Files that were begun by recordings."},
    metric{"millrace_recording_failures_total", "counter", "Times that a recording could not go on: disk full, not writable, gone."},
    metric{"millrace_recording_lost_frames_total", "counter", "Frames that are in no file although their stream is recorded, by cause: disk_too_slow, disk_failed, until_key_frame, not_carried."},
    metric{"millrace_recording_queue_seconds", "gauge", "Age of the oldest frame that waits for the disk; near record.queue_s the disk is too slow."},
    metric{"millrace_recording_free_bytes", "gauge", "Room left where recordings go; absent without a directory."},
    metric{"millrace_stream_received_bytes_per_second", "gauge", "Media taken in by a stream in the last second."},
    metric{"millrace_stream_pictures_per_second", "gauge", "Pictures taken in by a stream in the last second."},
    metric{"millrace_stream_has_video", "gauge", "1 if the publication has brought video, however long ago; 0 if it is sound only so far."},
    metric{"millrace_stream_viewers", "gauge", "Viewers of a stream, over all protocols."},
    metric{"millrace_stream_backlog_seconds", "gauge", "How late a stream's media came by its own clock, against the best of the last half minute: queues at the publisher and on its link."},
    metric{"millrace_stream_viewer_delay_seconds", "gauge", "From a frame's arrival to its hand-over to the transport, the worst viewer of the last second."},
    metric{"millrace_stream_publisher_queue_seconds", "gauge", "Age of the oldest that the publisher's network has not taken, as millrace push and bridge say; 0 for others."},
    metric{"millrace_stream_publisher_rtt_seconds", "gauge", "Round-trip time of the publisher's connection."},
    metric{"millrace_stream_kept_bytes", "gauge", "Media that a stream keeps for viewers who come or are behind."},
};

class writer {
 public:
  // Every sample of a metric comes in one piece: call it once for each metric.
  void begin(std::string_view name) {
    const auto found = std::find_if(all_metrics.begin(), all_metrics.end(), [&](const metric& m) { return m.name == name; });
    if (found == all_metrics.end()) throw std::logic_error("no such metric");
    name_ = name;
    fmt::format_to(std::back_inserter(out_), "# HELP {} {}\n# TYPE {} {}\n", name, found->help, name, found->type);
  }
  template <class Value>
  void put(std::string_view labels, Value value) {
    if (labels.empty()) fmt::format_to(std::back_inserter(out_), "{} {}\n", name_, value);
    else fmt::format_to(std::back_inserter(out_), "{}{{{}}} {}\n", name_, labels, value);
  }
  template <class Value>
  void one(std::string_view name, Value value) {
    begin(name);
    put({}, value);
  }
  std::string take() { return fmt::to_string(out_); }

 private:
  std::string_view name_;
  fmt::memory_buffer out_;
};

// A label's value: UTF-8 with backslash, quote and line feed escaped.
std::string label(std::string_view name, std::string_view value) {
  std::string out(name);
  out += "=\"";
  for (const char c : base::valid_utf8(value)) {
    if (c == '\\' || c == '"') out += '\\';
    if (c == '\n') out += "\\n"; else out += c;
  }
  return out += '"';
}

// Streams that somebody publishes, with the shard entry that owns each and all viewers.
struct published {
  const stream_entry* entry = nullptr;
  std::size_t viewers = 0;
  stream_sample now;
};

std::map<std::string, published> published_streams(const snapshot& all) {
  std::map<std::string, published> out;
  for (const auto& shard : all.shards) {
    for (const auto& [name, entry] : shard.streams) {
      if (entry.owned) out[name].entry = &entry;
    }
  }
  for (auto& [name, one] : out) {
    for (const auto& shard : all.shards) {
      if (const auto found = shard.streams.find(name); found != shard.streams.end()) one.viewers += found->second.hub.viewers;
    }
    if (const auto newest = merged_history(all, name, 1); !newest.empty()) one.now = newest.back();
  }
  return out;
}

}  // namespace

std::span<const metric> metrics() { return all_metrics; }

std::string metrics_text(const snapshot& all, const process_facts& process, const capacity& left, const reason_log& reasons, const record::service_facts& recordings) {
  writer out;
  out.begin("millrace_info");
  out.put(label("version", MILLRACE_VERSION), 1);
  out.one("millrace_start_time_seconds", std::chrono::duration<double>(process.started.time_since_epoch()).count());
  out.one("millrace_cpu_seconds_total", process.cpu_seconds);
  out.one("millrace_resident_memory_bytes", process.resident_bytes);
  out.one("millrace_open_descriptors", process.descriptors_open);
  out.one("millrace_max_descriptors", process.descriptors_max);
  if (left.viewers_left) out.one("millrace_viewers_left", *left.viewers_left);

  const auto per_shard = [&](std::string_view name, auto value) {
    out.begin(name);
    for (const auto& s : all.shards) out.put(label("shard", std::to_string(s.index)), value(s));
  };
  per_shard("millrace_shard_busy_ratio", [](const shard_snapshot& s) { return s.busy; });
  per_shard("millrace_shard_connections", [](const shard_snapshot& s) { return s.peers; });
  per_shard("millrace_gather_window_seconds", [](const shard_snapshot& s) { return std::chrono::duration<double>(s.viewers.window).count(); });
  per_shard("millrace_fan_out_rounds_total", [](const shard_snapshot& s) { return s.viewers.rounds; });
  per_shard("millrace_shard_hand_over_lost_frames_total", [](const shard_snapshot& s) { return s.hand_over_lost; });

  std::map<std::string, protocol_count> protocols;
  net::listener_counters rtmp, http;
  std::uint64_t in = 0, sent = 0, requests = 0;
  std::size_t awaited = 0, packaged = 0;
  for (const auto& s : all.shards) {
    for (const auto& [protocol, count] : s.protocols) {
      protocols[protocol].publishers += count.publishers;
      protocols[protocol].viewers += count.viewers;
      protocols[protocol].recordings += count.recordings;
    }
    rtmp += s.rtmp;
    http += s.http;
    in += s.bytes_in;
    sent += s.bytes_out;
    requests += s.http_requests;
    awaited += s.lingering;
    packaged += s.packaged;
  }
  for (const auto* const name : {"rtmp", "rtmps", "rtmpq"}) protocols[name];  // there from the start, so that alerts can be written
  for (const auto* const name : {"http-flv", "hls"}) protocols[name];
  out.begin("millrace_publishers");
  for (const auto& [protocol, count] : protocols) {
    if (protocol.starts_with("rtmp")) out.put(label("protocol", protocol), count.publishers);
  }
  out.begin("millrace_viewers");
  for (const auto& [protocol, count] : protocols) out.put(label("protocol", protocol), count.viewers);
  out.begin("millrace_recording_players");
  for (const auto& [protocol, count] : protocols) {
    if (protocol.starts_with("rtmp")) out.put(label("protocol", protocol), count.recordings);
  }
  const auto streams = published_streams(all);
  out.one("millrace_streams", streams.size());
  out.one("millrace_hls_streams", packaged);
  out.one("millrace_publishers_awaited", awaited);
  out.one("millrace_received_bytes_total", in);
  out.one("millrace_sent_bytes_total", sent);
  out.begin("millrace_connections_accepted_total");
  out.put(label("protocol", "rtmp"), rtmp.accepted_tcp);
  out.put(label("protocol", "rtmps"), rtmp.accepted_tls);
  out.put(label("protocol", "rtmpq"), rtmp.accepted_quic);
  out.put(label("protocol", "http"), http.accepted_tcp);
  out.put(label("protocol", "https"), http.accepted_tls);
  out.begin("millrace_connections_refused_total");
  out.put(label("cause", "first_byte"), rtmp.refused_first_byte + http.refused_first_byte);
  out.put(label("cause", "handshake"), rtmp.refused_handshake + http.refused_handshake);
  out.put(label("cause", "limit"), rtmp.refused_limit + http.refused_limit);
  out.put(label("cause", "rate"), rtmp.refused_rate + http.refused_rate);
  out.one("millrace_memory_limit_bytes", all.memory.limit);
  out.one("millrace_memory_refused_total", all.memory.refused);
  out.one("millrace_memory_closed_total", all.memory.closed);
  out.one("millrace_http_requests_total", requests);
  out.one("millrace_hook_requests_total", all.hooks.asked);
  out.one("millrace_hook_refusals_total", all.hooks.refused);
  out.one("millrace_hook_failures_total", all.hooks.failed);
  out.one("millrace_quic_connections", rtmp.quic.connections);
  out.one("millrace_quic_half_open", rtmp.quic.half_open);
  out.one("millrace_quic_datagrams_received_total", rtmp.quic.datagrams_received);
  out.one("millrace_quic_datagrams_sent_total", rtmp.quic.datagrams_sent);
  out.one("millrace_quic_retries_total", rtmp.quic.retries_sent);
  out.one("millrace_quic_path_changes_total", rtmp.quic.path_changes);
  out.one("millrace_quic_handshakes_dropped_total", rtmp.quic.handshakes_dropped);
  out.one("millrace_quic_over_budget_total", rtmp.quic.over_budget);

  out.begin("millrace_events_total");
  const auto counts = reasons.counts();
  for (std::size_t i = 0; i < counts.size(); ++i) out.put(label("reason", code(static_cast<reason>(i))), counts[i]);

  out.one("millrace_recordings_active", recordings.active.size());
  out.one("millrace_recorded_bytes_total", recordings.bytes);
  out.one("millrace_recorded_files_total", recordings.files);
  out.one("millrace_recording_failures_total", recordings.failures);
  out.begin("millrace_recording_lost_frames_total");
  for (std::size_t i = 0; i < recordings.lost.size(); ++i) out.put(label("cause", record::name(static_cast<record::loss>(i))), recordings.lost[i]);
  base::duration queue{0};
  for (const auto& one : recordings.active) queue = std::max(queue, one.queue_age);
  out.one("millrace_recording_queue_seconds", std::chrono::duration<double>(queue).count());
  if (recordings.room) out.one("millrace_recording_free_bytes", recordings.room->free);

  const auto per_stream = [&](std::string_view name, auto value) {
    if (streams.empty()) return;
    out.begin(name);
    for (const auto& [stream, one] : streams) out.put(label("stream", stream), value(one));
  };
  per_stream("millrace_stream_received_bytes_per_second", [](const published& p) { return p.now.kbps * 125; });
  per_stream("millrace_stream_pictures_per_second", [](const published& p) { return p.now.fps; });
  per_stream("millrace_stream_has_video", [](const published& p) { return p.entry->hub.video_codec.empty() ? 0 : 1; });
  per_stream("millrace_stream_viewers", [](const published& p) { return p.viewers; });
  per_stream("millrace_stream_backlog_seconds", [](const published& p) { return p.now.backlog_ms / 1000; });
  per_stream("millrace_stream_viewer_delay_seconds", [](const published& p) { return p.now.viewer_delay_ms / 1000; });
  per_stream("millrace_stream_publisher_queue_seconds", [](const published& p) { return p.now.publisher_queue_ms / 1000; });
  per_stream("millrace_stream_publisher_rtt_seconds", [](const published& p) { return p.now.rtt_ms / 1000; });
  per_stream("millrace_stream_kept_bytes", [](const published& p) { return p.entry->hub.ring_bytes; });
  return out.take();
}

}  // namespace millrace::server
