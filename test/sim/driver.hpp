// What client/link and server/rtmp_connection do for a session and its transport, on virtual time.
#pragma once
#include <algorithm>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "net/transport.hpp"
#include "rtmp/group_receiver.hpp"
#include "rtmp/group_sender.hpp"
#include "rtmp/session.hpp"
#include "sim/ledger.hpp"
#include "sim/world.hpp"

namespace millrace::sim {

// `Session` is a client_session or a server_session, `Event` its events.
template <class Session, class Event>
class driver final : public net::transport_handler, public timed {
 public:
  // `outgoing` and `incoming` are told of the group streams; null: there is no media that way.
  driver(world& w, ledger* outgoing, ledger* incoming, std::uint64_t first_stream_of_peer)
      : world_(w), outgoing_(outgoing), incoming_(incoming), first_stream_(first_stream_of_peer) {
    world_.add(*this);
  }
  ~driver() override {
    world_.remove(*this);
    if (transport_) transport_->abort();
  }
  driver(const driver&) = delete;
  driver& operator=(const driver&) = delete;

  std::function<void(Event&)> on_event;
  std::function<void()> on_room;  // there is a send budget again

  void start(net::transport_ptr transport, Session session) {
    session_.emplace(std::move(session));
    transport_ = std::move(transport);
    transport_->start(*this);
    turn();
  }
  [[nodiscard]] bool started() const noexcept { return session_.has_value(); }
  Session& session() { return *session_; }
  [[nodiscard]] net::transport* transport() const noexcept { return transport_.get(); }
  [[nodiscard]] const std::optional<net::close_info>& closed() const noexcept { return closed_; }

  void turn() {
    if (!session_) return;
    while (auto event = session_->poll_event()) {
      if (on_event) on_event(*event);
    }
    flush();
  }
  void flush() {
    auto out = session_->poll_output();
    if (!transport_) return;
    if (!out.empty()) transport_->send(std::move(out));
    if (auto* const groups = session_->groups(); groups != nullptr && outgoing_ != nullptr) {
      if (!tap_) transport_->pull_from(&tap_.emplace(*groups, *outgoing_));
      if (session_->wants_pull()) transport_->pull();
      queued_most_ = std::max(queued_most_, groups->queued_bytes());
      age_most_ = std::max(age_most_, groups->queue_age(world_.instant()));
    }
    while (const auto stop = session_->poll_stop()) {
      const bool group = (stop->stream & 2) != 0 && session_->group_reception() != nullptr;
      if (incoming_ != nullptr && group) incoming_->stopped(group_of(stop->stream));
      transport_->stop_stream(stop->stream, static_cast<std::uint64_t>(stop->code));
    }
    pipe_most_ = std::max(pipe_most_, transport_->queued_bytes());
  }
  // What a program that ends waits for before it closes.
  [[nodiscard]] std::size_t left() const {
    std::size_t sum = transport_ ? transport_->queued_bytes() : 0;
    if (!session_) return sum;
    if (auto* const groups = session_->groups()) sum += groups->queued_bytes();
    return sum + session_->waiting_behind_media();
  }
  void close(net::close_code code, const std::string& reason) {
    if (!transport_) return;
    session_->release_behind_media();
    if (auto out = session_->poll_output(); !out.empty()) transport_->send(std::move(out));
    std::exchange(transport_, nullptr)->close(code, reason);
  }

  [[nodiscard]] std::size_t queued_most() const noexcept { return queued_most_; }  // by the session, in groups
  [[nodiscard]] std::size_t pipe_most() const noexcept { return pipe_most_; }      // by the transport
  [[nodiscard]] base::duration age_most() const noexcept { return age_most_; }
  [[nodiscard]] std::size_t held_most() const noexcept { return held_most_; }
  [[nodiscard]] quic_time hold_most() const noexcept { return hold_most_; }

  // --- timed
  [[nodiscard]] quic_time due() const override {
    const auto at = session_ && transport_ ? session_->poll_timeout() : std::nullopt;
    return at ? static_cast<quic_time>(std::chrono::nanoseconds(at->time_since_epoch()).count()) : quic_never;
  }
  void on_due() override {
    if (session_->groups() != nullptr) {
      if (const auto rtt = transport_->facts().rtt) {
        session_->set_round_trip(*rtt);
        const auto twice = static_cast<quic_time>(std::chrono::nanoseconds(2 * *rtt).count());
        hold_most_ = std::max(hold_most_, twice + 200 * millisecond);
      }
    }
    session_->on_timer(world_.instant());
    turn();
  }

  // --- net::transport_handler
  void on_receive(base::bytes_view bytes) override { session_->receive(world_.instant(), bytes); }
  void on_stream_receive(std::int64_t stream, base::bytes_view bytes, bool fin) override {
    if (incoming_ != nullptr && (stream & 2) != 0 && expects_groups_) incoming_->arrived(world_.now(), group_of(stream), bytes);
    session_->receive_stream(world_.instant(), stream, bytes, fin);
    if (const auto* const reception = session_->group_reception()) held_most_ = std::max(held_most_, reception->bytes_held());
  }
  void on_stream_reset(std::int64_t stream, std::uint64_t) override { session_->on_stream_reset(world_.instant(), stream); }
  void on_groups_flushed() override {
    session_->on_groups_flushed(world_.instant());
    flush();
  }
  void on_receive_done() override { turn(); }
  void on_writable() override {
    if (on_room) on_room();
  }
  void on_closed(const net::close_info& info) override {
    closed_ = info;
    transport_.reset();
    session_->on_transport_closed(info.reason);
    turn();
  }
  void expect_groups(bool yes) { expects_groups_ = yes; }

 private:
  [[nodiscard]] std::uint64_t group_of(std::int64_t stream) const { return (static_cast<std::uint64_t>(stream) - first_stream_) / 4; }

  world& world_;
  ledger* outgoing_;
  ledger* incoming_;
  std::uint64_t first_stream_;
  bool expects_groups_ = true;
  std::optional<Session> session_;
  std::optional<tapped_source> tap_;
  net::transport_ptr transport_;
  std::optional<net::close_info> closed_;
  std::size_t queued_most_ = 0, pipe_most_ = 0, held_most_ = 0;
  base::duration age_most_{0};
  quic_time hold_most_ = 600 * millisecond;
};

using client_driver = driver<rtmp::client_session, rtmp::client_event>;
using server_driver = driver<rtmp::server_session, rtmp::server_event>;

}  // namespace millrace::sim
