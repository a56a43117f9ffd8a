// The client under test (client::link, as push, pull and bridge use it) and a server moved by hand, on each transport. A table of scripts
// in a test file becomes tests named conformance_client.ID_transport by register_client_cases.
#pragma once
#include <gtest/gtest.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "client/link.hpp"
#include "conform/script.hpp"
#include "net/listener.hpp"
#include "support/net_fixtures.hpp"

namespace millrace::test {

// One per script. The listener hands out what connects; the script plays the server on it.
class client_script final : private client::link_handler {
 public:
  client_script(boost::asio::io_context& io, std::string transport) : io_(io), transport_(std::move(transport)), changed_(io) {
    net::listener_options how;
    how.address = {"127.0.0.1", 0};
    how.certificate = shared_identity();
    how.quic_options.secrets.stateless_reset.assign(32, 1);
    how.quic_options.secrets.token.assign(32, 2);
    auto made = net::listen(io, how, [this](net::transport_ptr t, base::instant) {
      accepted_.push_back(std::move(t));
      changed_.cancel();
    });
    if (!made) throw std::runtime_error(made.error().text);
    listener_ = *std::move(made);
  }
  ~client_script() override {
    if (link) link->close();
  }

  boost::asio::io_context& io() { return io_; }
  [[nodiscard]] const std::string& transport() const { return transport_; }  // "rtmp", "rtmps", "rtmpq" (byte stream), "roqr"
  // "rtmp://127.0.0.1:PORT/live/STREAM?QUERY", the transport of this run, its certificate pinned.
  [[nodiscard]] std::string uri(const std::string& stream, const std::string& query = "") const {
    auto out = (transport_ == "roqr" ? "rtmpq" : transport_) + "://127.0.0.1:" + std::to_string(listener_->port()) + "/live/" + stream;
    const auto pin = transport_ == "rtmp" ? std::string() : "pin=" + shared_identity()->pin;
    const auto all = query + (query.empty() || pin.empty() ? "" : "&") + pin;
    return all.empty() ? out : out + "?" + all;
  }
  // The client dials. What it does is in `link`, `statuses`, `frames`, `down`, ….
  void start(rtmp::client_role role, const std::string& stream = "a", const std::string& query = "", client::link_settings settings = {}) {
    start_at(uri(stream, query), role, settings);
  }
  // The same with a whole URI. What an earlier start has left behind is forgotten.
  void start_at(const std::string& where, rtmp::client_role role, client::link_settings settings = {}) {
    settings.quic.alpn = {transport_ == "roqr" ? net::roqr_alpn : net::byte_stream_alpn};
    auto parsed = rtmp::parse_uri(where);
    if (!parsed) throw std::runtime_error(parsed.error().text);
    if (link) link->close();
    connected = false;
    started.reset();
    down.reset();
    statuses.clear();
    frames.clear();
    taken_ = 0;
    streams_ended = 0;
    link = client::link::open(io_, {std::move(*parsed), role, {}}, settings, *this);
  }
  // The next connection that arrives.
  boost::asio::awaitable<conform::peer_ptr> accept() {
    co_await until([this] { return !accepted_.empty(); }, "a connection of the client");
    auto one = std::move(accepted_.front());
    accepted_.pop_front();
    co_return conform::peer::start(io_, std::move(one), patience);
  }
  [[nodiscard]] bool waiting() const { return !accepted_.empty(); }  // one that was not accepted yet
  [[nodiscard]] std::uint16_t port() const { return listener_->port(); }
  // Whether one arrives within `quiet`; for "nobody comes".
  boost::asio::awaitable<bool> connects_within(conform::milliseconds quiet) {
    const auto end = std::chrono::steady_clock::now() + quiet;
    while (accepted_.empty() && std::chrono::steady_clock::now() < end) {
      changed_.expires_at(end);
      co_await changed_.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
    }
    co_return !accepted_.empty();
  }
  // … shaken hands with, and its connect command, not yet answered.
  struct connecting {
    conform::peer_ptr at;
    rtmp::command connect;
  };
  boost::asio::awaitable<connecting> accept_connect_command() {
    auto at = co_await accept();
    co_await at->shake_hands_as_server();
    auto c = co_await at->wait_command("connect");
    co_return connecting{std::move(at), std::move(c)};
  }
  static void answer_connect(conform::peer& at, double transaction = 1) {
    const rtmp::amf0::object properties{{{"fmsVer", "FMS/3,0,1,123"}, {"capabilities", 31.0}}};
    at.send(rtmp::make_command(0, "_result", transaction, properties,
                               {rtmp::information({"status", "NetConnection.Connect.Success", "ok"})}));
  }
  // What follows an answered connect: createStream is given `msid`, publish or play is accepted. Returns that command.
  static boost::asio::awaitable<rtmp::command> accept_stream(conform::peer_ptr at, std::uint32_t msid = 1) {
    const auto create = co_await at->wait_command("createStream");
    at->send(rtmp::make_command(0, "_result", create.transaction, rtmp::amf0::null{}, {msid}));
    rtmp::command asked;
    conform::peer::wanted is = [&asked](const rtmp::message& m) {
      if (m.type != rtmp::message_type::command_amf0) return false;
      auto found = rtmp::parse_command(m, {});
      if (!found || (found->name != "publish" && found->name != "play")) return false;
      asked = std::move(*found);
      return true;
    };
    co_await at->wait(std::move(is), "publish or play");
    at->send(rtmp::make_on_status(msid, {"status", asked.name == "play" ? "NetStream.Play.Start" : "NetStream.Publish.Start", "go"}));
    co_return asked;
  }
  // The whole way to an accepted publish or play: returns the server's end. `msid` is what createStream was answered with.
  boost::asio::awaitable<conform::peer_ptr> accept_until_started(std::uint32_t msid = 1) {
    auto c = co_await accept_connect_command();
    answer_connect(*c.at, c.connect.transaction);
    co_await serve_until_started(c.at, msid);
    co_return c.at;
  }
  // From the answer to connect on.
  boost::asio::awaitable<void> serve_until_started(conform::peer_ptr at, std::uint32_t msid = 1) {
    co_await accept_stream(at, msid);
    co_await until([this] { return started.has_value() || down; }, "the client to have started");
    conform::check(started.has_value(), "the client did not start" + seen());
  }
  // Starts and accepts it.
  boost::asio::awaitable<conform::peer_ptr> running(rtmp::client_role role) {
    start(role);
    co_return co_await accept_until_started();
  }
  // The next frames that the client hands on have exactly these payloads; returns their times.
  boost::asio::awaitable<std::vector<std::int64_t>> take(std::vector<conform::bytes> payloads) {
    const auto from = std::exchange(taken_, taken_ + payloads.size());
    co_await until([this] { return frames.size() >= taken_ || down; }, std::to_string(payloads.size()) + " frames");
    const auto came = frames.size() - from;
    conform::check(came >= payloads.size(), std::to_string(came) + " of " + std::to_string(payloads.size()) + " frames came" + seen());
    std::vector<std::int64_t> times;
    for (std::size_t i = 0; i < payloads.size(); ++i) {
      conform::check_equal(payloads[i], frames[from + i].payload, "frame " + std::to_string(i + 1));
      times.push_back(frames[from + i].dts_ms);
    }
    co_return times;
  }
  // The client, publishing, sends one.
  void send(media::frame_kind kind, std::int64_t dts_ms, const conform::bytes& payload) {
    media::frame f;
    f.kind = kind;
    f.dts_ms = dts_ms;
    f.payload = base::slice::copy_of(payload);
    link->send(f);
    link->flush();
  }
  boost::asio::awaitable<void> until_down(base::error_kind kind, std::string word) {
    co_await until([this] { return down.has_value(); }, "the link to go down");
    conform::check(down->reason.kind == kind && down->reason.text.find(word) != std::string::npos,
                   "the link went down for another reason than '" + word + "': " + down->reason.text);
  }
  // Until something here has become true; a failure names what was waited for.
  boost::asio::awaitable<void> until(std::function<bool()> reached, std::string what) {
    const auto end = std::chrono::steady_clock::now() + patience;
    while (!reached()) {
      if (std::chrono::steady_clock::now() >= end) throw conform::failure{"waited in vain for " + what + seen()};
      changed_.expires_at(end);
      co_await changed_.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
    }
  }


  // Something changed that a predicate of until() may look at.
  void note() { changed_.cancel(); }

  static constexpr conform::milliseconds patience{10'000};
  client::link_ptr link;
  bool connected = false;
  std::optional<rtmp::status> started;
  std::vector<rtmp::status> statuses;  // after the start
  std::vector<media::frame> frames;
  int streams_ended = 0;
  std::optional<client::link_end> down;

 private:
  [[nodiscard]] std::string seen() const {
    return down ? "; the link went down: " + down->reason.text : "; the link is " + std::string(started ? "started" : connected ? "connected" : "on its way");
  }
  void on_link_connected() override { connected = true, note(); }
  void on_link_started(const rtmp::status& info) override { started = info, note(); }
  void on_link_frame(media::frame f) override { frames.push_back(std::move(f)), note(); }
  void on_link_status(const rtmp::status& info) override { statuses.push_back(info), note(); }
  void on_link_stream_ended() override { ++streams_ended, note(); }
  void on_link_down(const client::link_end& end) override { down = end, note(); }

  boost::asio::io_context& io_;
  const std::string transport_;
  boost::asio::steady_timer changed_;
  std::unique_ptr<net::listener> listener_;
  std::deque<net::transport_ptr> accepted_;
  std::size_t taken_ = 0;  // frames that take() has returned
};

struct client_case {
  const char* id;
  const char* title;
  boost::asio::awaitable<void> (*run)(client_script& s);
};

class client_case_test : public testing::Test {
 public:
  client_case_test(client_case which, std::string transport) : which_(which), transport_(std::move(transport)) {}
  void TestBody() override {
    boost::asio::io_context io(1);
    {
      client_script s(io, transport_);
      bool done = false;
      boost::asio::co_spawn(io, which_.run(s), [&](const std::exception_ptr& thrown) {
        done = true;
        try {
          if (thrown) std::rethrow_exception(thrown);
        } catch (const conform::failure& f) {
          ADD_FAILURE() << which_.id << ": " << which_.title << "\n" << f.text;
        } catch (const conform::skip& skipped) {
          // What RoQR does not have: the handshake and the chunks. Any other skip would hide that something is gone.
          EXPECT_TRUE(transport_ == "roqr" && skipped.text.starts_with("RoQR ")) << skipped.text;
        }
      });
      ASSERT_TRUE(run_until(io, [&] { return done; }, std::chrono::seconds(50))) << which_.id << " does not end";
    }
    io.restart();
    io.poll();
  }

 private:
  const client_case which_;
  const std::string transport_;
};

// Call once from a namespace-scope initialiser of each test file.
inline bool register_client_cases(const std::vector<client_case>& cases) {
  for (const auto& one : cases) {
    for (const char* transport : {"rtmp", "rtmps", "rtmpq", "roqr"}) {
      testing::RegisterTest("conformance_client", (std::string(one.id) + "_" + transport).c_str(), nullptr, nullptr, __FILE__, __LINE__,
                            [one, transport]() -> testing::Test* { return new client_case_test(one, transport); });
    }
  }
  return true;
}

}  // namespace millrace::test
