// When a viewer loses frames, who is told and how often.
#pragma once
#include <optional>
#include <string>

#include "base/time.hpp"
#include "hub/loss.hpp"

namespace millrace::server {

// "53 frames not sent: 50 viewer_too_slow, 3 video_until_key_frame"; empty if nothing was lost.
std::string losses_text(const hub::cursor_stats& stats);

// One viewer. Losses are told when they begin, and then at most every 10 s what came since; the last part is told late rather than not.
class loss_notice {
 public:
  struct text {
    std::string what;         // the counts since the last time, and a sentence on the most frequent reason
    bool too_slow = false;    // the viewer is to blame and not its wish (a pause, a late start)
    hub::loss most = hub::loss::count;  // the most frequent reason
  };
  // For the log. Call it after reading from the cursor, and now and then.
  std::optional<text> for_log(const hub::cursor_stats& stats, base::instant now);
  // For the player: only of frames that were lost because it is too slow (NetStream.Play.InsufficientBW).
  std::optional<std::string> for_player(const hub::cursor_stats& stats, base::instant now);

 private:
  struct gate {
    hub::cursor_stats told;
    std::optional<base::instant> last;
    bool open(base::instant now) const;
    // What came since the last time; from now on that is told.
    hub::cursor_stats take(const hub::cursor_stats& stats, base::instant now);
  };
  gate log_, player_;
};

}  // namespace millrace::server
