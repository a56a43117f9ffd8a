// Section 17 of doc/protocol/conformance.md for the client: client::line, which push, pull and bridge are built on, and servers that send
// it from one connection to the next.
#include "client/line.hpp"

#include "conform/enhanced.hpp"
#include "media/codec.hpp"
#include "media/tag_header.hpp"
#include "support/client_script.hpp"

namespace millrace::conform {
namespace {

namespace asio = boost::asio;
namespace amf0 = rtmp::amf0;
namespace codecs = media::codecs;
using rtmp::client_role;
using test::client_case;
using test::client_script;

// The line under test and what it said.
class watched_line final : private client::line_handler {
 public:
  watched_line(client_script& s, client_role role, const client::link_settings& settings = {}) : s_(s) {
    auto parsed = rtmp::parse_uri(s.uri("a"));
    if (!parsed) throw failure{parsed.error().text};
    client::line_options options;
    options.target = {std::move(*parsed), role, {}};
    options.link = settings;
    options.what = "for a test";
    line = client::line::open(s.io(), std::move(options), *this);
  }
  ~watched_line() override { line->close(); }

  void send(const av& m) {
    media::frame f;
    f.kind = media::frame_kind::video;
    f.dts_ms = m.time;
    f.payload = base::slice::copy_of(m.payload);
    media::classify(f);
    line->send(f);
    line->flush();
  }

  client::line_ptr line;
  std::vector<media::frame> frames;
  unsigned ups = 0, losses = 0;

 private:
  void on_line_up() override { ++ups, s_.note(); }
  void on_line_lost(const base::error&, std::chrono::milliseconds) override { ++losses, s_.note(); }
  void on_line_frame(media::frame f) override { frames.push_back(std::move(f)), s_.note(); }
  void on_line_down(const client::link_end&) override { ++losses, s_.note(); }
  client_script& s_;
};

struct served {
  peer_ptr at;
  rtmp::command connect;
};

// A server's end of the next connection, up to the accepted publish or play, and the proof that the client knows.
asio::awaitable<served> serve(client_script& s) {
  auto c = co_await s.accept_connect_command();
  client_script::answer_connect(*c.at, c.connect.transaction);
  co_await client_script::accept_stream(c.at);
  c.at->send(rtmp::make_user_control(rtmp::user_event::ping_request, 7));
  peer::wanted is = [](const rtmp::message& m) {
    const auto u =
        m.type == rtmp::message_type::user_control ? rtmp::parse_user_control(m) : base::result<rtmp::user_control>(base::error{});
    return u && u->event == rtmp::user_event::ping_response;
  };
  co_await c.at->wait(std::move(is), "the answer to a ping");
  co_return served{c.at, c.connect};
}

void ask_to_reconnect(peer& at, const std::string& tc_url) {
  std::vector<amf0::member> extra;
  if (!tc_url.empty()) extra.push_back({"tcUrl", tc_url});
  at.send(rtmp::make_command(0, "onStatus", 0, amf0::null{},
                             {rtmp::information({"status", "NetConnection.Connect.ReconnectRequest", "for a test"}, std::move(extra))}));
}

std::string text_of(const rtmp::command& connect, std::string_view key) {
  const auto* found = connect.object.find(key);
  return found && found->text() ? *found->text() : "";
}

asio::awaitable<void> expect_media(peer_ptr at, bytes payload, std::string what) {
  const auto m = co_await at->wait_media();
  check_equal(payload, m.payload, what);
}

asio::awaitable<void> publisher_moves(client_script& s) {
  watched_line w(s, client_role::publish);
  auto old = co_await serve(s);
  co_await s.until([&w] { return w.line->running(); }, "the publication");
  const auto start = start_of(codecs::av1);
  std::uint8_t number = 0;
  const auto picture = [&number](bool key) {
    const auto at = number++;
    return frame_of(codecs::av1, key, at * 40U, at);
  };
  w.send(start);
  co_await expect_media(old.at, start.payload, "the configuration");
  const auto host = "127.0.0.1:" + std::to_string(s.port());
  struct way {
    std::string tc_url, app;
  };
  const std::vector<way> ways{{"", "live"}, {"/other", "other"}, {"//" + host + "/third", "third"}, {"rtmps://" + host + "/live", "live"}};
  for (const auto& to : ways) {
    const auto here = text_of(old.connect, "tcUrl");
    const auto key = picture(true);
    w.send(key);
    co_await expect_media(old.at, key.payload, "a picture");
    ask_to_reconnect(*old.at, to.tc_url.starts_with("rtmps") && old.at->transport()->kind() == net::transport_kind::tcp
                                  ? "rtmp" + to.tc_url.substr(5)
                                  : to.tc_url);
    auto fresh = co_await serve(s);
    check(text_of(fresh.connect, "app") == to.app,
          "the new connection has app '" + text_of(fresh.connect, "app") + "', expected '" + to.app + "'");
    if (to.tc_url.empty()) check(text_of(fresh.connect, "tcUrl") == here, "tcUrl changed to " + text_of(fresh.connect, "tcUrl"));
    // The new connection is ready, but what no decoder can start at still goes to the old one.
    const auto between = picture(false);
    w.send(between);
    co_await expect_media(old.at, between.payload, "a picture between two key frames");
    const auto next = picture(true);
    w.send(next);
    co_await expect_media(fresh.at, start.payload, "the configuration on the new connection");
    co_await expect_media(fresh.at, next.payload, "the key frame on the new connection");
    co_await old.at->wait_closed();
    for (const auto& m : old.at->passed) check(m.type != rtmp::message_type::video, "the old connection got a picture more");
    old = std::move(fresh);
  }
  check(w.line->moves() == ways.size() && w.losses == 0, "the moves count as losses");
}

asio::awaitable<void> player_moves(client_script& s) {
  watched_line w(s, client_role::play);
  auto old = co_await serve(s);
  std::vector<av> all{start_of(codecs::av1), frame_of(codecs::av1, true, 0, 1)};
  for (std::uint8_t i = 2; i < 8; ++i) all.push_back(frame_of(codecs::av1, false, i * 40U, i));
  const auto give = [&all](peer& at, std::size_t from, std::size_t to) {
    for (std::size_t i = from; i < to; ++i) at.send_media(rtmp::message_type::video, 1, all[i].time, all[i].payload);
  };
  give(*old.at, 0, 3);
  co_await s.until([&w] { return w.frames.size() == 3; }, "three messages");
  ask_to_reconnect(*old.at, "");
  auto fresh = co_await serve(s);
  give(*old.at, 3, 5);
  co_await s.until([&w] { return w.frames.size() == 5; }, "what the old connection still sends");
  // As a server does it: from the newest key frame on.
  give(*fresh.at, 0, all.size());
  co_await s.until([&] { return w.frames.size() >= all.size(); }, "what the new connection goes on with");
  co_await old.at->wait_closed();
  for (std::size_t i = 0; i < all.size(); ++i) {
    check_equal(all[i].payload, w.frames[i].payload, "message " + std::to_string(i));
    check(w.frames[i].dts_ms == all[i].time, "message " + std::to_string(i) + " has another time");
  }
  check(w.frames.size() == all.size() && w.losses == 0, "something was handed out twice");
}

asio::awaitable<void> moves_at_a_key_frame(client_script& s) {
  co_await publisher_moves(s);
  co_await player_moves(s);
}

// What the server asks for, and whether the client goes there.
asio::awaitable<served> move(client_script& s, watched_line& w, served old, std::string tc_url, std::optional<net::transport_kind> by) {
  ask_to_reconnect(*old.at, tc_url);
  const auto key = frame_of(codecs::av1, true, 0, 1);
  if (!by) {
    // Nobody comes, and the old connection goes on.
    check(!co_await s.connects_within(milliseconds(300)), "the client goes to " + tc_url);
    w.send(key);
    co_await expect_media(old.at, key.payload, "a picture on the old connection");
    co_return old;
  }
  auto fresh = co_await serve(s);
  check(fresh.at->transport()->kind() == *by,
        "the client goes to " + tc_url + " over " + std::string(net::name(fresh.at->transport()->kind())));
  w.send(key);
  co_await expect_media(fresh.at, key.payload, "a key frame on the new connection");
  co_await old.at->wait_closed();
  co_return fresh;
}

asio::awaitable<void> scheme_and_consent(client_script& s) {
  using net::transport_kind;
  const auto host = "127.0.0.1:" + std::to_string(s.port()) + "/live";
  const auto pin = "pin=" + test::shared_identity()->pin;
  {
    watched_line w(s, client_role::publish);
    auto at = co_await serve(s);
    co_await s.until([&w] { return w.line->running(); }, "the publication");
    // A certificate that is not the one of the pin is no place to go.
    at = co_await move(s, w, at, "rtmps://" + host + "?pin=" + std::string(64, '0'), std::nullopt);
    at = co_await move(s, w, at, "rtmpq://" + host + "?fallback=none&" + pin, transport_kind::quic);
    at = co_await move(s, w, at, "rtmp://" + host, std::nullopt);
    at = co_await move(s, w, at, "rtmps://" + host, transport_kind::tls);  // the pin stays in force
    // Four in a row are enough.
    at = co_await move(s, w, at, "rtmps://" + host, std::nullopt);
    check(w.losses == 0, "the publication was interrupted");
  }
  client::link_settings settings;
  settings.redirects.allow_plain = true;
  watched_line w(s, client_role::publish, settings);
  auto at = co_await serve(s);
  co_await s.until([&w] { return w.line->running(); }, "the publication");
  co_await move(s, w, at, "rtmp://" + host, transport_kind::tcp);
}

asio::awaitable<void> early_requests(client_script& s) {
  const std::vector<client_role> roles{client_role::publish, client_role::play};
  for (const auto role : roles) {
    for (const bool before_answer : {true, false}) {
      watched_line w(s, role);
      auto c = co_await s.accept_connect_command();
      if (before_answer) ask_to_reconnect(*c.at, "/other");
      client_script::answer_connect(*c.at, c.connect.transaction);
      if (!before_answer) ask_to_reconnect(*c.at, "/other");
      co_await client_script::accept_stream(c.at);
      const auto fresh = co_await serve(s);
      check(text_of(fresh.connect, "app") == "other", "the client goes to app '" + text_of(fresh.connect, "app") + "'");
      check(w.ups == 1 && w.losses == 0, "the first connection was given up before the second was there");
    }
  }
}

const bool registered = test::register_client_cases({
    {"Q4", "streams on to the next key frame, over the new connection first, then closes the old", moves_at_a_key_frame},
    {"Q5", "the scheme decides the transport; no loss of encryption without consent; four moves in a row", scheme_and_consent},
    {"Q6", "a request before the start is remembered", early_requests},
});

}  // namespace
}  // namespace millrace::conform
