// One publisher of a load: sends made-up media, each frame when it is due.
#pragma once
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <optional>

#include "client/link.hpp"
#include "load/media_source.hpp"

namespace millrace::load {

class publisher final : public client::link_handler {
 public:
  enum class state : unsigned char { starting, publishing, failed };
  // `done` is called when the state is no longer `starting`, once; from the loop. The first frame is due `phase` after that, so that
  // many publishers do not send their key frames together.
  publisher(boost::asio::io_context& io, client::link_target target, const client::link_settings& settings, const media_settings& media,
            base::duration phase, std::function<void()> done);
  ~publisher() override;

  [[nodiscard]] state is() const noexcept { return state_; }
  [[nodiscard]] const std::optional<base::error>& failure() const noexcept { return failure_; }
  [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_; }  // of message bodies, so far
  // The longest time that a frame was sent after it was due, since the last call: our own doing.
  base::duration take_latest();

 private:
  void on_link_started(const rtmp::status& info) override;
  void on_link_down(const client::link_end& end) override;
  void send_due();
  void fail(base::error why);

  media_settings media_;
  base::duration phase_;
  std::function<void()> done_;
  boost::asio::steady_timer timer_;
  client::link_ptr link_;
  std::optional<media_source> source_;
  state state_ = state::starting;
  std::optional<base::error> failure_;
  std::uint64_t bytes_ = 0;
  base::duration latest_{0};
  std::shared_ptr<const bool> alive_ = std::make_shared<const bool>(true);  // an expiry may be under way when its timer goes
};

}  // namespace millrace::load
