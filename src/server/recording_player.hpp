// A recording on its way to one player: read ahead on a thread that waits for the disk, handed out as time goes by.
#pragma once
#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/result.hpp"
#include "media/frame.hpp"
#include "record/service.hpp"

namespace millrace::server {

// One thread: its shard's. `on_change` is called there, never from inside a call, when front(), ended(), failure() or take_sought() may have something new.
class recording_player {
 public:
  struct parts {
    boost::asio::io_context& io;
    boost::asio::thread_pool& readers;  // joined before `recordings` goes
    record::service& recordings;
  };
  recording_player(const parts& from, std::string id, std::int64_t start_ms, std::function<void()> on_change);
  ~recording_player();
  recording_player(const recording_player&) = delete;
  recording_player& operator=(const recording_player&) = delete;

  [[nodiscard]] const std::string& id() const noexcept { return id_; }
  // Of the frame that was taken last; where a seek goes to, until then.
  [[nodiscard]] std::chrono::milliseconds position() const noexcept { return std::chrono::milliseconds(position_ms_); }
  // There is something to play; nothing is due before that.
  [[nodiscard]] bool opened() const noexcept { return opened_; }
  // Kinds not_found, local, input: it cannot be opened, or cannot be read further. Final.
  [[nodiscard]] const std::optional<base::error>& failure() const noexcept { return failure_; }
  // Everything was taken.
  [[nodiscard]] bool ended() const noexcept { return at_end_ && frames_.empty() && !wish_; }
  // The frame that is due, or null. Valid until pop().
  [[nodiscard]] const media::frame* front(base::instant now);
  void pop();
  // When the next one is due; nothing: on_change tells.
  [[nodiscard]] std::optional<base::instant> due() const;
  void pause(bool paused);
  // What was read is forgotten; take_sought() then says once where it goes on.
  void seek(std::int64_t to_ms);
  std::optional<base::result<std::int64_t>> take_sought() { return std::exchange(sought_, std::nullopt); }

 private:
  struct source;
  struct batch;
  void read_on();
  void take(batch&& got);
  void begin_clock(base::instant now, std::int64_t at_ms);
  [[nodiscard]] bool enough() const;

  const parts from_;
  const std::string id_;
  const std::function<void()> on_change_;
  std::shared_ptr<source> source_;          // the reading thread's
  std::deque<media::frame> frames_;
  std::size_t bytes_ = 0;                   // of their payloads
  std::optional<std::int64_t> wish_;        // to go there before the next frames
  std::optional<base::result<std::int64_t>> sought_;
  bool announce_ = false;                   // the wish is somebody's seek, not the start
  unsigned generation_ = 0;                 // of seeks: what was read for an earlier one is dropped
  bool reading_ = false, opened_ = false, at_end_ = false, paused_ = false;
  std::optional<base::error> failure_;
  // The frame of `clock_ms_` is due at `clock_`; nothing: with the next frame it begins.
  std::optional<base::instant> clock_;
  std::int64_t clock_ms_ = 0;
  std::int64_t position_ms_ = 0;
  std::shared_ptr<recording_player*> alive_ = std::make_shared<recording_player*>(this);
};

}  // namespace millrace::server
