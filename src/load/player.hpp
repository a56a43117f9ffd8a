// One player of a load: plays, looks at the beginning of each message and counts.
#pragma once
#include <array>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <optional>

#include "client/link.hpp"
#include "load/flv_link.hpp"
#include "load/histogram.hpp"

namespace millrace::load {

// What players of one kind saw together, while it is measured.
struct player_figures {
  histogram delay;      // from when a frame was due to when it was here, sound and pictures
  histogram connect;    // from the wish to connect to the accepted play
  // From the accepted play to the first video: its configuration, which the key frame's first bytes follow in the same flight; and until that key frame is whole.
  histogram first_video, first_key;
  std::uint64_t frames = 0, lost = 0;
};

class player final : public client::link_handler {
 public:
  enum class state : unsigned char { starting, playing, failed };
  // `done` is called when the state is no longer `starting`, once; from the loop.
  player(boost::asio::io_context& io, client::link_target target, const client::link_settings& settings, player_figures& into,
         std::function<void()> done);
  // The same over HTTP-FLV.
  player(boost::asio::io_context& io, const http_target& target, const client::link_settings& settings, player_figures& into,
         std::function<void()> done);
  ~player() override;

  // Counts nothing but bytes from its first key frame on, which is cheaper; where its transport can.
  void only_count() { only_counts_ = true; }
  // From now on delays and losses count, and bytes.
  void begin_measuring();
  // Bytes of the pipe since then.
  [[nodiscard]] std::uint64_t bytes() const;
  // Reads nothing until `resume`.
  void stall(bool stalled);
  [[nodiscard]] state is() const noexcept { return state_; }
  [[nodiscard]] const std::optional<base::error>& failure() const noexcept { return failure_; }

 private:
  void on_link_started(const rtmp::status& info) override;
  void on_link_frame(media::frame f) override;
  void on_link_down(const client::link_end& end) override;
  void settle(state to);
  [[nodiscard]] std::uint64_t pipe_bytes() const;

  player_figures& figures_;
  std::function<void()> done_;
  const base::instant opened_;
  client::link_ptr link_;   // one of the two
  std::shared_ptr<flv_link> flv_;
  state state_ = state::starting;
  std::optional<base::error> failure_;
  base::instant started_{};
  bool only_counts_ = false, saw_video_ = false, saw_key_ = false, measuring_ = false;
  std::uint64_t bytes_before_ = 0, bytes_at_end_ = 0;
  std::array<std::optional<std::uint32_t>, 2> last_{};  // numbers of sound and pictures
};

}  // namespace millrace::load
