// server_session between a peer and its driver, by operations: commands in any order and wrong ones, media on streams of its own, resets and ends of these,
// time; and a driver that answers late, refuses, sends, ends, asks to reconnect. Both framings, the live profile.
#include <algorithm>
#include <optional>

#include "rtmp/handshake.hpp"
#include "rtmp/wire_image.hpp"
#include "session_moves.hpp"

namespace {

using namespace millrace;
using namespace std::chrono_literals;
using fuzz::operations;
using fuzz::require;

const base::instant start = base::instant{} + 1h;
const rtmp::status no{"error", "NetStream.Failed", "no"};

rtmp::server_config config_of(operations& in) {
  rtmp::server_config c;
  const auto how = in(8);
  c.framing = how & 1 ? rtmp::framing_kind::roqr : rtmp::framing_kind::chunks;
  c.groups = (how & 2) == 0;
  c.recordings = (how & 4) != 0;
  return c;
}

class run {
 public:
  explicit run(operations& in) : in_(in), config_(config_of(in)), session_(config_, start, 1) {}

  void all() {
    if (config_.framing == rtmp::framing_kind::chunks) shake_hands();
    if (in_.chance()) connect();
    drain();
    while (in_.more() && !over_) {
      if (in_.chance()) peer(); else driver();
      drain();
    }
    session_.on_transport_closed({base::error_kind::closed, "end"});
    drain();
    require(over_ && session_.is_closed() && !session_.poll_timeout() && !asked_);
    if (auto* groups = session_.groups()) {
      pull_.finish(now_, *groups);
      session_.on_groups_flushed(now_);
    }
    session_.release_behind_media();
    require(session_.waiting_behind_media() == 0);
    session_.receive(now_, garbage);
    session_.receive_stream(now_, 2, garbage, true);
    session_.on_timer(now_ + 1h);
    require(!session_.poll_event());
  }

 private:
  enum class use { publish_asked, publishing, play_asked, playing };
  
  void shake_hands() {
    rtmp::client_handshake shake(2, false);
    while (!shake.done()) {
      session_.receive(start, shake.poll_output());
      require(shake.receive(start, session_.poll_output().flatten()).has_value());
    }
    session_.receive(start, shake.poll_output());
  }

  // --- the peer
  void peer() {
    switch (in_(14)) {
      case 0: return session_.receive(now_, in_.some(200));
      case 1: return on_side(in_.some(100));
      case 2: return session_.on_stream_reset(now_, stream());
      case 3: return send(fuzz::control_of(in_));
      case 4:
      case 5:
      case 6: {
        const auto m = fuzz::media_of(in_);
        if (config_.framing == rtmp::framing_kind::chunks || in_.chance()) return send(m);
        const auto kind = m.type == rtmp::message_type::audio ? media::frame_kind::audio
                          : m.type == rtmp::message_type::video ? media::frame_kind::video : media::frame_kind::data;
        return on_side(rtmp::encode_roqr(rtmp::flow_of(m.msid, kind), m).flatten());
      }
      case 7: return connect();
      case 8: return send(rtmp::make_command(0, "createStream", 4, rtmp::amf0::null{}));
      case 9: return send(rtmp::make_command(msid(), in_.chance() ? "publish" : "play", 5, rtmp::amf0::null{}, {name(), in_.chance() ? fuzz::any_value(in_) : "live"}));
      case 10: return send(rtmp::make_command(0, in_.chance() ? "deleteStream" : "FCUnpublish", 0, rtmp::amf0::null{}, {in_.chance() ? rtmp::amf0::value(msid()) : rtmp::amf0::value(name())}));
      default: {
        const auto command = fuzz::one_of<18>(in_, {"connect", "createStream", "publish", "play", "play2", "pause", "seek", "receiveAudio", "receiveVideo", "closeStream",
                                                    "deleteStream", "releaseStream", "FCPublish", "FCUnpublish", "getStreamLength", "_checkbw", "millraceReport", "x"});
        return send(rtmp::make_command(msid(), command, static_cast<double>(in_(8)), fuzz::any_value(in_), {fuzz::any_value(in_), fuzz::any_value(in_)}));
      }
    }
  }
  std::uint32_t msid() { return static_cast<std::uint32_t>(in_(4)); }
  std::string name() { return fuzz::one_of<4>(in_, {"a", "b?key=1", "", "a/../b"}); }
  std::int64_t stream() { return static_cast<std::int64_t>(in_(32)); }
  void connect() {
    rtmp::amf0::object o;
    o.members = {{"app", "live"}, {"tcUrl", "rtmp://host/live"}};
    if (in_.chance()) rtmp::append_capabilities(o.members, rtmp::own_capabilities(), true);
    rtmp::append_extension(o.members, {.announced = in_.chance(), .groups = in_.chance(), .reliable = in_.chance(), .fell_back = in_.text(5), .resume = in_.text(5)});
    if (in_(4) == 0) o.members.push_back({in_.text(12), fuzz::any_value(in_)});
    send(rtmp::make_command(0, "connect", 1, o));
  }
  void on_side(base::bytes_view bytes) {
    const auto where = stream();
    session_.receive_stream(now_, where, bytes, in_.chance());
  }
  void send(const rtmp::message& m) {
    const auto bytes = fuzz::written(config_.framing, m, 128);
    base::bytes_view left = bytes;
    if (in_(4) == 0) {
      const auto cut = in_(256);
      session_.receive(now_, left.first(std::min(cut, left.size())));
      left = left.subspan(std::min(cut, left.size()));
    }
    session_.receive(now_, left);
  }

  // --- the driver
  void driver() {
    const auto at = msid();
    switch (in_(16)) {
      case 0:
        now_ += std::chrono::milliseconds(in_(256) * (in_.chance() ? 200 : 1));
        return session_.on_timer(now_);
      case 1: return session_.request_reconnect(in_.text(20), "away") ? require(session_.peer().reconnect() || !session_.connected()) : void();
      case 2: return session_.notify_unpublish(at);
      case 3: return session_.notify_publish(at);
      case 4: return session_.notify_play(at, no);
      case 5: return session_.end_play(at, no), forget(at, use::playing);
      case 6: return session_.end_publish(at, no), forget(at, use::publishing);
      case 7: return session_.finish_seek(at, in_.chance() ? base::result<std::int64_t>(7) : base::error{base::error_kind::usage, "no"});
      case 8: return session_.complete_play(at), forget(at, use::playing);
      case 9:
        if (auto* groups = session_.groups()) pull_(in_, now_, *groups);
        return session_.on_groups_flushed(now_);
      case 10: return session_.set_round_trip(std::chrono::microseconds(in_.number(3)));
      case 11:
      case 12: {
        const auto f = fuzz::any_frame(in_, now_);
        const auto wire = in_.chance() ? std::make_shared<const base::send_chain>(rtmp::encode_wire(f, rtmp::wire_msid, session_.media_format())) : nullptr;
        return session_.send(now_, at, f, wire);
      }
      case 13:
        if (in_(8) == 0) session_.close({base::error_kind::closed, "enough"});
        return;
      default: return decide();
    }
  }
  // What the driver ends itself is not told to it again.
  void forget(std::uint32_t which, use was) {
    std::erase_if(now_used_, [which, was](const auto& each) { return each.first == which && each.second == was; });
  }

  // Answers what waits, one way or the other; commands that come meanwhile wait as well.
  void decide() {
    if (connect_asked_) {
      connect_asked_ = false;
      if (in_(8) != 0) return session_.accept_connect();
      return session_.reject_connect(no, in_.text(10));
    }
    if (!asked_) return;
    auto found = std::find_if(now_used_.begin(), now_used_.end(), [this](const auto& each) { return each.first == *asked_; });
    require(found != now_used_.end());
    asked_.reset();
    const bool publish = found->second == use::publish_asked;
    const auto which = found->first;
    const bool refuse = in_(4) == 0;
    if (refuse) now_used_.erase(found); else found->second = publish ? use::publishing : use::playing;
    if (publish) return refuse ? session_.reject_publish(which, no) : session_.accept_publish(which, in_.text(4));
    if (refuse) return session_.reject_play(which, no);
    in_.chance() ? session_.accept_play(which) : session_.accept_play_recorded(which);
  }

  void drain() {
    while (auto event = session_.poll_event()) {
      require(!over_);
      std::visit([this](const auto& e) { happened(e); }, *event);
    }
    require(over_ == session_.is_closed());
    if (auto* groups = session_.groups()) pull_.resets(*groups);
    session_.poll_output();
    while (const auto stop = session_.poll_stop()) require(config_.framing == rtmp::framing_kind::roqr);
    require(config_.framing == rtmp::framing_kind::roqr || (!session_.groups() && !session_.group_reception() && !session_.wants_pull()));
    if (const auto* held = session_.group_reception()) require(held->bytes_held() <= (16u << 20) + 41 * 256);
  }

  [[nodiscard]] std::optional<use> use_of(std::uint32_t id) const {
    const auto found = std::find_if(now_used_.begin(), now_used_.end(), [id](const auto& each) { return each.first == id; });
    return found == now_used_.end() ? std::nullopt : std::optional(found->second);
  }
  void ask(std::uint32_t id, use what) {
    require(session_.connected() && !asked_ && !use_of(id));
    now_used_.emplace_back(id, what);
    asked_ = id;
  }
  void end(std::uint32_t id, use asked, use active) {
    const auto was = use_of(id);
    require(was == asked || was == active);
    if (asked_ == id) asked_.reset();
    std::erase_if(now_used_, [id](const auto& each) { return each.first == id; });
  }

  void happened(const rtmp::connect_requested&) {
    require(!connect_asked_ && !session_.connected());
    connect_asked_ = true;
  }
  void happened(const rtmp::publish_requested& e) {
    require(!e.name.empty());
    ask(e.msid, use::publish_asked);
  }
  void happened(const rtmp::play_requested& e) {
    require(!e.name.empty());
    ask(e.msid, use::play_asked);
  }
  void happened(const rtmp::publish_ended& e) { end(e.msid, use::publish_asked, use::publishing); }
  void happened(const rtmp::play_ended& e) { end(e.msid, use::play_asked, use::playing); }
  void happened(const rtmp::pause_requested& e) { require(use_of(e.msid) == use::playing); }
  void happened(const rtmp::seek_requested& e) { require(use_of(e.msid) == use::playing && e.to_ms >= 0); }
  void happened(const rtmp::length_requested& e) {
    require(config_.recordings && !e.name.empty());
    session_.tell_length(e.transaction, in_.chance() ? 0 : 12.5);
  }
  void happened(const rtmp::publisher_reported& e) { require(e.report.queue_age >= 0ms); }
  void happened(const rtmp::receive_changed& e) { require(use_of(e.msid) == use::playing); }
  void happened(const rtmp::noticed& e) { require(!e.text.empty()); }
  void happened(const rtmp::frame_received& e) {
    require(use_of(e.msid) == use::publishing);
    require(!e.frame.key || !e.frame.config);
  }
  void happened(const rtmp::closed& e) {
    require(!e.reason.text.empty() && now_used_.empty());
    over_ = true;
    asked_.reset();
  }

  static constexpr std::array<std::uint8_t, 3> garbage{1, 2, 3};
  operations& in_;
  const rtmp::server_config config_;
  rtmp::server_session session_;
  fuzz::pulling pull_;
  base::instant now_ = start;
  std::vector<std::pair<std::uint32_t, use>> now_used_;  // by message stream
  std::optional<std::uint32_t> asked_;  // publish or play: one waits at a time
  bool connect_asked_ = false, over_ = false;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  operations in(data, size);
  run(in).all();
  return 0;
}
