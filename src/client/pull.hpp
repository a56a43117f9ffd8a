// millrace pull: a live stream goes into an FLV file or pipe.
#pragma once
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <string>

#include "client/flv_opening.hpp"
#include "client/line.hpp"
#include "client/output.hpp"
#include "client/pacing.hpp"
#include "client/progress.hpp"

namespace millrace::client {

struct pull_options {
  rtmp::uri target;
  link_settings link;
  std::string path;          // "-": standard output
  bool stay = false;         // wait for the publisher's return instead of ending with it
  bool reconnect = true;
  bool keep_trying = false;  // also while the first session does not come up
};

// One thread: the io_context's. `done` is called once, from the io_context, when everything received is written.
class pull final : private line_handler {
 public:
  pull(boost::asio::io_context& io, pull_options options, std::function<void(base::result<void>)> done);
  ~pull() override;

  // Errors as output::open.
  base::result<void> start();
  void stop();
  [[nodiscard]] progress report();

 private:
  void write(media::frame f);
  void write_opening();
  void on_output();
  void tick();
  void end(base::result<void> outcome);
  void complete();

  void on_line_up() override;
  void on_line_lost(const base::error& why, std::chrono::milliseconds wait) override;
  void on_line_frame(media::frame f) override;
  void on_line_frames_done() override;
  void on_line_jump() override;
  void on_line_words(const std::string& text) override;
  void on_line_stream_ended() override;
  void on_line_down(const link_end& end) override;

  boost::asio::io_context& io_;
  pull_options options_;
  std::function<void(base::result<void>)> done_;
  std::unique_ptr<output> output_;
  line_ptr line_;
  output_clock clock_;
  flv_opening opening_;                   // until the header is written
  boost::asio::steady_timer tick_timer_;
  bool header_written_ = false;
  base::send_chain batch_;
  base::instant started_at_;
  base::instant publisher_left_at_{};     // zero: it did not
  unsigned publisher_left_in_ = 0;        // which session
  bool told_of_leaving_ = false;          // since media came
  base::instant ending_since_{};
  link_state state_ = link_state::connecting;
  std::int64_t position_ms_ = 0;
  std::uint64_t frames_ = 0, bytes_ = 0;
  bool paused_ = false;
  bool ending_ = false;
  bool completed_ = false;
  base::result<void> outcome_;
  rate_meter rate_;
};

}  // namespace millrace::client
