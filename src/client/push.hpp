// millrace push: a file or pipe goes to a server as a live stream.
#pragma once
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "client/input.hpp"
#include "client/line.hpp"
#include "client/pacing.hpp"
#include "client/progress.hpp"
#include "client/publish_queue.hpp"
#include "client/stall_watch.hpp"

namespace millrace::client {

struct push_options {
  input_options input;
  rtmp::uri target;
  link_settings link;
  bool realtime = true;       // false: as fast as the network takes it, without loss
  bool reconnect = true;      // after the loss of a session that had been running
  bool keep_trying = false;   // also while the first one does not come up
  std::string resume_file = {};  // as line_options
  publish_queue::limits queue;
};

// One thread: the io_context's. `done` is called once, from the io_context; stop() makes it come soon and in order.
class push final : private line_handler {
 public:
  push(boost::asio::io_context& io, push_options options, std::function<void(base::result<void>)> done);
  ~push() override;

  void start();
  void stop();
  // Once a second at most: rates are taken between two calls.
  [[nodiscard]] progress report();

 private:
  void on_input();
  void pump();
  bool take_input(base::instant now);
  void drain();
  void begin_ending();
  void check_ending();
  void arm(base::instant due);
  void tick();
  void finish(base::result<void> outcome);
  [[nodiscard]] bool running() const { return line_ && line_->running(); }
  [[nodiscard]] unsigned sessions() const { return line_ ? line_->sessions() : 0; }
  // What cannot wait while the server is away. As fast as possible promises no loss instead, so there a pipe waits too.
  [[nodiscard]] bool live_input() const { return options_.input.path == "-" && options_.realtime; }

  void on_line_up() override;
  void on_line_lost(const base::error& why, std::chrono::milliseconds wait) override;
  void on_line_words(const std::string& text) override;
  void on_line_writable() override;
  void on_line_down(const link_end& end) override;

  boost::asio::io_context& io_;
  push_options options_;
  std::function<void(base::result<void>)> done_;
  std::unique_ptr<input> input_;
  line_ptr line_;
  pacer pacer_;
  source_pace source_pace_;
  publish_queue queue_;
  boost::asio::steady_timer due_timer_;    // the next frame
  boost::asio::steady_timer tick_timer_;   // queue age and the end
  base::instant started_at_;
  base::instant ending_since_{};
  std::optional<stall_watch> ending_watch_;
  std::size_t ending_left_ = 0;            // the least so far
  link_state state_ = link_state::waiting_for_input;
  std::int64_t position_ms_ = 0;
  std::uint64_t frames_ = 0;
  std::uint64_t bytes_ = 0;
  std::uint64_t skipped_ = 0;              // of the input, on the way to a key frame
  bool skipping_ = false;                  // a new session: the file goes on at its next key frame
  bool stopping_ = false;
  bool finished_ = false;
  std::uint64_t cuts_logged_ = 0;
  rate_meter rate_;
};

}  // namespace millrace::client
