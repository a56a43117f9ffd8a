// client_session in front of a hostile server, by operations: messages that make sense in any order, bytes that make none, streams of RoQR, time,
// and what the owner of a session does meanwhile. Both framings, the live profile, the dialogue about a password, and redirects.
#include <optional>

#include "rtmp/auth_dialogue.hpp"
#include "rtmp/handshake.hpp"
#include "rtmp/redirect.hpp"
#include "session_moves.hpp"

namespace {

using namespace millrace;
using namespace std::chrono_literals;
using fuzz::operations;
using fuzz::require;

const base::instant start = base::instant{} + 1h;

std::array<std::uint8_t, 16> no_md5(base::bytes_view bytes) {
  std::array<std::uint8_t, 16> out{};
  for (std::size_t i = 0; i < bytes.size(); ++i) out[i % 16] = static_cast<std::uint8_t>(out[i % 16] * 31 + bytes[i]);
  return out;
}

rtmp::client_config config_of(operations& in) {
  rtmp::client_config c;
  c.role = static_cast<rtmp::client_role>(in(3));
  const auto how = in(16);
  c.framing = how & 1 ? rtmp::framing_kind::roqr : rtmp::framing_kind::chunks;
  c.groups = (how & 2) != 0;
  c.reliable = (how & 4) != 0;
  c.pipeline = (how & 8) == 0;
  c.app = "live";
  c.tc_url = "rtmp://host/live";
  c.stream_name = "a";
  return c;
}

class run {
 public:
  explicit run(operations& in)
      : in_(in), config_(config_of(in)), session_(config_, start, 1), dialogue_({"user", "a password"}, no_md5, 2), here_(*rtmp::parse_uri("rtmps://host/live/a", {})) {}

  void all() {
    if (config_.framing == rtmp::framing_kind::chunks) shake_hands();
    while (in_.more() && !over_) {
      step();
      drain();
    }
    if (in_.chance()) session_.end(); else session_.on_transport_closed({base::error_kind::closed, "end"});
    drain();
    require(over_ && session_.is_closed() && !session_.poll_timeout());
    if (auto* groups = session_.groups()) {
      pull_.finish(now_, *groups);
      session_.on_groups_flushed(now_);
    }
    session_.release_behind_media();
    require(session_.waiting_behind_media() == 0);
    session_.receive(now_, garbage);
    session_.receive_stream(now_, 3, garbage, true);
    session_.on_timer(now_ + 1h);
    require(!session_.poll_event());
  }

 private:
  void shake_hands() {
    rtmp::server_handshake shake(2);
    require(shake.receive(start, session_.poll_output().flatten()).has_value());
    session_.receive(start, shake.poll_output());
  }

  void step() {
    switch (in_(16)) {
      case 0:
        now_ += std::chrono::milliseconds(in_(256) * (in_.chance() ? 200 : 1));
        return session_.on_timer(now_);
      case 1: return session_.receive(now_, in_.some(200));
      case 2: return on_side(in_.some(100));
      case 3: return session_.on_stream_reset(now_, stream());
      case 4: return send(fuzz::control_of(in_));
      case 5:
      case 6: {
        const auto m = fuzz::media_of(in_);
        if (config_.framing == rtmp::framing_kind::chunks || in_.chance()) return send(m);
        const auto kind = m.type == rtmp::message_type::audio ? media::frame_kind::audio
                          : m.type == rtmp::message_type::video ? media::frame_kind::video : media::frame_kind::data;
        return on_side(rtmp::encode_roqr(rtmp::flow_of(m.msid, kind), m).flatten());
      }
      case 7: return session_.send(fuzz::any_frame(in_, now_));
      case 8: return session_.report({std::chrono::milliseconds(in_(256))});
      case 9:
        if (auto* groups = session_.groups()) pull_(in_, now_, *groups);
        return session_.on_groups_flushed(now_);
      case 10: return session_.set_round_trip(std::chrono::microseconds(in_.number(3)));
      case 11:
        if (in_(8) == 0) session_.end();
        return;
      case 12: return result();
      case 13:
      case 14: return status();
      default: return send(rtmp::make_command(static_cast<std::uint32_t>(in_(3)), fuzz::one_of<5>(in_, {"close", "_onbwcheck", "onBWDone", "_error", "_result"}),
                                              static_cast<double>(in_(8)), fuzz::any_value(in_), {fuzz::any_value(in_), fuzz::any_value(in_)}));
    }
  }

  std::int64_t stream() { return static_cast<std::int64_t>(in_(32)); }
  void on_side(base::bytes_view bytes) {
    const auto where = stream();
    session_.receive_stream(now_, where, bytes, in_.chance());
  }
  void send(const rtmp::message& m) {
    const auto bytes = fuzz::written(config_.framing, m, chunk_size_);
    base::bytes_view left = bytes;
    if (in_.chance()) {
      const auto cut = in_(256);
      session_.receive(now_, left.first(std::min(cut, left.size())));
      left = left.subspan(std::min(cut, left.size()));
      if (in_.chance()) session_.on_timer(now_);
    }
    session_.receive(now_, left);
  }

  // The answers in the order that a session waits for, if the input does not say otherwise.
  void result() {
    using namespace rtmp::amf0;
    const auto which = in_(4);
    if (which < 2) {
      object properties;
      std::vector<member> ours;
      rtmp::append_extension(ours, {.announced = true, .groups = in_.chance(), .reliable = false, .reports = in_.chance()});
      properties.members = std::move(ours);
      return send(rtmp::make_command(0, "_result", 1, properties, {rtmp::information({"status", "NetConnection.Connect.Success", ""})}));
    }
    send(rtmp::make_command(0, "_result", 4, null{}, {which == 2 ? value(static_cast<double>(in_(3))) : fuzz::any_value(in_)}));
  }
  void status() {
    using namespace rtmp::amf0;
    rtmp::status s;
    s.level = fuzz::one_of<3>(in_, {"status", "error", "warning"});
    s.code = fuzz::one_of<12>(in_, {"NetStream.Publish.Start", "NetStream.Play.Start", "NetStream.Play.Stop", "NetStream.Play.UnpublishNotify",
                                    "NetStream.Play.PublishNotify", "NetConnection.Connect.Closed", "NetConnection.Connect.Rejected",
                                    "NetConnection.Connect.ReconnectRequest", "NetStream.Publish.BadName", "NetStream.Play.StreamNotFound", "", "x"});
    s.description = in_(3) == 0 ? "[ AccessManager.Reject ] : [ authmod=adobe ] : ?reason=needauth&user=user&salt=a&challenge=b" + in_.text(30) : in_.text(60);
    std::vector<member> extra;
    if (in_(3) == 0) extra.push_back({"ex", object{{{"code", 302.0}, {"redirect", in_.text(40)}}}});
    if (in_(4) == 0) extra.push_back({"tcUrl", fuzz::any_value(in_)});
    const auto info = rtmp::information(s, std::move(extra));
    const auto msid = static_cast<std::uint32_t>(in_(3));
    if (in_(3) == 0) return send(rtmp::make_command(0, "_error", static_cast<double>(in_(8)), null{}, {info}));
    send(rtmp::make_command(msid, "onStatus", 0, null{}, {info}));
  }

  void drain() {
    while (auto event = session_.poll_event()) {
      require(!over_);
      std::visit([this](const auto& e) { happened(e); }, *event);
    }
    require(over_ == session_.is_closed());
    if (auto* groups = session_.groups()) pull_.resets(*groups);
    require(session_.running() == (started_ && !over_));
    session_.poll_output();
    while (const auto stop = session_.poll_stop()) require(config_.framing == rtmp::framing_kind::roqr);
    require(config_.framing == rtmp::framing_kind::roqr || (!session_.groups() && !session_.group_reception() && !session_.wants_pull()));
    if (const auto* held = session_.group_reception()) require(held->bytes_held() <= (16u << 20) + 41 * 256);
  }

  void happened(const rtmp::connected&) {
    require(!connected_);
    connected_ = true;
    started_ = config_.role == rtmp::client_role::connect_only;
  }
  void happened(const rtmp::started& e) {
    require(connected_ && !started_ && e.msid != 0 && e.msid == session_.msid());
    started_ = true;
  }
  void happened(const rtmp::status_received&) { require(started_); }
  void happened(const rtmp::stream_ended&) { require(started_); }
  void happened(const rtmp::frame_received& e) {
    require(config_.role == rtmp::client_role::play);
    require(!e.frame.key || !e.frame.config);
  }
  void happened(const rtmp::reconnect_requested& e) { follow(e.tc_url); }
  void happened(const rtmp::rejected& e) {
    require(!rejected_ && !e.reason.text.empty());
    rejected_ = true;
    follow(e.redirect);
    const auto query = dialogue_.answer(e.info, "live");
    const auto& said = query ? *query : query.error().text;
    require(!query || said.starts_with("authmod="));
    // The password is nowhere in it, unless a server guesses it.
    require(said.find("a password") == std::string::npos || e.info.description.find("a password") != std::string::npos);
  }
  void happened(const rtmp::closed& e) {
    require(!e.reason.text.empty());
    over_ = true;
  }
  // From rtmps nothing leads to what is not encrypted without consent.
  void follow(const std::string& reference) {
    const auto to = rtmp::follow_redirect(here_, reference, {});
    if (to) require(!rtmp::may_be_plain(to->to));
    else require(!to.error().text.empty());
  }

  static constexpr std::array<std::uint8_t, 3> garbage{1, 2, 3};
  operations& in_;
  const rtmp::client_config config_;
  rtmp::client_session session_;
  rtmp::auth_dialogue dialogue_;
  const rtmp::uri here_;
  fuzz::pulling pull_;
  base::instant now_ = start;
  const std::uint32_t chunk_size_ = 128;
  bool connected_ = false, started_ = false, rejected_ = false, over_ = false;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  operations in(data, size);
  run(in).all();
  return 0;
}
