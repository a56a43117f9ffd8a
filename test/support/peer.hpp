// A whole RTMP client for tests: dials a URI, runs a client_session, keeps what it saw. On the test's own io_context.
#pragma once
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "client/link.hpp"
#include "net/dialer.hpp"
#include "rtmp/group_sender.hpp"
#include "rtmp/session.hpp"
#include "rtmp/uri.hpp"

namespace millrace::test {

// Runs the io_context until `reached` holds; false after the deadline. Events drive it, the deadline only ends a failure.
inline bool run_until(boost::asio::io_context& io, const std::function<bool()>& reached, std::chrono::seconds deadline = std::chrono::seconds(20)) {
  const auto end = std::chrono::steady_clock::now() + deadline;
  while (!reached()) {
    if (std::chrono::steady_clock::now() >= end) return false;
    io.restart();
    io.run_one_until(end);
  }
  return true;
}

class peer final : public net::transport_handler {
 public:
  struct seen {
    std::vector<rtmp::status> statuses;
    std::vector<media::frame> frames;
    std::optional<rtmp::started> started;
    std::optional<rtmp::rejected> rejected;
    std::optional<rtmp::reconnect_requested> reconnect_wish;
    std::optional<base::error> closed;
    int streams_ended = 0;
    std::size_t frames_when_ended = 0;  // how many there were at the latest such notice
  };

  peer(boost::asio::io_context& io, rtmp::client_role role, const std::string& uri_text,
       rtmp::peer_capabilities capabilities = rtmp::own_capabilities(), double play_start = -2)
      : io_(io), capabilities_(std::move(capabilities)), play_start_(play_start) {
    const bool roqr = uri_text.starts_with("roqr://");
    if (roqr) alpn_ = {net::roqr_alpn};
    if (uri_text.starts_with("rtmpq://")) alpn_ = {net::byte_stream_alpn};
    auto parsed = rtmp::parse_uri(roqr ? "rtmpq" + uri_text.substr(4) : uri_text);
    if (!parsed) {
      seen_.closed = parsed.error();
      return;
    }
    uri_ = *parsed;
    boost::asio::co_spawn(io, dial(role), boost::asio::detached);
  }
  ~peer() override {
    if (transport_) transport_->abort();
  }
  bool groups = true;  // live profile; set it before the loop runs
  std::string resume;  // token of the publication that this one is to go on with; set it before the loop runs

  [[nodiscard]] const seen& what() const { return seen_; }
  [[nodiscard]] const net::dial_story& story() const { return story_; }
  [[nodiscard]] net::transport* transport() { return transport_.get(); }
  void send(media::frame f) {
    f.arrival = std::chrono::steady_clock::now();  // made just now, or it would be too late to be sent
    session_->send(f);
    flush();
  }
  void end() {
    session_->end();
    flush();
  }
  // As a crash does it.
  void vanish() {
    transport_->abort();
    transport_.reset();
  }

 private:
  boost::asio::awaitable<void> dial(rtmp::client_role role) {
    const auto target = client::dial_target_of(uri_, {});
    // A named variable: g++ 12 copies a braced temporary argument of a coroutine bit by bit and then frees it twice.
    net::dial_options options;
    options.quic.alpn = alpn_;
    auto outcome = co_await net::dial(target, options);
    if (auto* failed = std::get_if<net::dial_failure>(&outcome)) {
      story_ = failed->story;
      seen_.closed = failed->reason;
      co_return;
    }
    auto& ok = std::get<net::dialed>(outcome);
    story_ = ok.story;
    transport_ = std::move(ok.transport);
    rtmp::client_config c;
    if (transport_->facts().alpn == net::roqr_alpn) c.framing = rtmp::framing_kind::roqr;
    c.role = role;
    c.play_start = play_start_;
    c.app = uri_.app;
    c.tc_url = uri_.tc_url();
    c.stream_name = uri_.stream_name();
    c.capabilities = capabilities_;
    c.groups = groups;
    c.resume = resume;
    c.reliable = true;  // what is late on a busy machine is not lost; giving up has tests of its own
    session_.emplace(c, std::chrono::steady_clock::now(), 42);
    transport_->start(*this);
    flush();
  }

  void on_receive(base::bytes_view bytes) override {
    session_->receive(std::chrono::steady_clock::now(), bytes);
    take_events();
  }
  void on_receive_done() override { flush(); }
  void on_stream_receive(std::int64_t stream, base::bytes_view bytes, bool fin) override {
    session_->receive_stream(std::chrono::steady_clock::now(), stream, bytes, fin);
    take_events();
  }
  void on_stream_reset(std::int64_t stream, std::uint64_t) override {
    session_->on_stream_reset(std::chrono::steady_clock::now(), stream);
    take_events();
  }
  void on_groups_flushed() override {
    session_->on_groups_flushed(std::chrono::steady_clock::now());
    flush();
  }
  void on_writable() override {}
  void on_closed(const net::close_info& info) override {
    transport_.reset();
    session_->on_transport_closed(info.reason);
    take_events();
  }

  void take_events() {
    while (auto event = session_->poll_event()) {
      if (auto* e = std::get_if<rtmp::started>(&*event)) {
        seen_.started = *e;
        seen_.statuses.push_back(e->info);
      } else if (auto* status = std::get_if<rtmp::status_received>(&*event)) {
        seen_.statuses.push_back(status->info);
      } else if (auto* frame = std::get_if<rtmp::frame_received>(&*event)) {
        seen_.frames.push_back(std::move(frame->frame));
      } else if (auto* wish = std::get_if<rtmp::reconnect_requested>(&*event)) {
        seen_.reconnect_wish = *wish;
      } else if (auto* refusal = std::get_if<rtmp::rejected>(&*event)) {
        seen_.rejected = *refusal;
      } else if (auto* over = std::get_if<rtmp::closed>(&*event)) {
        seen_.closed = over->reason;
      } else if (std::get_if<rtmp::stream_ended>(&*event) != nullptr) {
        ++seen_.streams_ended;
        seen_.frames_when_ended = seen_.frames.size();
      }
    }
  }
  void flush() {
    auto out = session_->poll_output();
    if (!transport_) return;
    if (!out.empty()) transport_->send(std::move(out));
    if (auto* const source = session_->groups()) {
      transport_->pull_from(source);
      if (session_->wants_pull()) transport_->pull();
    }
  }

  boost::asio::io_context& io_;
  rtmp::peer_capabilities capabilities_;
  double play_start_;
  std::vector<std::string> alpn_ = net::quic_client_options{}.alpn;
  rtmp::uri uri_;
  net::transport_ptr transport_;
  std::optional<rtmp::client_session> session_;
  net::dial_story story_;
  seen seen_;
};

}  // namespace millrace::test
