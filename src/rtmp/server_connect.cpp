// Connection commands of the server role (RTMP 1.0 section 7.2.1) and the many small ones that real encoders and players add.
#include <algorithm>
#include <utility>

#include "rtmp/control.hpp"
#include "rtmp/names.hpp"
#include "rtmp/server_impl.hpp"
#include "rtmp/wire_image.hpp"

namespace millrace::rtmp {
namespace {

const char call_failed[] = "NetConnection.Call.Failed";

std::string text_of(const amf0::value& object, std::string_view name) {
  const auto* v = object.find(name);
  return v && v->text() ? *v->text() : std::string();
}

double number_of(const amf0::value& object, std::string_view name) {
  const auto* v = object.find(name);
  return v && v->number() ? *v->number() : 0;
}

}  // namespace

void server_session::impl::on_command(const message& m) {
  auto parsed = parse_command(m, config_.amf);
  if (!parsed) return fail(std::move(parsed).error());
  const auto& c = *parsed;
  if (c.name == "connect") return on_connect(c);
  if (phase_ != phase::connected) {
    framing_->write(make_error(0, c.transaction, {"error", call_failed, "connect first"}));
    return fail({base::error_kind::protocol, "command before connect"});
  }
  if (c.name == "publish") return on_publish(c);
  if (c.name == "play") return on_play(c);
  if (c.name == "play2") return on_play2(c);
  if (c.name == "pause" || c.name == "pauseRaw") return on_pause(c);
  if (c.name == "receiveAudio") return on_receive_track(c, true);
  if (c.name == "receiveVideo") return on_receive_track(c, false);
  if (c.name == "seek") return on_seek(c);
  if (c.name == "closeStream") {
    if (auto* s = find(c.msid)) end_use(c.msid, *s);
    return;
  }
  if (c.name == "deleteStream") return on_delete_stream(c);
  if (c.name == "FCUnpublish") return on_unpublish_name(c);
  on_connection_command(c);
}

void server_session::impl::answer(const command& c, const amf0::value& value) {
  if (c.wants_answer()) framing_->write(make_command(0, "_result", c.transaction, amf0::null{}, {value}));
}

void server_session::impl::on_connection_command(const command& c) {
  if (c.name == "createStream") return on_create_stream(c);
  if (c.name == "releaseStream") return answer(c, amf0::undefined{});  // nothing is ever cut for somebody who has shown no right to it
  if (c.name == "FCPublish" || c.name == "FCSubscribe" || c.name == "FCUnsubscribe") {
    const bool publish = c.name == "FCPublish";
    const auto code = publish ? "NetStream.Publish.Start" : c.name == "FCSubscribe" ? "NetStream.Play.Start" : "NetStream.Play.Stop";
    framing_->write(make_command(0, "on" + c.name, 0, amf0::null{}, {information({"status", code, c.text_arg(0)})}));
    return answer(c, amf0::undefined{});
  }
  // FFmpeg takes an _error to getStreamLength as fatal; 0 says live.
  if (c.name == "getStreamLength") {
    auto [name, query] = split_query(c.text_arg(0));
    if (!config_.recordings || !c.wants_answer() || bad_name("stream name", name, config_.limits->stream_name_bytes)) return answer(c, 0.0);
    return events_.push_back(length_requested{c.transaction, std::move(name), std::move(query)});
  }
  if (c.name == "_checkbw" || c.name == "checkBandwidth") return answer(c, amf0::undefined{});
  if (c.name == report_command) {
    if (const auto report = read_report(c.arg(0))) events_.push_back(publisher_reported{*report});
    return;
  }
  // Answers and notices of the peer, which ask for nothing.
  if (c.name == "_result" || c.name == "_error" || c.name == "onStatus") return;
  if (c.wants_answer()) framing_->write(make_error(0, c.transaction, {"error", call_failed, "this server has no such method"}));
}

void server_session::impl::on_connect(const command& c) {
  if (phase_ != phase::handshaking) {
    framing_->write(make_error(0, c.transaction, {"error", "NetConnection.Connect.Failed", "connected already"}));
    return fail({base::error_kind::protocol, "second connect"});
  }
  phase_ = phase::connect_pending;
  connect_transaction_ = c.transaction;

  connect_requested r;
  r.tc_url = text_of(c.object, "tcUrl");
  r.flash_ver = text_of(c.object, "flashVer");
  r.page_url = text_of(c.object, "pageUrl");
  r.swf_url = text_of(c.object, "swfUrl");
  r.type = text_of(c.object, "type");
  r.object_encoding = number_of(c.object, "objectEncoding");
  r.audio_codecs = number_of(c.object, "audioCodecs");
  r.video_codecs = number_of(c.object, "videoCodecs");
  r.flash_capabilities = number_of(c.object, "capabilities");
  if (const auto* fpad = c.object.find("fpad"); fpad && fpad->boolean()) r.fpad = *fpad->boolean();
  r.digest_handshake = framing_->digest_handshake();
  read_capabilities(c.object, peer_);
  extension_ = read_extension(c.object);
  r.capabilities = peer_;

  const auto from_url = split_query(app_of_tc_url(r.tc_url));
  std::tie(r.app, r.query) = split_query(text_of(c.object, "app"));
  if (r.app.empty()) r.app = from_url.first;
  if (r.query.empty()) r.query = from_url.second;
  while (!r.app.empty() && r.app.back() == '/') r.app.pop_back();

  if (r.tc_url.size() > config_.limits->tc_url_bytes) {
    return reject_connect(
        {"error", "NetConnection.Connect.Rejected", "tcUrl is longer than " + std::to_string(config_.limits->tc_url_bytes) + " bytes"});
  }
  if (r.app.empty()) return reject_connect({"error", "NetConnection.Connect.Rejected", "neither app nor tcUrl names an application"});
  if (auto bad = bad_name("application name", r.app, config_.limits->app_bytes)) {
    return reject_connect({"error", "NetConnection.Connect.InvalidApp", *bad});
  }
  if (auto bad = bad_query(r.query, config_.limits->query_bytes)) return reject_connect({"error", "NetConnection.Connect.Rejected", *bad});
  request_pending_ = true;
  events_.push_back(std::move(r));
}

void server_session::impl::accept_connect() {
  if (phase_ != phase::connect_pending) return;
  phase_ = phase::connected;
  request_pending_ = false;
  mark_unused();
  if (config_.framing == framing_kind::roqr && config_.groups && extension_.groups) {
    framing_->decide_groups(group_choice{extension_.reliable, 2});
  } else {
    framing_->decide_groups(std::nullopt);
  }
  framing_->enable_pings(now_, config_.limits->ping_after);
  framing_->set_window(config_.window_acknowledgement_size);
  framing_->write(make_set_peer_bandwidth(config_.window_acknowledgement_size, bandwidth_limit::dynamic));
  framing_->announce_chunk_size(wire_chunk_size);
  write_connect_result();
  framing_->write(make_user_control(user_event::stream_begin, 0));
  if (const auto wish = std::exchange(reconnect_wish_, std::nullopt)) request_reconnect(wish->tc_url, wish->description);
  drain_held();
}

void server_session::impl::write_connect_result() {
  // The version is one that old clients know; 31 are the capabilities that go with it.
  const amf0::object properties{{{"fmsVer", "FMS/3,0,1,123"}, {"capabilities", 31.0}}};
  // objectEncoding 0: we speak AMF0 to everybody. A client that said anything of E-RTMP is told what we can: payload of any codec is
  // forwarded unchanged (flag 4, CanForward). fourCcList is the older form, for those who used it.
  std::vector<amf0::member> extra{{"objectEncoding", 0.0}};
  amf0::object all = properties;
  if (peer_.enhanced()) {
    auto own = own_capabilities();
    own.list = {peer_.list.announced, {{codec_table::any, can_forward_flag}}};
    append_capabilities(all.members, own, false);
  }
  if (extension_.announced) {
    const extension ours{.announced = true, .groups = framing_->groups() != nullptr, .reliable = extension_.reliable, .reports = true};
    append_extension(all.members, ours);
  }
  const status success{"status", "NetConnection.Connect.Success", "Connection succeeded."};
  framing_->write(make_command(0, "_result", connect_transaction_, all, {information(success, std::move(extra))}));
}

void server_session::impl::reject_connect(const status& why, const std::string& redirect) {
  if (phase_ != phase::connect_pending && phase_ != phase::handshaking) return;
  request_pending_ = false;
  // Before connect came, its transaction is known all the same: it is always 1 (section 7.2.1.1).
  if (phase_ == phase::handshaking) connect_transaction_ = 1;
  std::vector<amf0::member> extra;
  if (!redirect.empty()) extra.push_back({"ex", amf0::object{{{"code", 302.0}, {"redirect", redirect}}}});
  if (framing_->ready()) framing_->write(make_command(0, "_error", connect_transaction_, amf0::null{}, {information(why, std::move(extra))}));
  fail({base::error_kind::denied, why.code + ": " + why.description});
}

// E-RTMP v2 "Reconnect Request": an onStatus of the connection, with tcUrl as the only member of its own.
bool server_session::impl::request_reconnect(const std::string& tc_url, const std::string& description) {
  if (phase_ == phase::handshaking || phase_ == phase::connect_pending) reconnect_wish_ = {tc_url, description};
  if (phase_ != phase::connected || !peer_.reconnect()) return false;
  std::vector<amf0::member> extra;
  if (!tc_url.empty()) extra.push_back({"tcUrl", tc_url});
  const status wish{"status", "NetConnection.Connect.ReconnectRequest", description};
  framing_->write(make_command(0, "onStatus", 0, amf0::null{}, {information(wish, std::move(extra))}));
  return true;
}

void server_session::impl::on_create_stream(const command& c) {
  if (streams_.size() >= config_.limits->message_streams) {
    const auto text = "more than " + std::to_string(config_.limits->message_streams) + " message streams";
    if (c.wants_answer()) framing_->write(make_error(0, c.transaction, {"error", call_failed, text}));
    return;
  }
  std::uint32_t msid = 0;
  if (const auto free = std::min_element(free_msids_.begin(), free_msids_.end()); free != free_msids_.end()) {
    msid = *free;
    free_msids_.erase(free);
  } else {
    msid = next_msid_++;
  }
  streams_[msid];
  answer(c, msid);
}

}  // namespace millrace::rtmp
