// A whole way in virtual time: a publisher, a server, and a player behind it if wished; each hop a QUIC connection of its own.
#pragma once
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sim/driver.hpp"
#include "sim/host.hpp"
#include "sim/media.hpp"

namespace millrace::sim {

enum class mapping : unsigned char { live, reliable, plain_roqr, byte_stream };

struct scenario_options {
  std::uint64_t seed = 1;
  mapping how = mapping::live;
  bool player = false;
  path_options up, down;                // publisher to server and back
  path_options player_up, player_down;  // player to server and back
  net::congestion_control congestion = net::congestion_control::bbr;
  media_options media;
  std::optional<int> rebind_ms;         // a NAT forgets the publisher's address then
};

struct outcome {
  std::vector<std::string> faults;
  std::vector<std::string> transcript;  // what was received, when
  std::string summary;
  std::size_t sent = 0, missing = 0;    // of the last hop
};

class scenario {
 public:
  explicit scenario(const scenario_options& options)
      : options_(options),
        plan_(options.media, options.seed),
        publisher_host_(world_, 4 * options.seed, "10.0.0.1", options.up),
        ingest_host_(world_, 4 * options.seed + 1, "10.0.0.2", options.down),
        player_host_(world_, 4 * options.seed + 2, "10.0.1.1", options.player_up),
        egress_host_(world_, 4 * options.seed + 3, "10.0.1.2", options.player_down) {
    publisher_host_.join(ingest_host_);
    player_host_.join(egress_host_);
  }

  outcome run() {
    try {
      if (play() && publish()) finish();
    } catch (const std::exception& failure) {
      first_.fault(failure.what());
    }
    return report();
  }

 private:
  static constexpr quic_time start_max = 60 * second, end_max = 120 * second, close_max = 60 * second;

  [[nodiscard]] bool grouped() const { return options_.how == mapping::live || options_.how == mapping::reliable; }
  template <class Options>
  Options quic_options() const {
    Options out;
    out.congestion = options_.congestion;
    out.alpn = {options_.how == mapping::byte_stream ? net::byte_stream_alpn : net::roqr_alpn};
    out.handshake_timeout = std::chrono::seconds(30);  // bad links are the point here
    return out;
  }
  rtmp::client_config client_config(rtmp::client_role role) const {
    rtmp::client_config c;
    c.framing = options_.how == mapping::byte_stream ? rtmp::framing_kind::chunks : rtmp::framing_kind::roqr;
    c.groups = grouped();
    c.reliable = options_.how == mapping::reliable;
    c.role = role;
    c.app = "live";
    c.tc_url = "rtmpq://simulation/live";
    c.stream_name = "a";
    return c;
  }
  void dial(host& client, host& server, client_driver& here, server_driver& there, rtmp::client_role role) {
    here.expect_groups(grouped());
    there.expect_groups(grouped());
    server.listen(quic_options<net::quic_server_options>(), [this, &there](base::result<net::transport_ptr> opened) {
      if (!opened) return first_.fault("accept: " + opened.error().text);
      rtmp::server_config c;
      if (options_.how != mapping::byte_stream) c.framing = rtmp::framing_kind::roqr;
      there.start(std::move(*opened), rtmp::server_session(c, world_.instant(), options_.seed));
    });
    client.dial(quic_options<net::quic_client_options>(), [this, &here, role](base::result<net::transport_ptr> opened) {
      if (!opened) return first_.fault("dial: " + opened.error().text);
      here.start(std::move(*opened), rtmp::client_session(client_config(role), world_.instant(), options_.seed));
    });
  }
  static void on_server_closed(server_driver& d, ledger& l, const rtmp::closed& end) {
    if (end.reason.kind != base::error_kind::closed) l.fault("the server's session ended: " + end.reason.text);
    d.close(net::close_code::no_error, end.reason.text);
  }
  static bool running(client_driver& d) { return d.started() && d.session().running(); }
  bool wait(const char* what, const std::function<bool()>& until, quic_time most) {
    const auto wrong = [this] { return !first_.faults().empty() || !second_.faults().empty(); };
    if (world_.run([&] { return until() || wrong(); }, world_.now() + most)) return !wrong();
    std::string ends;
    for (const auto* end : {&publisher_.closed(), &ingest_.closed(), &player_.closed(), &egress_.closed()}) {
      if (*end) ends += "; an end saw: " + (*end)->reason.text;
    }
    first_.fault(std::string("waited in vain for ") + what + ends);
    return false;
  }

  // ---- the player's hop, which is there before the publisher
  bool play() {
    if (!options_.player) return true;
    egress_.on_event = [this](rtmp::server_event& e) {
      if (std::holds_alternative<rtmp::connect_requested>(e)) egress_.session().accept_connect();
      if (const auto* asked = std::get_if<rtmp::play_requested>(&e)) egress_.session().accept_play(*(play_msid_ = asked->msid));
      if (std::holds_alternative<rtmp::play_ended>(e)) play_ended_ = true;
      if (const auto* end = std::get_if<rtmp::closed>(&e)) on_server_closed(egress_, second_, *end);
    };
    player_.on_event = [this](rtmp::client_event& e) {
      if (const auto* got = std::get_if<rtmp::frame_received>(&e)) take(second_, got->frame, "p");
      if (std::holds_alternative<rtmp::stream_ended>(e)) stream_ended_ = true;
    };
    egress_.on_room = [this] { pump(); };
    dial(player_host_, egress_host_, player_, egress_, rtmp::client_role::play);
    return wait("the start of the player", [this] { return running(player_) && play_msid_; }, start_max);
  }

  // ---- the publisher's hop
  bool publish() {
    ingest_.on_event = [this](rtmp::server_event& e) {
      if (std::holds_alternative<rtmp::connect_requested>(e)) ingest_.session().accept_connect();
      if (const auto* asked = std::get_if<rtmp::publish_requested>(&e)) {
        ingest_.transport()->expect_media();
        ingest_.session().accept_publish(asked->msid);
      }
      if (auto* got = std::get_if<rtmp::frame_received>(&e)) {
        if (publish_ended_) first_.fault("media behind the end of its publication");
        take(first_, got->frame, "s");
        if (play_msid_) pass_on(std::move(got->frame));
      }
      if (std::holds_alternative<rtmp::publish_ended>(e)) publish_ended_ = true;
      if (const auto* end = std::get_if<rtmp::closed>(&e)) on_server_closed(ingest_, first_, *end);
    };
    dial(publisher_host_, ingest_host_, publisher_, ingest_, rtmp::client_role::publish);
    if (!wait("the start of the publisher", [this] { return running(publisher_); }, start_max)) return false;
    const auto start = world_.now();
    for (const auto& planned : plan_.frames()) {
      world_.at(start + static_cast<quic_time>(planned.at_ms) * millisecond, [this, &planned] {
        if (!running(publisher_) || !publisher_.transport()) return first_.fault("the publisher's session is over in the middle");
        auto f = planned.frame;
        f.arrival = world_.instant();
        first_.sent(f, planned.config);
        publisher_.session().send(f);
        publisher_.flush();
        ++published_;
      });
    }
    if (options_.rebind_ms) {
      world_.at(start + static_cast<quic_time>(*options_.rebind_ms) * millisecond, [this] { publisher_host_.rebind("10.0.0.77"); });
    }
    const auto most = (static_cast<quic_time>(options_.media.seconds) + 5) * second;
    return wait("the end of the media", [this] { return published_ == plan_.frames().size(); }, most);
  }
  void pass_on(media::frame f) {
    second_.sent(f, first_.config_of(f));
    waiting_.push_back(std::move(f));
    pump();
  }
  // As a server does it: without groups no more than the transport has room for, or the session's own pings would be stuck behind it.
  void pump() {
    while (!waiting_.empty() && egress_.transport() != nullptr && (grouped() || egress_.transport()->send_budget() > 0)) {
      egress_.session().send(world_.instant(), *play_msid_, waiting_.front(), nullptr);
      waiting_.pop_front();
      egress_.flush();
    }
  }
  void take(ledger& l, const media::frame& f, const char* who) {
    l.received(world_.now(), f);
    transcript_.push_back(std::string(who) + std::to_string(world_.ms()) + ' ' + std::to_string(static_cast<int>(f.kind)) + ' ' +
                          std::to_string(f.dts_ms) + ' ' + std::to_string(f.payload.size()));
  }

  // ---- the end, in order: what is under way arrives first
  void finish() {
    publisher_.session().end();
    publisher_.flush();
    if (!wait("what the publisher still has", [this] { return publisher_.left() == 0; }, end_max)) return;
    if (!wait("the end of the publication", [this] { return publish_ended_; }, end_max)) return;
    publisher_.close(net::close_code::no_error, "done");
    if (!wait("the end of the publisher's connection", [this] { return publisher_host_.over() && ingest_host_.over(); }, close_max)) return;
    if (!ingest_.closed()) {
      first_.fault("the server did not see the publisher's connection end");
    } else if (ingest_.closed()->reason.kind != base::error_kind::closed) {
      first_.fault("the publisher's connection ended out of order: " + ingest_.closed()->reason.text);
    }
    if (options_.player) {
      // A session does not know what its stream has not sent yet: 30 s after the end of its last play a server closes.
      const bool groups = options_.how == mapping::live || options_.how == mapping::reliable;
      if (!groups && !wait("what the player is still to get", [this] { return second_.missing() == 0; }, 3 * end_max)) return;
      egress_.session().end_play(*play_msid_, {"status", "NetStream.Play.Stop", "the publisher left"});
      egress_.flush();
      if (!wait("what the server still has", [this] { return egress_.left() == 0; }, 3 * end_max)) return;
      if (!wait("the end of the stream", [this] { return stream_ended_; }, end_max)) return;
      player_.session().end();
      player_.flush();
      player_.close(net::close_code::no_error, "done");
      wait("the end of the player's connection", [this] { return player_host_.over() && egress_host_.over(); }, close_max);
    }
    settle(first_, publisher_, ingest_);
    if (options_.player) settle(second_, egress_, player_);
  }

  // What must hold whatever the network did.
  template <class Sender, class Receiver>
  void settle(ledger& l, Sender& from, Receiver& to) {
    // The largest key frame; of each urgency at most one message lies in the transport.
    const std::size_t largest = options_.media.key_bytes * 2;
    if (options_.how != mapping::live) l.expect_everything();
    if (l.broken_pictures() > 0) l.fault(std::to_string(l.broken_pictures()) + " pictures came without what they refer to");
    if (!grouped()) return;
    auto* const groups = from.session().groups();
    auto* const reception = to.session().group_reception();
    if (groups == nullptr || reception == nullptr) return l.fault("no groups were agreed on");
    l.expect_losses_accounted_for(groups->messages_lost());
    l.expect_groups_closed();
    if (groups->queued_bytes() != 0) l.fault("the sender still holds " + std::to_string(groups->queued_bytes()) + " bytes");
    if (reception->bytes_held() != 0) l.fault("the receiver still holds " + std::to_string(reception->bytes_held()) + " bytes");
    if (from.pipe_most() > 4 * largest) l.fault("the transport held " + std::to_string(from.pipe_most()) + " bytes");
    if (options_.how != mapping::live) return;
    if (from.age_most() > std::chrono::milliseconds(2'001) && options_.media.cues_per_second == 0) {
      l.fault("a message waited " + std::to_string(from.age_most().count() / 1'000'000) + " ms at the sender");
    }
    if (to.held_most() > rtmp::group_receiver_config{}.bytes_max) l.fault("the receiver held " + std::to_string(to.held_most()) + " bytes");
    for (const auto kind : {media::frame_kind::audio, media::frame_kind::video, media::frame_kind::data}) {
      if (l.waited_most(kind) > to.hold_most() + millisecond) {
        l.fault("a whole message of type " + std::to_string(static_cast<int>(kind)) + " waited " +
                std::to_string(l.waited_most(kind) / millisecond) + " ms at the receiver, hold is " +
                std::to_string(to.hold_most() / millisecond));
      }
    }
  }
  outcome report() {
    outcome out;
    for (auto* l : {&first_, &second_}) out.faults.insert(out.faults.end(), l->faults().begin(), l->faults().end());
    out.transcript = std::move(transcript_);
    auto& last = options_.player ? second_ : first_;
    out.sent = last.sent_count();
    out.missing = last.missing();
    for (auto* l : {&first_, &second_}) {
      if (l->sent_count() == 0) continue;
      const auto missing = [l](media::frame_kind kind) { return std::to_string(l->missing(kind)); };
      out.summary += std::to_string(l->sent_count()) + " sent, missing " + missing(media::frame_kind::audio) + " audio " +
                     missing(media::frame_kind::video) + " video " + missing(media::frame_kind::data) + " data, groups " +
                     std::to_string(l->groups()) + " lost " + std::to_string(l->groups_lost()) + ", waited " +
                     std::to_string(l->waited_most(media::frame_kind::audio) / millisecond) + "/" +
                     std::to_string(l->waited_most(media::frame_kind::video) / millisecond) + " ms; ";
    }
    return out;
  }

  scenario_options options_;
  media_plan plan_;
  world world_;
  ledger first_{"publisher to server"}, second_{"server to player"};
  std::vector<std::string> transcript_;
  host publisher_host_, ingest_host_, player_host_, egress_host_;
  // The peer's unidirectional streams: 2, 6 … of a client, 3, 7 … of a server.
  client_driver publisher_{world_, &first_, nullptr, 3};
  server_driver ingest_{world_, nullptr, &first_, 2};
  client_driver player_{world_, nullptr, &second_, 3};
  server_driver egress_{world_, &second_, nullptr, 2};
  std::optional<std::uint32_t> play_msid_;
  std::deque<media::frame> waiting_;  // for the player
  std::size_t published_ = 0;
  bool publish_ended_ = false, play_ended_ = false, stream_ended_ = false;
};

}  // namespace millrace::sim
