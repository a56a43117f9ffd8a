// The client's side of the command dialogue (RTMP 1.0 sections 7.2.1 and 7.2.2).
#include "base/escape.hpp"
#include "rtmp/client_impl.hpp"
#include "rtmp/control.hpp"
#include "rtmp/rejection.hpp"
#include "rtmp/wire_image.hpp"

namespace millrace::rtmp {
namespace {

constexpr double connect_transaction = 1;
constexpr double release_stream_transaction = 2;
constexpr double fc_publish_transaction = 3;
constexpr double create_stream_transaction = 4;
constexpr double start_transaction = 5;
// How often the server is asked to acknowledge: about twice a second at 4 Mb/s, so that bytes_acknowledged() says something.
constexpr std::uint32_t window_bytes = 250'000;

bool begins_with(const std::string& text, std::string_view front) { return text.compare(0, front.size(), front) == 0; }

}  // namespace

// connect leaves in 128-byte chunks and before anything else: some servers (FFmpeg's) take no other first message.
void client_session::impl::write_connect() {
  const bool publishes = config_.role == rtmp::client_role::publish;
  amf0::object o;
  o.members.push_back({"app", config_.app});
  if (publishes) o.members.push_back({"type", "nonprivate"});
  std::string flash_ver = config_.flash_ver;
  if (flash_ver.empty()) flash_ver = publishes ? "FMLE/3.0 (compatible; millrace)" : "LNX 9,0,124,2";
  o.members.push_back({"flashVer", flash_ver});
  o.members.push_back({"tcUrl", config_.tc_url});
  if (!publishes) {
    o.members.push_back({"fpad", false});
    o.members.push_back({"capabilities", 15.0});
    o.members.push_back({"audioCodecs", 4071.0});
    o.members.push_back({"videoCodecs", 252.0});
  }
  append_capabilities(o.members, config_.capabilities, !publishes);
  const bool groups = config_.framing == framing_kind::roqr && config_.groups;
  append_extension(o.members, {.announced = true, .groups = groups, .reliable = config_.reliable, .fell_back = config_.fell_back, .resume = config_.resume});
  framing_->write(make_command(0, "connect", connect_transaction, o));
  framing_->announce_chunk_size(wire_chunk_size);
  framing_->set_window(window_bytes);
  if (!config_.pipeline) return;
  write_create_stream();
  if (config_.framing != framing_kind::roqr || create_stream_sent_ == 0) return;
  guessed_msid_ = msid_ = wire_msid;
  write_start();
}

void client_session::impl::write_create_stream() {
  if (config_.role == rtmp::client_role::connect_only || create_stream_sent_ != 0) return;
  if (config_.role == rtmp::client_role::publish) {
    framing_->write(make_command(0, "releaseStream", release_stream_transaction, amf0::null{}, {config_.stream_name}));
    framing_->write(make_command(0, "FCPublish", fc_publish_transaction, amf0::null{}, {config_.stream_name}));
  }
  create_stream_sent_ = create_stream_transaction;
  framing_->write(make_command(0, "createStream", create_stream_sent_, amf0::null{}));
}

void client_session::impl::write_start() {
  start_sent_ = start_sent_ == 0 ? start_transaction : start_sent_ + 1;  // an answer to the first of two is no answer to the second
  if (config_.role == rtmp::client_role::publish) {
    framing_->write(make_command(msid_, "publish", start_sent_, amf0::null{}, {config_.stream_name, "live"}));
    deadline_ = now_ + config_.limits->connect_deadline;
    return;
  }
  framing_->write(make_set_buffer_length(msid_, config_.buffer_ms));
  framing_->write(make_command(msid_, "play", start_sent_, amf0::null{}, {config_.stream_name, config_.play_start}));
  // A server may let players wait for the publisher.
  deadline_ = now_ + config_.limits->idle_connection;
}

void client_session::impl::on_command(const message& m) {
  auto parsed = parse_command(m, config_.amf);
  if (!parsed) return fail(std::move(parsed).error());
  const auto& c = *parsed;
  if (c.name == "_result") return on_result(c);
  if (c.name == "_error") return on_error(c);
  if (c.name == "onStatus") return on_status(c);
  if (c.name == "close") return fail({base::error_kind::closed, "closed by the server"});
  // Bandwidth checks of old servers want an answer; onBWDone, onFCPublish, onFCSubscribe and the like want none.
  if (c.name == "_onbwcheck" && c.wants_answer()) {
    framing_->write(make_command(0, "_result", c.transaction, amf0::null{}, {0.0}));
  }
}

void client_session::impl::on_result(const command& c) {
  if (c.transaction == connect_transaction && phase_ == phase::connecting) {
    const auto info = read_status(c.arg(0));
    if (info.level == "error") return reject(info, c.arg(0));  // some servers refuse by _result
    // E-RTMP v2 has them in the properties; some servers put them into the information object.
    read_capabilities(c.object, server_);
    if (const auto* object = c.arg(0)) read_capabilities(*object, server_);
    extension_ = read_extension(c.object);
    if (extension_.groups && config_.framing == framing_kind::roqr && config_.groups) {
      framing_->decide_groups(group_choice{config_.reliable, 3});
    } else {
      framing_->decide_groups(std::nullopt);
    }
    phase_ = phase::opening;
    deadline_ = now_ + config_.limits->connect_deadline;
    events_.push_back(connected{});
    if (config_.role == rtmp::client_role::connect_only) {
      phase_ = phase::running;
      return;
    }
    write_create_stream();
    return;
  }
  if (c.transaction == create_stream_sent_ && phase_ == phase::opening && !created_) {
    const auto msid = to_id(c.number_arg(0, -1));
    if (!msid || *msid == 0) return fail({base::error_kind::protocol, "createStream was answered without a message stream id"});
    created_ = true;
    if (*msid == guessed_msid_) return;  // publish or play is under way already
    msid_ = *msid;
    write_start();
  }
}

void client_session::impl::on_error(const command& c) {
  const bool connecting = c.transaction == connect_transaction && phase_ == phase::connecting;
  const bool opening =
      phase_ == phase::opening && (c.transaction == create_stream_sent_ || (start_sent_ != 0 && c.transaction == start_sent_));
  if (!connecting && !opening) return;  // releaseStream and FCPublish are courtesies that many servers do not know
  auto info = read_status(c.arg(0));
  // Some servers put the information object where the command object belongs.
  const auto* object = c.arg(0);
  if (info.code.empty() && c.object.find("code")) {
    object = &c.object;
    info = read_status(object);
  }
  if (info.code.empty()) info.code = connecting ? "NetConnection.Connect.Failed" : "NetConnection.Call.Failed";
  if (info.level.empty()) info.level = "error";
  reject(info, object);
}

void client_session::impl::on_status(const command& c) {
  const auto info = read_status(c.arg(0));
  // The answer to a publish or play for a message stream that was guessed and is not ours.
  if (created_ && guessed_msid_ != 0 && c.msid == guessed_msid_ && c.msid != msid_) return;
  if (info.code == "NetConnection.Connect.ReconnectRequest") {
    const auto* where = c.arg(0)->find("tcUrl");
    events_.push_back(reconnect_requested{where && where->text() ? *where->text() : std::string(), info.description});
    return;
  }
  const bool error = info.level == "error" || begins_with(info.code, "NetConnection.Connect.Rejected");
  if (info.code == "NetConnection.Connect.Closed" && !error) {
    return fail({base::error_kind::closed, info.description.empty() ? "closed by the server" : base::escaped(info.description)});
  }
  if (phase_ == phase::connecting) {
    if (error) reject(info, c.arg(0));
    return;
  }
  const bool publishes = config_.role == rtmp::client_role::publish;
  if (phase_ == phase::opening) {
    if (error) return reject(info, c.arg(0));
    if (start_sent_ != 0 && info.code == (publishes ? "NetStream.Publish.Start" : "NetStream.Play.Start")) {
      begin_running(info, c.arg(0) ? read_extension(*c.arg(0)).resume : std::string());
    }
    return;
  }
  if (phase_ != phase::running) return;
  // What takes the stream or the connection away ends the session; other errors (a refused seek) do not.
  if (error && (begins_with(info.code, "NetStream.Publish.") || begins_with(info.code, "NetConnection.Connect.") ||
                info.code == "NetStream.Play.Failed" || info.code == "NetStream.Play.StreamNotFound")) {
    return reject(info, c.arg(0));
  }
  events_.push_back(status_received{msid_, info});
  if (info.code == "NetStream.Play.Stop" || info.code == "NetStream.Play.UnpublishNotify" || info.code == "NetStream.Play.Complete") {
    mark_stream_ended();
  }
  if (info.code == "NetStream.Play.PublishNotify" || info.code == "NetStream.Play.Start") stream_ended_ = false;
}

}  // namespace millrace::rtmp
