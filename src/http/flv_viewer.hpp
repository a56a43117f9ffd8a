// A player of HTTP-FLV or WebSocket-FLV: an FLV file without an end, or the same in binary messages, one for each tag.
#pragma once
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "http/response.hpp"
#include "http/websocket.hpp"
#include "hub/delay_watch.hpp"
#include "hub/stream.hpp"

namespace millrace::http {

struct flv_options {
  hub::cursor_policy policy;
  bool websocket = false;
  std::chrono::milliseconds publisher_wait{0};  // how long to wait for a publisher that has left; 0: for ever
  // The body ends with the picture after the first key frame, enough for a preview: players show a picture only when they know how long it lasts.
  bool one_picture = false;
};

// As a player over RTMP is: the cursor is the viewer, tags are encoded once for all and shared. One thread: its stream's.
class flv_viewer final : public body_source, public hub::viewer {
 public:
  // `hold` is kept as long as the viewer lives.
  flv_viewer(std::shared_ptr<hub::stream> stream, std::shared_ptr<void> hold, flv_options options);

  state pull(base::instant now, std::size_t budget, base::send_chain& out) override;
  bool receive(base::bytes_view bytes) override;
  void on_tick(base::instant now) override;
  void on_end(std::string_view why) override;

  void on_frames() override { wake(); }
  void on_publisher_gone() override;
  void on_publisher_back() override { waiting_since_.reset(); }

  [[nodiscard]] const hub::cursor_stats& stats() const noexcept { return cursor_.stats(); }
  [[nodiscard]] const std::string& stream_name() const noexcept { return cursor_.source()->name(); }
  [[nodiscard]] const hub::delay_watch& delay() const noexcept { return delay_; }

  // For whoever keeps books: once a second while it lives, and when it has ended. Set before the first pull.
  std::function<void(base::instant)> on_second;
  std::function<void(std::string_view why)> on_over;

 private:
  void head(base::send_chain& out);
  bool is_second_picture(const media::frame& f);

  const std::shared_ptr<void> hold_;
  const flv_options options_;
  hub::cursor cursor_;
  websocket_receiver incoming_;
  base::send_chain goodbye_;  // what a WebSocket is told when there is no publisher any more
  std::optional<base::instant> waiting_since_;
  hub::delay_watch delay_;
  bool begun_ = false, closing_ = false, pictured_ = false;
};

}  // namespace millrace::http
