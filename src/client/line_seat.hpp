// A link and its line. Internal to line*.cpp.
#pragma once
#include <optional>
#include <utility>

#include "client/line.hpp"

namespace millrace::client {

// Redirects and moves in a row. Enough for a load balancer in front of a load balancer; servers that send us in a circle end here.
inline constexpr unsigned hops_max = 4;

// Lives until nothing of its link is on the stack (line::retire).
struct line::seat final : link_handler {
  seat(line& l, place p) : owner(l), at(std::move(p)) {}

  [[nodiscard]] bool is_current() const { return owner.current_.get() == this; }
  [[nodiscard]] bool is_next() const { return owner.next_.get() == this; }
  [[nodiscard]] bool running() const { return link && link->running(); }
  // A server's words as they may be logged.
  [[nodiscard]] std::string shown(const std::string& words) const;

  void on_link_started(const rtmp::status& info) override;
  void on_link_frame(media::frame f) override;
  void on_link_frames_done() override;
  void on_link_status(const rtmp::status& info) override;
  void on_link_stream_ended() override;
  void on_link_reconnect(const rtmp::reconnect_requested& wish) override;
  void on_link_writable() override;
  void on_link_down(const link_end& what) override;

  line& owner;
  place at;
  link_ptr link;
  std::optional<rtmp::reconnect_requested> wish;  // that came before the session began, or before the one of a move was used
};

}  // namespace millrace::client
