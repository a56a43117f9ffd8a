// One viewer of an rtmp_connection. Internal to rtmp_connection*.cpp.
#pragma once
#include <chrono>
#include <memory>
#include <optional>
#include <utility>

#include "hub/delay_watch.hpp"
#include "hub/stream.hpp"
#include "server/codec_gate.hpp"
#include "server/loss_notice.hpp"
#include "server/rtmp_connection.hpp"

namespace millrace::server {

// A viewer of one stream on one message stream. Notified by the hub inside the publisher's turn: pulls at once, ends nothing.
class rtmp_connection_player final : public hub::viewer {
 public:
  rtmp_connection_player(rtmp_connection& connection, std::uint32_t msid, std::shared_ptr<watched_stream> source, hub::cursor_policy policy)
      : connection_(connection), msid_(msid), source_(std::move(source)), cursor_(source_->stream(), *this, policy) {
    if (!cursor_.source()->published()) waiting_since_ = now();
  }

  void on_frames() override { connection_.pump(); }
  void on_publisher_gone() override {
    waiting_since_ = now();
    gone_untold_ = true;
    connection_.pump();
    connection_.flush();
  }
  void on_publisher_back() override {
    waiting_since_.reset();
    // A viewer that is still busy with the time before never saw that anything was missing.
    if (std::exchange(gone_untold_, false)) return;
    connection_.session_.notify_publish(msid_);
    connection_.flush();
  }
  // Has had everything: what is left of the publication goes out before the notice, since players leave on the notice.
  void on_drained() {
    if (std::exchange(gone_untold_, false)) connection_.session_.notify_unpublish(msid_);
  }
  hub::cursor& cursor() { return cursor_; }
  [[nodiscard]] const hub::cursor& cursor() const { return cursor_; }
  hub::delay_watch& delay() { return delay_; }
  [[nodiscard]] const hub::delay_watch& delay() const { return delay_; }
  codec_gate& gate() { return gate_; }
  loss_notice& notice() { return notice_; }
  // Since when there is no publisher.
  [[nodiscard]] std::optional<base::instant> waiting_since() const { return waiting_since_; }
  // The session was told; the object goes as soon as nothing of the hub is on the stack.
  void set_over() { over_ = true; }
  [[nodiscard]] bool over() const { return over_; }

 private:
  static base::instant now() { return std::chrono::steady_clock::now(); }

  rtmp_connection& connection_;
  const std::uint32_t msid_;
  bool gone_untold_ = false;
  std::shared_ptr<watched_stream> source_;
  hub::cursor cursor_;
  codec_gate gate_;
  loss_notice notice_;
  hub::delay_watch delay_;
  std::optional<base::instant> waiting_since_;
  bool over_ = false;
};

}  // namespace millrace::server
