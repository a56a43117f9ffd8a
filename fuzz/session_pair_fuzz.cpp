// A client_session and a server_session that talk to each other over a transport in any state: bytes in pieces, streams of groups that overtake each
// other, times at which one side hears nothing. Media comes out as it went in: in order, each frame once, all of it where nothing may be given up.
#include <map>

#include "rtmp/wire_image.hpp"
#include "session_moves.hpp"

namespace {

using namespace millrace;
using namespace std::chrono_literals;
using fuzz::operations;
using fuzz::require;

const base::instant start = base::instant{} + 1h;

struct choice {
  bool roqr, groups, reliable, pipeline, publish, digest;
  explicit choice(operations& in) {
    const auto how = in(64);
    roqr = how & 1, groups = how & 2, reliable = how & 4, pipeline = how & 8, publish = how & 16, digest = how & 32;
  }
  [[nodiscard]] rtmp::client_config client() const {
    rtmp::client_config c;
    c.role = publish ? rtmp::client_role::publish : rtmp::client_role::play;
    c.framing = roqr ? rtmp::framing_kind::roqr : rtmp::framing_kind::chunks;
    c.groups = groups, c.reliable = reliable, c.pipeline = pipeline, c.digest_handshake = digest;
    c.app = "live", c.tc_url = "rtmp://host/live", c.stream_name = "a";
    return c;
  }
  [[nodiscard]] rtmp::server_config server() const {
    rtmp::server_config c;
    c.framing = roqr ? rtmp::framing_kind::roqr : rtmp::framing_kind::chunks;
    return c;
  }
  [[nodiscard]] bool nothing_is_lost() const { return !roqr || !groups || reliable; }
};

// What lies between a sender of groups and its peer.
class group_path {
 public:
  explicit group_path(std::int64_t first) : first_(first) {}
  template <class To>
  void step(operations& in, base::instant now, rtmp::group_sender& from, To& to) {
    if (in.chance()) {
      if (const auto piece = from.next(now, 4)) take(*piece);
    } else if (!groups_.empty()) {
      deliver(in(groups_.size()), in(200), now, from, to);
    }
    resets(now, from, to);
  }
  template <class To>
  void finish(base::instant now, rtmp::group_sender& from, To& to) {
    while (const auto piece = from.next(now, 4)) take(*piece);
    resets(now, from, to);
    for (std::size_t at = 0; at < groups_.size(); ++at) deliver(at, 1u << 30, now, from, to);
  }
  template <class To>
  void stop(std::int64_t stream, base::instant now, rtmp::group_sender* from, To& to) {
    const auto at = static_cast<std::size_t>(stream - first_) / 4;
    require(from && at < groups_.size());
    if (std::exchange(groups_[at].over, true)) return;
    from->on_stopped(at);
    to.on_stream_reset(now, stream);
    from->on_closed(at);
  }

 private:
  struct group {
    std::vector<std::uint8_t> wire;
    std::size_t sent = 0;
    bool ended = false, over = false;
  };
  void take(const base::group_piece& piece) {
    require(piece.group <= groups_.size());
    if (piece.group == groups_.size()) groups_.emplace_back();
    auto& g = groups_[piece.group];
    require(!g.ended);
    if (piece.bytes) {
      const auto bytes = piece.bytes->flatten();
      g.wire.insert(g.wire.end(), bytes.begin(), bytes.end());
    }
    g.ended = piece.end;
  }
  template <class To>
  void deliver(std::size_t at, std::size_t most, base::instant now, rtmp::group_sender& from, To& to) {
    if (groups_[at].over) return;
    auto& g = groups_[at];
    const auto part = base::bytes_view(g.wire).subspan(g.sent, std::min(most, g.wire.size() - g.sent));
    g.sent += part.size();
    g.over = g.ended && g.sent == g.wire.size();
    from.on_sent(at, g.sent);
    to.receive_stream(now, first_ + 4 * static_cast<std::int64_t>(at), part, g.over);
    if (g.over) from.on_closed(at);
  }
  template <class To>
  void resets(base::instant now, rtmp::group_sender& from, To& to) {
    while (const auto id = from.poll_reset()) {
      require(*id < groups_.size());
      if (std::exchange(groups_[*id].over, true)) continue;
      to.on_stream_reset(now, first_ + 4 * static_cast<std::int64_t>(*id));
      from.on_closed(*id);
    }
  }
  std::int64_t first_;
  std::vector<group> groups_;
};

class run {
 public:
  explicit run(operations& in) : in_(in), how_(in), client_(how_.client(), start, 1), server_(how_.server(), start, 2) {}

  void all() {
    while (in_.more()) {
      step();
      events();
    }
    const bool alive = !client_.is_closed() && !server_.is_closed();
    settle();
    if (alive) {
      require(running_ && client_.running() && !server_.is_closed());
      if (how_.nothing_is_lost()) require(received_ == sent_);
    }
    // The end comes behind everything else.
    client_.end();
    settle();
    require(client_.is_closed());
    if (alive) require(ended_ && server_.waiting_behind_media() == 0);
  }

 private:
  void step() {
    switch (in_(8)) {
      case 0: return up(in_.chance() ? in_(256) : 1u << 20);
      case 1: return down(in_.chance() ? in_(256) : 1u << 20);
      case 2:
      case 3: return send();
      case 4:
      case 5: return paths();
      case 6:
        // Long enough for a hold or an age, and too short for an end by silence while the input is as long as a fuzzer's.
        now_ += std::chrono::milliseconds(in_(64));
        client_.on_timer(now_);
        return server_.on_timer(now_);
      default:
        client_.set_round_trip(std::chrono::microseconds(in_.number(2)));
        return server_.set_round_trip(std::chrono::microseconds(in_.number(2)));
    }
  }
  void paths() {
    if (auto* from = client_.groups()) client_out_.step(in_, now_, *from, server_);
    if (auto* from = server_.groups()) server_out_.step(in_, now_, *from, client_);
    client_.on_groups_flushed(now_);
    server_.on_groups_flushed(now_);
  }
  void up(std::size_t most) {
    gather();
    const auto part = base::bytes_view(up_).first(std::min(most, up_.size()));
    server_.receive(now_, part);
    up_.erase(up_.begin(), up_.begin() + static_cast<std::ptrdiff_t>(part.size()));
  }
  void down(std::size_t most) {
    gather();
    const auto part = base::bytes_view(down_).first(std::min(most, down_.size()));
    client_.receive(now_, part);
    down_.erase(down_.begin(), down_.begin() + static_cast<std::ptrdiff_t>(part.size()));
  }
  void gather() {
    const auto from_client = client_.poll_output().flatten(), from_server = server_.poll_output().flatten();
    up_.insert(up_.end(), from_client.begin(), from_client.end());
    down_.insert(down_.end(), from_server.begin(), from_server.end());
  }

  void send() {
    if (!running_ || (how_.publish ? client_.is_closed() : server_.is_closed())) return;
    media::frame f;
    f.kind = in_.chance() ? media::frame_kind::video : media::frame_kind::audio;
    const bool video = f.kind == media::frame_kind::video;
    // Where something may be given up everything else waits for a key frame, so that has to be common.
    f.key = video && in_(4) == 0;
    std::vector<std::uint8_t> payload = video ? std::vector<std::uint8_t>{std::uint8_t(f.key ? 0x17 : 0x27), 1, 0, 0, 0} : std::vector<std::uint8_t>{0xaf, 1};
    const auto number = ++numbers_[f.kind];
    for (int shift = 24; shift >= 0; shift -= 8) payload.push_back(static_cast<std::uint8_t>(number >> shift));
    payload.resize(payload.size() + in_(in_(16) == 0 ? 2000 : 30), 0x5a);
    f.payload = base::slice(std::move(payload));
    f.dts_ms = static_cast<std::int64_t>(20 * ++times_);
    f.arrival = now_;
    ++sent_;
    if (how_.publish) return client_.send(f);
    const auto wire = in_.chance() ? std::make_shared<const base::send_chain>(rtmp::encode_wire(f, rtmp::wire_msid, server_.media_format())) : nullptr;
    server_.send(now_, msid_, f, wire);
  }
  void got(const media::frame& f) {
    const auto payload = f.payload.view();
    const std::size_t at = f.kind == media::frame_kind::video ? 5 : 2;
    require(f.kind != media::frame_kind::data && payload.size() >= at + 4);
    std::uint64_t number = 0;
    for (std::size_t i = 0; i < 4; ++i) number = number << 8 | payload[at + i];
    require(number == last_[f.kind] + 1 || (!how_.nothing_is_lost() && number > last_[f.kind]));
    last_[f.kind] = number;
    for (const auto byte : payload.subspan(at + 4)) require(byte == 0x5a);
    ++received_;
  }

  void events() {
    for (bool again = true; std::exchange(again, false);) {
      while (auto event = server_.poll_event()) {
        again = true;
        if (std::holds_alternative<rtmp::connect_requested>(*event)) server_.accept_connect();
        if (const auto* e = std::get_if<rtmp::publish_requested>(&*event)) server_.accept_publish(msid_ = e->msid);
        if (const auto* e = std::get_if<rtmp::play_requested>(&*event)) {
          server_.accept_play(msid_ = e->msid);
          running_ = true;
        }
        if (const auto* e = std::get_if<rtmp::frame_received>(&*event)) require(!ended_), got(e->frame);
        if (std::holds_alternative<rtmp::publish_ended>(*event) || std::holds_alternative<rtmp::play_ended>(*event)) {
          require(!ended_);
          ended_ = true;
          if (!how_.publish) running_ = false;
        }
      }
      while (auto event = client_.poll_event()) {
        again = true;
        if (std::holds_alternative<rtmp::started>(*event) && how_.publish) running_ = true;
        // What a player is told beside its media, |RtmpSampleAccess and the like, is no frame.
        if (const auto* e = std::get_if<rtmp::frame_received>(&*event); e && e->frame.kind != media::frame_kind::data) got(e->frame);
        require(!std::holds_alternative<rtmp::rejected>(*event));
      }
    }
    while (const auto stop = server_.poll_stop()) client_out_.stop(stop->stream, now_, client_.groups(), server_);
    while (const auto stop = client_.poll_stop()) server_out_.stop(stop->stream, now_, server_.groups(), client_);
  }
  void settle() {
    for (int round = 0, quiet = 0; round < 16 && quiet < 2; ++round) {
      gather();
      quiet = up_.empty() && down_.empty() ? quiet + 1 : 0;
      up(1u << 30);
      events();
      down(1u << 30);
      events();
      if (auto* from = client_.groups()) client_out_.finish(now_, *from, server_);
      if (auto* from = server_.groups()) server_out_.finish(now_, *from, client_);
      client_.on_groups_flushed(now_);
      server_.on_groups_flushed(now_);
      events();
    }
  }

  operations& in_;
  const choice how_;
  rtmp::client_session client_;
  rtmp::server_session server_;
  group_path client_out_{2}, server_out_{3};
  std::vector<std::uint8_t> up_, down_;
  base::instant now_ = start;
  std::uint32_t msid_ = 0;
  bool running_ = false, ended_ = false;
  std::map<media::frame_kind, std::uint64_t> numbers_, last_;
  std::uint64_t sent_ = 0, received_ = 0, times_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  operations in(data, std::min<std::size_t>(size, 200));
  run(in).all();
  return 0;
}
