#include "rtmp/group_receiver.hpp"

#include <algorithm>
#include <string>

#include "rtmp/flows.hpp"

namespace millrace::rtmp {
namespace {

constexpr std::uint64_t stream_step = 4;  // RFC 9000 section 2.1: the two low bits are the kind of a stream

std::optional<media::frame_kind> kind_of(message_type type) {
  switch (type) {
    case message_type::audio: return media::frame_kind::audio;
    case message_type::video: return media::frame_kind::video;
    case message_type::data_amf0:
    case message_type::data_amf3: return media::frame_kind::data;
    default: return std::nullopt;  // an aggregate as well: it would mix the flows
  }
}

std::size_t cost_of(const message& m) { return m.payload.size() + group_receiver::message_cost; }

base::error protocol_error(std::string text) { return {base::error_kind::protocol, std::move(text)}; }

}  // namespace

std::int64_t group_receiver::stream_of(std::uint64_t index) const {
  return static_cast<std::int64_t>(config_.first_stream + stream_step * index);
}

std::chrono::milliseconds group_receiver::patience() const {
  return config_.hold ? std::min(*config_.hold, config_.age_max) : config_.age_max;
}

// Every message that is held belongs to a group that may not begin yet, and the first of a group is its oldest.
std::optional<group_receiver::waiting> group_receiver::longest_waiting() const {
  std::optional<waiting> out;
  for (const auto& [index, g] : groups_) {
    if (!g.messages.empty() && (!out || g.messages.front().arrival < out->since)) out = waiting{index, g.messages.front().arrival};
  }
  return out;
}

// Only ever moves up, since a flow once known stays known: all calls together are linear in the number of streams.
std::uint64_t group_receiver::first_unknown() {
  while (first_unknown_ < top_) {
    first_unknown_ = done_.next_missing(first_unknown_);
    const auto found = groups_.find(first_unknown_);
    if (found == groups_.end() || !found->second.of) break;
    ++first_unknown_;
  }
  return first_unknown_;
}

void group_receiver::set_hold(std::chrono::milliseconds hold) {
  if (config_.hold) config_.hold = hold;
}

void group_receiver::forget(std::uint32_t msid) {
  for (const auto kind : {media::frame_kind::audio, media::frame_kind::video, media::frame_kind::data}) {
    if (const auto found = flows_.find(flow_of(msid, kind)); found != flows_.end()) found->second.configs = configs_in_effect(kind);
  }
}

base::result<void> group_receiver::fail(base::error e) {
  failed_ = std::move(e);
  return *failed_;
}

base::result<void> group_receiver::receive(base::instant now, std::int64_t stream, base::bytes_view bytes, bool fin) {
  if (failed_) return *failed_;
  const auto index = index_of(stream);
  if (!index) return fail(index.error());
  if (done_.contains(*index)) {
    if (!fin) stops_.insert(*index);
    return settle(now);
  }
  if (auto done = read(now, *index, bytes, fin); !done) return fail(done.error().within("group stream " + std::to_string(stream)));
  return settle(now);
}

base::result<void> group_receiver::on_reset(base::instant now, std::int64_t stream) {
  if (failed_) return *failed_;
  const auto index = index_of(stream);
  if (!index) return fail(index.error());
  const auto found = groups_.find(*index);
  if (!done_.contains(*index) && (found == groups_.end() || !found->second.ended)) {
    ++counters_.resets;
    end(*index);
  }
  return settle(now);
}

base::result<void> group_receiver::on_timer(base::instant now) {
  if (failed_) return *failed_;
  return settle(now);
}

// All lower streams exist from now on as well (live profile, "Order across the streams of one flow"; RFC 9000 section 3.2).
base::result<std::uint64_t> group_receiver::index_of(std::int64_t stream) {
  const auto id = static_cast<std::uint64_t>(stream);
  if (stream < 0 || id < config_.first_stream || (id - config_.first_stream) % stream_step != 0) {
    return protocol_error("stream " + std::to_string(stream) + " is no group stream");
  }
  const auto index = (id - config_.first_stream) / stream_step;
  if (index < top_) return index;
  if (index + 1 - done_.count() > config_.streams_max) {
    return base::error{base::error_kind::limit, "group stream " + std::to_string(stream) + ": more than " +
                                                    std::to_string(config_.streams_max) + " group streams that are not over"};
  }
  top_ = index + 1;
  return index;
}

base::result<void> group_receiver::read(base::instant now, std::uint64_t index, base::bytes_view bytes, bool fin) {
  auto& g = groups_.try_emplace(index, config_.limits).first->second;
  if (g.ended) return {};
  held_ -= g.reader.partial_bytes();
  while (true) {
    auto next = g.reader.next(bytes);
    if (!next) return next.error();
    const auto flow_id = *next ? std::optional((*next)->flow) : g.reader.flow();
    if (flow_id) {
      if (auto joined = join_flow(index, g, *flow_id); !joined) return joined;
    }
    if (!*next) break;
    auto& m = (*next)->message;
    const auto kind = kind_of(m.type);
    if (!kind || flow_of(m.msid, *kind) != g.flow_id) {
      return protocol_error("flow " + std::to_string(g.flow_id) + " is not for type " + std::to_string(static_cast<unsigned>(m.type)) +
                            " of message stream " + std::to_string(m.msid));
    }
    held_ += cost_of(m);
    g.messages.push_back({now, std::move(m)});
  }
  held_ += g.reader.partial_bytes();
  if (!fin) return {};
  if (!g.reader.between_frames()) return protocol_error("ends inside a frame");
  end(index);
  return {};
}

base::result<void> group_receiver::join_flow(std::uint64_t index, group& g, std::uint64_t id) {
  if (g.of && g.flow_id == id) return {};
  if (g.of) return protocol_error("flow " + std::to_string(id) + " on the stream of flow " + std::to_string(g.flow_id));
  if (id % 4 == 0) return protocol_error("flow " + std::to_string(id) + " has no group streams");
  auto found = flows_.find(id);
  if (found == flows_.end()) {
    const auto flows_max = 3 * config_.limits->message_streams;
    if (flows_.size() >= flows_max) {
      return base::error{base::error_kind::limit, "flow " + std::to_string(id) + ": more than " + std::to_string(flows_max) + " flows"};
    }
    const auto kind = id % 4 == 1 ? media::frame_kind::audio : id % 4 == 2 ? media::frame_kind::video : media::frame_kind::data;
    found = flows_.try_emplace(id, kind).first;
  }
  g.flow_id = id;
  g.of = &found->second;
  g.of->groups.insert(index);
  return {};
}

void group_receiver::release() {
  for (auto& [id, f] : flows_) release(f);
}

void group_receiver::release(flow& f) {
  while (!f.groups.empty()) {
    const auto index = *f.groups.begin();
    auto& g = groups_.at(index);
    if (!g.begun && first_unknown() < index) return;
    g.begun = true;
    for (; !g.messages.empty(); g.messages.pop_front()) {
      held_ -= cost_of(g.messages.front().m);
      pass(g, std::move(g.messages.front().m));
    }
    if (!g.ended) return;
    finish(index);
  }
}

std::size_t group_receiver::config_bytes() const {
  std::size_t sum = 0;
  for (const auto& [id, f] : flows_) sum += f.configs.bytes();
  return sum;
}

// The sender puts the configurations in effect at the head of a group (live profile, "Group streams"), which its publisher did not.
void group_receiver::pass(group& g, message m) {
  auto& configs = g.of->configs;
  if (!configs.is_config(m.payload)) {
    g.at_head = false;
  } else if (g.at_head && configs.holds(m.payload)) {
    ++counters_.configs_swallowed;
    return;
  } else {
    const auto others = config_bytes() - configs.bytes();
    configs.put(m.payload, config_.config_bytes_max - std::min(others, config_.config_bytes_max));
  }
  released_.push_back(std::move(m));
}

// Nothing more comes of the stream, or is wanted.
void group_receiver::end(std::uint64_t index) {
  const auto found = groups_.find(index);
  if (found == groups_.end()) return finish(index);
  auto& g = found->second;
  if (!g.reader.between_frames()) ++counters_.messages_cut;
  held_ -= g.reader.partial_bytes();
  g.reader = roqr_reader(config_.limits);
  g.ended = true;
  if (g.messages.empty()) finish(index);
}

void group_receiver::finish(std::uint64_t index) {
  if (const auto found = groups_.find(index); found != groups_.end()) {
    if (found->second.of) found->second.of->groups.erase(index);
    groups_.erase(found);
  }
  done_.add(index);
}

void group_receiver::give_up(std::uint64_t index, group_skip why) {
  ++counters_.skipped[static_cast<std::size_t>(why)];
  stops_.insert(index);
  end(index);
}

// Whatever keeps the group from beginning is over now. What came whole of it is still released, and first.
void group_receiver::skip_before(std::uint64_t index, group_skip why) {
  for (auto unknown = first_unknown(); unknown < index; unknown = first_unknown()) give_up(unknown, why);
  auto& same = groups_.at(index).of->groups;
  for (auto at = same.begin(); at != same.end() && *at < index;) {
    const auto lower = *at++;  // giving up may erase it
    if (!groups_.at(lower).ended) give_up(lower, why);
  }
}

base::result<void> group_receiver::settle(base::instant now) {
  release();
  if (auto done = hold_bounds(now); !done) return fail(done.error());
  return {};
}

base::result<void> group_receiver::hold_bounds(base::instant now) {
  for (auto oldest = longest_waiting(); oldest && now - oldest->since >= patience(); oldest = longest_waiting()) {
    if (!config_.hold) {
      const auto stream = std::to_string(stream_of(oldest->index)), limit = std::to_string(config_.age_max.count());
      return base::error{base::error_kind::limit, "group stream " + stream + ": waits for an earlier one > limit " + limit + " ms"};
    }
    skip_before(oldest->index, *config_.hold <= config_.age_max ? group_skip::hold : group_skip::age);
    release();
  }
  while (held_ > config_.bytes_max) {
    if (!config_.hold) {
      return base::error{base::error_kind::limit, "group streams: " + std::to_string(held_) + " bytes held > limit " +
                                                      std::to_string(config_.bytes_max)};
    }
    if (!skip_for_bytes()) break;  // what is left is at most half a header per stream
    release();
  }
  return {};
}

// The flow that holds most goes on with the next group that has a message. If none has, its half-read message is what is too large.
bool group_receiver::skip_for_bytes() {
  std::size_t most = 0;
  const flow* fullest = nullptr;
  for (const auto& [id, f] : flows_) {
    std::size_t bytes = 0;
    for (const auto index : f.groups) {
      const auto& g = groups_.at(index);
      bytes += g.reader.partial_bytes();
      for (const auto& one : g.messages) bytes += cost_of(one.m);
    }
    if (bytes > most) most = bytes, fullest = &f;
  }
  if (!fullest) return false;
  for (const auto index : fullest->groups) {
    if (groups_.at(index).messages.empty()) continue;
    skip_before(index, group_skip::bytes);
    return true;
  }
  give_up(*fullest->groups.begin(), group_skip::bytes);
  return true;
}

std::optional<message> group_receiver::poll_message() {
  if (released_.empty()) return std::nullopt;
  auto m = std::move(released_.front());
  released_.pop_front();
  return m;
}

std::optional<stream_stop> group_receiver::poll_stop() {
  if (stops_.empty()) return std::nullopt;
  const auto index = *stops_.begin();
  stops_.erase(stops_.begin());
  return stream_stop{stream_of(index), roqr_error::frame_cancelled};
}

std::optional<base::instant> group_receiver::poll_timeout() const {
  const auto oldest = longest_waiting();
  if (failed_ || !oldest) return std::nullopt;
  return oldest->since + patience();
}

}  // namespace millrace::rtmp
