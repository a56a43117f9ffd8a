// Test peers for rtmp sessions: a scripted client in front of server_session, a scripted server in front of client_session, and the
// two sessions back to back. Time is a value that the test moves.
#pragma once
#include <algorithm>
#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "rtmp/chunk_reader.hpp"
#include "rtmp/chunk_writer.hpp"
#include "rtmp/command.hpp"
#include "rtmp/control.hpp"
#include "rtmp/handshake.hpp"
#include "rtmp/session.hpp"

namespace millrace::test {

using namespace std::chrono_literals;
using bytes = std::vector<std::uint8_t>;

inline base::instant at(std::chrono::milliseconds since_start) { return base::instant{} + 1h + since_start; }

inline rtmp::message media_message(rtmp::message_type type, std::uint32_t msid, std::uint32_t timestamp, bytes payload) {
  rtmp::message m;
  m.type = type;
  m.msid = msid;
  m.csid = type == rtmp::message_type::audio ? 4 : 6;
  m.timestamp = timestamp;
  if (!payload.empty()) m.payload = base::slice(std::move(payload));
  return m;
}

inline bytes avc_key_frame() { return {0x17, 1, 0, 0, 0, 0xDE, 0xAD}; }
inline bytes aac_frame() { return {0xAF, 1, 0x21, 0x10}; }

// All messages in `stream`, which must be whole.
inline std::vector<rtmp::message> read_all(rtmp::chunk_reader& reader, base::bytes_view stream) {
  std::vector<rtmp::message> out;
  while (true) {
    auto m = reader.next(stream);
    if (!m || !*m) return out;
    out.push_back(std::move(**m));
  }
}

// The messages that one side received, with questions that tests ask of them.
struct transcript {
  std::vector<rtmp::message> messages;

  [[nodiscard]] std::vector<rtmp::command> commands() const {
    std::vector<rtmp::command> out;
    for (const auto& m : messages) {
      if (m.type != rtmp::message_type::command_amf0) continue;
      if (auto c = rtmp::parse_command(m, {})) out.push_back(*c);
    }
    return out;
  }
  [[nodiscard]] std::optional<rtmp::command> command(std::string_view name) const {
    for (const auto& c : commands()) {
      if (c.name == name) return c;
    }
    return std::nullopt;
  }
  // Codes of all information objects in order, and "name" of commands without one.
  [[nodiscard]] std::vector<std::string> codes(std::string_view of = "onStatus") const {
    std::vector<std::string> out;
    for (const auto& c : commands()) {
      if (c.name == of) out.push_back(rtmp::read_status(c.arg(0)).code);
    }
    return out;
  }
  [[nodiscard]] long count(std::string_view code) const {
    const auto all = codes();
    return std::count(all.begin(), all.end(), code);
  }
  [[nodiscard]] std::optional<rtmp::status> status(std::string_view code) const {
    for (const auto& c : commands()) {
      auto s = rtmp::read_status(c.arg(0));
      if (s.code == code) return s;
    }
    return std::nullopt;
  }
  // The order of what came, in short words: "5", "4:0" (user control event 0), "onStatus NetStream.…", "data |RtmpSampleAccess".
  [[nodiscard]] std::vector<std::string> outline() const {
    std::vector<std::string> out;
    for (const auto& m : messages) {
      if (m.type == rtmp::message_type::command_amf0) {
        auto c = rtmp::parse_command(m, {});
        const auto code = c ? rtmp::read_status(c->arg(0)).code : std::string();
        out.push_back(c ? c->name + (code.empty() ? "" : " " + code) : "broken command");
      } else if (m.type == rtmp::message_type::user_control) {
        auto c = rtmp::parse_user_control(m);
        out.push_back("4:" + (c ? std::to_string(static_cast<unsigned>(c->event)) : std::string("broken")));
      } else if (m.type == rtmp::message_type::data_amf0) {
        auto values = rtmp::amf0::decode_all(m.payload, {}, true);
        out.push_back("data " + (values && !values->empty() && (*values)[0].text() ? *(*values)[0].text() : std::string("?")));
      } else {
        out.push_back(std::to_string(static_cast<unsigned>(m.type)));
      }
    }
    return out;
  }
};

template <class Wanted, class Event>
std::vector<Wanted> events_of(const std::vector<Event>& events) {
  std::vector<Wanted> out;
  for (const auto& event : events) {
    if (const auto* wanted = std::get_if<Wanted>(&event)) out.push_back(*wanted);
  }
  return out;
}

// A client written out by hand in front of a server_session.
class scripted_client {
 public:
  explicit scripted_client(rtmp::server_config config = {}, bool shake_hands = true)
      : server(config, at(0ms), 7), reader_(base::rtmp_limits{}, 64u << 20) {
    if (shake_hands) handshake();
  }

  rtmp::server_session server;
  base::instant now = at(0ms);
  bool accept = true;  // answer every request with yes as it is polled
  transcript got;
  bytes raw_output;  // everything after the handshake
  std::vector<rtmp::server_event> events;
  std::uint32_t chunk_size = 128;

  void handshake() {
    rtmp::client_handshake shake(1, false);
    while (!shake.done()) {
      server.receive(now, shake.poll_output());
      const auto answer = server.poll_output().flatten();
      auto used = shake.receive(now, answer);
      if (!used || (answer.empty() && !shake.done())) return;
    }
    server.receive(now, shake.poll_output());
  }
  void send_bytes(base::bytes_view raw) {
    server.receive(now, raw);
    settle();
  }
  void send(const rtmp::message& m) { send_bytes(rtmp::encode_chunks(m, chunk_size).flatten()); }
  void call(std::string_view name, double transaction, const std::vector<rtmp::amf0::value>& args = {}, std::uint32_t msid = 0) {
    send(rtmp::make_command(msid, name, transaction, rtmp::amf0::null{}, args));
  }
  void connect(std::string_view app = "live", std::vector<rtmp::amf0::member> extra = {}) {
    rtmp::amf0::object o{{{"app", std::string(app)}, {"tcUrl", "rtmp://host/" + std::string(app)}, {"flashVer", "test"}}};
    for (auto& m : extra) o.members.push_back(std::move(m));
    send(rtmp::make_command(0, "connect", 1, o));
  }
  void publish(std::string_view name = "a", std::uint32_t msid = 1) {
    call("createStream", 4);
    call("publish", 5, {std::string(name), "live"}, msid);
  }
  void play(std::string_view name = "a", std::uint32_t msid = 1) {
    call("createStream", 4);
    call("play", 5, {std::string(name)}, msid);
  }
  void advance(std::chrono::milliseconds by) {
    now += by;
    server.on_timer(now);
    settle();
  }
  // Polls everything there is, answering on the way.
  void settle() {
    while (auto event = server.poll_event()) {
      if (accept) {
        if (std::holds_alternative<rtmp::connect_requested>(*event)) server.accept_connect();
        if (const auto* p = std::get_if<rtmp::publish_requested>(&*event)) server.accept_publish(p->msid);
        if (const auto* p = std::get_if<rtmp::play_requested>(&*event)) server.accept_play(p->msid);
      }
      events.push_back(std::move(*event));
    }
    const auto out = server.poll_output().flatten();
    raw_output.insert(raw_output.end(), out.begin(), out.end());
    for (auto& m : read_all(reader_, out)) got.messages.push_back(std::move(m));
  }
  template <class Wanted>
  [[nodiscard]] std::vector<Wanted> all() const {
    return events_of<Wanted>(events);
  }
  [[nodiscard]] std::optional<base::error> closed_by() const {
    const auto ends = all<rtmp::closed>();
    return ends.size() == 1 ? std::optional(ends[0].reason) : std::nullopt;
  }

 private:
  rtmp::chunk_reader reader_;
};

// A server written out by hand behind a client_session.
class scripted_server {
 public:
  explicit scripted_server(rtmp::client_config config) : client(std::move(config), at(0ms), 9), reader_(base::rtmp_limits{}, 64u << 20) {
    rtmp::server_handshake shake(3);
    auto used = shake.receive(now, client.poll_output().flatten());
    client.receive(now, shake.poll_output());
    auto out = client.poll_output().flatten();
    used = shake.receive(now, out);
    for (auto& m : read_all(reader_, base::bytes_view(out).subspan(used ? *used : 0))) got.messages.push_back(std::move(m));
  }

  rtmp::client_session client;
  base::instant now = at(0ms);
  transcript got;
  std::vector<rtmp::client_event> events;

  void send(const rtmp::message& m) {
    client.receive(now, rtmp::encode_chunks(m, 128).flatten());
    settle();
  }
  void status(std::string_view level, std::string_view code, std::string_view description, std::uint32_t msid = 1) {
    send(rtmp::make_on_status(msid, {std::string(level), std::string(code), std::string(description)}));
  }
  void result(double transaction, const rtmp::amf0::value& value) {
    send(rtmp::make_command(0, "_result", transaction, rtmp::amf0::null{}, {value}));
  }
  void accept_connect() { result(1, rtmp::information({"status", "NetConnection.Connect.Success", "ok"})); }
  void settle() {
    while (auto event = client.poll_event()) events.push_back(std::move(*event));
    for (auto& m : read_all(reader_, client.poll_output().flatten())) got.messages.push_back(std::move(m));
  }
  template <class Wanted>
  [[nodiscard]] std::vector<Wanted> all() const {
    return events_of<Wanted>(events);
  }

 private:
  rtmp::chunk_reader reader_;
};

// Both sessions, bytes carried between them in pieces of the size that `piece` gives (0: all there is).
class session_pair {
 public:
  explicit session_pair(rtmp::client_config config, rtmp::server_config server_config = {})
      : server(framed_as(config.framing, server_config), at(0ms), 11), client(std::move(config), at(0ms), 12) {}

  rtmp::server_session server;
  rtmp::client_session client;
  base::instant now = at(0ms);
  std::size_t piece = 0;
  std::vector<rtmp::server_event> server_events;
  std::vector<rtmp::client_event> client_events;
  bytes client_bytes;  // everything the client sent
  bool accept_connects = true;

  void settle() {
    for (bool moved = true; moved;) {
      moved = false;
      while (auto event = client.poll_event()) client_events.push_back(std::move(*event)), moved = true;
      auto up = client.poll_output().flatten();
      client_bytes.insert(client_bytes.end(), up.begin(), up.end());
      moved |= !up.empty();
      in_pieces(up, [&](base::bytes_view part) { server.receive(now, part); });
      while (auto event = server.poll_event()) {
        if (accept_connects && std::holds_alternative<rtmp::connect_requested>(*event)) server.accept_connect();
        if (const auto* p = std::get_if<rtmp::publish_requested>(&*event)) server.accept_publish(p->msid);
        if (const auto* p = std::get_if<rtmp::play_requested>(&*event)) server.accept_play(p->msid);
        server_events.push_back(std::move(*event));
        moved = true;
      }
      auto down = server.poll_output().flatten();
      moved |= !down.empty();
      in_pieces(down, [&](base::bytes_view part) { client.receive(now, part); });
    }
  }

 private:
  static rtmp::server_config framed_as(rtmp::framing_kind framing, rtmp::server_config config) {
    config.framing = framing;
    return config;
  }
  template <class Take>
  void in_pieces(base::bytes_view all, Take&& take) const {
    const auto size = piece == 0 ? std::max<std::size_t>(all.size(), 1) : piece;
    for (std::size_t i = 0; i < all.size(); i += size) take(all.subspan(i, std::min(size, all.size() - i)));
  }
};

}  // namespace millrace::test
