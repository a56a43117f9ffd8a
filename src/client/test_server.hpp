// An RTMP server for tests on a loopback port: one stream, everything remembered, every answer at the test's word.
#pragma once
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "rtmp/session.hpp"

namespace millrace::client::test {

// Speaks rtmp::server_session over a plain Asio socket, so that what is tested meets nothing of src/net but itself.
class server {
 public:
  struct settings {
    std::optional<rtmp::status> refuse_publish, refuse_play;
    std::vector<media::frame> for_players;  // sent to each after Play.Start
    std::uint16_t port = 0;
  };
  struct peer : std::enable_shared_from_this<peer> {
    peer(server& s, boost::asio::ip::tcp::socket taken)
        : owner(&s), socket(std::move(taken)), session(rtmp::server_config{}, std::chrono::steady_clock::now(), 42) {}
    void read() {
      if (reading || paused || !socket.is_open()) return;
      reading = true;
      socket.async_read_some(boost::asio::buffer(buffer), [self = shared_from_this()](const boost::system::error_code& failed, std::size_t count) {
        self->reading = false;
        if (failed) {
          self->session.on_transport_closed({base::error_kind::closed, failed.message()});
        } else {
          self->session.receive(std::chrono::steady_clock::now(), base::bytes_view(self->buffer).first(count));
        }
        self->turn();
        if (!failed) self->read();
      });
    }
    void turn() {
      if (owner == nullptr) return;
      while (auto event = session.poll_event()) {
        std::visit([this](auto& e) { owner->handle(*this, e); }, *event);
      }
      write();
    }
    void write() {
      pending.append(session.poll_output());
      if (writing || pending.empty()) return;
      writing = true;
      auto bytes = std::make_shared<std::vector<std::uint8_t>>(pending.flatten());
      pending.clear();
      boost::asio::async_write(socket, boost::asio::buffer(*bytes), [self = shared_from_this(), bytes](const boost::system::error_code& failed, std::size_t) {
        self->writing = false;
        if (!failed) self->write();
      });
    }
    server* owner;  // null once killed: handlers under way outlive the server
    boost::asio::ip::tcp::socket socket;
    rtmp::server_session session;
    std::array<std::uint8_t, 65536> buffer{};
    base::send_chain pending;
    std::string app;
    bool reading = false, writing = false, paused = false;
  };

  server(boost::asio::io_context& io, settings what) : settings_(std::move(what)), acceptor_(io) {
    const boost::asio::ip::tcp::endpoint local(boost::asio::ip::address_v4::loopback(), settings_.port);
    acceptor_.open(local.protocol());
    acceptor_.set_option(boost::asio::ip::tcp::acceptor::reuse_address(true));
    acceptor_.bind(local);
    acceptor_.listen();
    accept();
  }
  ~server() { kill(); }

  [[nodiscard]] std::uint16_t port() const { return acceptor_.local_endpoint().port(); }
  // As kill -9 does: every socket at once, without a word.
  void kill() {
    boost::system::error_code ignored;
    acceptor_.close(ignored);
    for (const auto& p : peers_) {
      p->owner = nullptr;
      p->socket.set_option(boost::asio::socket_base::linger(true, 0), ignored);
      p->socket.close(ignored);
    }
    peers_.clear();
  }
  void pause_reading(bool paused) {
    read_paused_ = paused;
    for (const auto& p : peers_) {
      p->paused = paused;
      if (!paused) p->read();
    }
  }
  template <class F>
  void each(F f) {
    for (const auto& p : peers_) {
      f(*p);
      p->turn();
    }
  }

  std::vector<std::string> log;             // "publish live/show?key=1", "unpublish", …
  std::vector<media::frame> frames;         // of publishers
  std::function<void(const media::frame&)> on_frame;
  std::function<void()> on_unpublish;
  // Answers a connect in its own way; false: it is accepted as ever.
  std::function<bool(peer&, const rtmp::connect_requested&)> on_connect;
  void refuse_publish(std::optional<rtmp::status> why) { settings_.refuse_publish = std::move(why); }
  // Asks every peer to reconnect.
  void request_reconnect(const std::string& tc_url) {
    each([&](peer& p) { p.session.request_reconnect(tc_url, "the test says so"); });
  }
  std::uint32_t play_msid = 0;

 private:
  friend struct peer;
  void accept() {
    acceptor_.async_accept([this](const boost::system::error_code& failed, boost::asio::ip::tcp::socket socket) {
      if (failed) return;
      auto p = std::make_shared<peer>(*this, std::move(socket));
      p->paused = read_paused_;
      peers_.push_back(p);
      p->read();
      accept();
    });
  }
  static std::string with_query(const std::string& name, const std::string& query) { return query.empty() ? name : name + "?" + query; }
  void handle(peer& p, rtmp::connect_requested& e) {
    p.app = e.app;
    log.push_back("connect " + with_query(e.app, e.query) + " " + e.tc_url);
    if (!on_connect || !on_connect(p, e)) p.session.accept_connect();
  }
  void handle(peer& p, rtmp::publish_requested& e) {
    log.push_back("publish " + p.app + "/" + with_query(e.name, e.query));
    if (settings_.refuse_publish) {
      p.session.reject_publish(e.msid, *settings_.refuse_publish);
    } else {
      p.session.accept_publish(e.msid);
    }
  }
  void handle(peer& p, rtmp::play_requested& e) {
    log.push_back("play " + p.app + "/" + with_query(e.name, e.query));
    if (settings_.refuse_play) {
      p.session.reject_play(e.msid, *settings_.refuse_play);
      return;
    }
    p.session.accept_play(e.msid);
    play_msid = e.msid;
    for (const auto& f : settings_.for_players) p.session.send(std::chrono::steady_clock::now(), e.msid, f, nullptr);
  }
  void handle(peer&, rtmp::publish_ended&) {
    log.emplace_back("unpublish");
    if (on_unpublish) on_unpublish();
  }
  void handle(peer&, rtmp::play_ended&) { log.emplace_back("stop"); }
  void handle(peer&, rtmp::frame_received& e) {
    frames.push_back(e.frame);
    if (on_frame) on_frame(e.frame);
  }
  template <class E>
  void handle(peer&, E&) {}

  settings settings_;
  boost::asio::ip::tcp::acceptor acceptor_;
  std::vector<std::shared_ptr<peer>> peers_;
  bool read_paused_ = false;
};

}  // namespace millrace::client::test
