#include "server/api_json.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cmath>

#include "base/utf8.hpp"

namespace millrace::server {
namespace json = boost::json;

namespace {

// JSON knows no float: without this 0.1f becomes 0.10000000149011612.
double tidy(float value) { return std::round(static_cast<double>(value) * 10) / 10; }
double ms(std::chrono::microseconds t) { return static_cast<double>(t.count()) / 1000; }

template <class T>
void put(json::object& into, const char* name, const std::optional<T>& value) {
  if (value) into[name] = *value;
}

json::object frames_json(const hub::cursor_stats& frames) {
  json::object lost;
  for (std::size_t i = 0; i < frames.lost.size(); ++i) {
    if (frames.lost[i] > 0) lost[hub::name(static_cast<hub::loss>(i))] = frames.lost[i];
  }
  return {{"delivered", frames.delivered}, {"jumps", frames.jumps}, {"lost", std::move(lost)}};
}

json::object transport_json(const net::transport_facts& t) {
  json::object out{{"kind", net::name(t.kind)}, {"local", t.local}, {"remote", t.remote}, {"bytes_sent", t.bytes_sent}, {"bytes_received", t.bytes_received}};
  if (!t.alpn.empty()) out["alpn"] = t.alpn;
  if (!t.tls.empty()) out["tls"] = t.tls;
  if (!t.congestion_control.empty()) out["congestion_control"] = t.congestion_control;
  if (t.rtt) out["rtt_ms"] = ms(*t.rtt);
  if (t.rtt_min) out["rtt_min_ms"] = ms(*t.rtt_min);
  put(out, "packets_sent", t.packets_sent);
  put(out, "packets_lost", t.packets_lost);
  put(out, "congestion_window_bytes", t.congestion_window);
  put(out, "repeats_sent", t.repeats_sent);
  put(out, "repeats_useful", t.repeats_useful);
  if (t.kind == net::transport_kind::quic) out["path_changes"] = t.path_changes;
  return out;
}

}  // namespace

std::string rfc3339(std::chrono::system_clock::time_point at) {
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(at.time_since_epoch()).count();
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(static_cast<std::time_t>(ms / 1000)), ms % 1000);
}

json::object to_json(const connection_facts& c) {
  json::array publishes, plays;
  for (const auto& name : c.publishes) publishes.emplace_back(base::valid_utf8(name));
  for (const auto& p : c.plays) plays.push_back(json::object{{"stream", base::valid_utf8(p.stream)}, {"delay_ms", p.delay.count()}, {"frames", frames_json(p.frames)}});
  json::object out{{"id", c.id}, {"shard", c.shard}, {"protocol", c.protocol}, {"since", rfc3339(c.since)},
                   {"transport", transport_json(c.transport)}, {"queued_bytes", c.queued_bytes}, {"queued_age_ms", c.queued_age.count()},
                   {"publishes", std::move(publishes)}, {"plays", std::move(plays)}};
  if (c.publisher_queue) out["publisher_queue_ms"] = c.publisher_queue->count();
  if (!c.recordings.empty()) {
    json::array recordings;
    for (const auto& r : c.recordings) recordings.push_back(json::object{{"id", r.recording}, {"stream", base::valid_utf8(r.stream)}, {"position_ms", r.position.count()}});
    out["recordings"] = std::move(recordings);
  }
  if (!c.fell_back.empty()) out["fell_back"] = base::valid_utf8(c.fell_back);
  if (!c.framing.empty()) out["framing"] = c.framing;
  if (!c.agent.empty()) out["agent"] = base::valid_utf8(c.agent);
  return out;
}

json::object to_json(const reason_event& e) {
  json::object out{{"number", e.number}, {"at", rfc3339(e.at)}, {"reason", code(e.why)}, {"connection", e.connection}, {"remote", e.remote}};
  if (!e.detail.empty()) out["detail"] = e.detail;
  return out;
}

json::object to_json(const stream_sample& s) {
  return {{"at", s.at}, {"kbps", tidy(s.kbps)}, {"fps", tidy(s.fps)}, {"backlog_ms", tidy(s.backlog_ms)}, {"publisher_queue_ms", tidy(s.publisher_queue_ms)}, {"rtt_ms", tidy(s.rtt_ms)},
          {"loss_per_cent", tidy(s.loss_per_cent)}, {"viewers", std::lround(s.viewers)}, {"viewer_delay_ms", tidy(s.viewer_delay_ms)}, {"queue_ms", tidy(s.queue_ms)}};
}

json::object to_json(const hub::frame_facts& f) {
  json::object out{{"kind", f.kind == media::frame_kind::video ? "video" : f.kind == media::frame_kind::audio ? "audio" : "data"},
                   {"dts_ms", f.dts_ms}, {"bytes", f.bytes}};
  if (f.key) out["key"] = true;
  if (f.disposable) out["disposable"] = true;
  if (f.config) out["config"] = true;
  return out;
}

namespace {

// Shards end their seconds at different moments. The newest second that is whole is the newest one that all of them have which still sample the stream.
std::int64_t whole_until(const snapshot& all, const std::string& name) {
  std::optional<std::int64_t> owner;
  std::vector<std::int64_t> newest;
  for (const auto& shard : all.shards) {
    const auto found = shard.streams.find(name);
    if (found == shard.streams.end() || found->second.seconds.empty()) continue;
    newest.push_back(found->second.seconds.back().at);
    if (found->second.owned) owner = std::max(owner.value_or(newest.back()), newest.back());
  }
  if (newest.empty()) return 0;
  const auto now = owner.value_or(*std::max_element(newest.begin(), newest.end()));
  std::erase_if(newest, [now](std::int64_t at) { return at < now - 1; });
  return *std::min_element(newest.begin(), newest.end());
}

}  // namespace

std::vector<stream_sample> merged_history(const snapshot& all, const std::string& name, std::size_t seconds) {
  std::map<std::int64_t, stream_sample> merged;
  const auto last = whole_until(all, name);
  for (const auto& shard : all.shards) {
    const auto found = shard.streams.find(name);
    if (found == shard.streams.end()) continue;
    const auto& theirs = found->second;
    for (const auto& one : theirs.seconds) {
      if (one.at > last) continue;
      auto& into = merged[one.at];
      into.at = one.at;
      // A shard that only passes the stream on counts the same media again.
      into.kbps = std::max(into.kbps, one.kbps);
      into.fps = std::max(into.fps, one.fps);
      into.backlog_ms = std::max(into.backlog_ms, one.backlog_ms);
      into.publisher_queue_ms = std::max(into.publisher_queue_ms, one.publisher_queue_ms);
      into.rtt_ms = std::max(into.rtt_ms, one.rtt_ms);
      into.loss_per_cent = std::max(into.loss_per_cent, one.loss_per_cent);
      into.viewers += one.viewers;
      into.viewer_delay_ms = std::max(into.viewer_delay_ms, one.viewer_delay_ms);
      into.queue_ms = std::max(into.queue_ms, one.queue_ms);
    }
  }
  std::vector<stream_sample> out;
  for (const auto& [at, one] : merged) out.push_back(one);
  if (out.size() > seconds) out.erase(out.begin(), out.end() - static_cast<std::ptrdiff_t>(seconds));
  return out;
}

json::value stream_json(const snapshot& all, const std::string& name) {
  const stream_entry* best = nullptr;
  std::size_t viewers = 0;
  bool published = false;
  for (const auto& shard : all.shards) {
    const auto found = shard.streams.find(name);
    if (found == shard.streams.end()) continue;
    viewers += found->second.hub.viewers;
    published = published || found->second.owned;
    if (best == nullptr || (found->second.owned && !best->owned) || (found->second.owned == best->owned && found->second.hub.frames > best->hub.frames)) best = &found->second;
  }
  if (best == nullptr) return nullptr;
  const auto& hub = best->hub;
  json::object out{{"name", base::valid_utf8(name)}, {"published", published}, {"viewers", viewers}, {"frames", hub.frames},
                   {"pictures", hub.pictures}, {"bytes", hub.bytes}, {"kept_frames", hub.ring_frames}, {"kept_bytes", hub.ring_bytes}, {"malformed", hub.malformed}};
  if (published && best->since) out["since"] = rfc3339(*best->since);
  if (!hub.video_codec.empty()) out["video_codec"] = base::valid_utf8(hub.video_codec);
  if (!hub.audio_codec.empty()) out["audio_codec"] = base::valid_utf8(hub.audio_codec);
  if (!hub.malformed_text.empty()) out["malformed_text"] = base::valid_utf8(hub.malformed_text);
  // Of the newest whole second.
  if (const auto newest = merged_history(all, name, 1); published && !newest.empty()) out["now"] = to_json(newest.back());
  return out;
}

json::array streams_json(const snapshot& all) {
  std::map<std::string, bool> names;
  for (const auto& shard : all.shards) {
    for (const auto& [name, entry] : shard.streams) names[name] = names[name] || entry.owned || entry.hub.viewers > 0;
  }
  json::array out;
  for (const auto& [name, live] : names) {
    if (live) out.push_back(stream_json(all, name));
  }
  return out;
}

json::object server_json(const snapshot& all, const process_facts& process, const capacity& left) {
  json::array shards;
  std::uint64_t in = 0, sent = 0, requests = 0;
  json::object protocols;
  std::map<std::string, protocol_count> counts;
  for (const auto& s : all.shards) {
    shards.push_back(json::object{{"index", s.index}, {"busy", std::round(s.busy * 1000) / 1000}, {"peers", s.peers}, {"streams", s.streams.size()},
                                  {"gather_window_ms", std::chrono::duration<double, std::milli>(s.viewers.window).count()}, {"rounds", s.viewers.rounds}});
    in += s.bytes_in;
    sent += s.bytes_out;
    requests += s.http_requests;
    for (const auto& [protocol, count] : s.protocols) {
      counts[protocol].publishers += count.publishers;
      counts[protocol].viewers += count.viewers;
      counts[protocol].recordings += count.recordings;
    }
  }
  for (const auto& [protocol, count] : counts) protocols[protocol] = json::object{{"publishers", count.publishers}, {"viewers", count.viewers}, {"recordings", count.recordings}};
  json::object room{{"busiest_shard", std::round(left.busiest_shard * 1000) / 1000}, {"bound_by", left.bound_by.empty() ? "too little load to tell" : left.bound_by}};
  if (left.viewers_left) room["viewers_left"] = *left.viewers_left;
  return {{"name", "millrace"}, {"version", MILLRACE_VERSION}, {"started", rfc3339(process.started)}, {"now", rfc3339(all.at)},
          {"cpu_seconds", process.cpu_seconds}, {"resident_bytes", process.resident_bytes},
          {"descriptors_open", process.descriptors_open}, {"descriptors_max", process.descriptors_max},
          {"bytes_in", in}, {"bytes_out", sent}, {"http_requests", requests},
          {"protocols", std::move(protocols)}, {"capacity", std::move(room)}, {"shards", std::move(shards)}};
}

json::array reasons_json(const reason_log& log) {
  json::array out;
  const auto counts = log.counts();
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const auto r = static_cast<reason>(i);
    out.push_back(json::object{{"reason", code(r)}, {"sentence", sentence(r)}, {"count", counts[i]}});
  }
  return out;
}

}  // namespace millrace::server
