#include "hub/loss.hpp"

namespace millrace::hub {

std::string_view name(loss reason) {
  switch (reason) {
    case loss::viewer_too_slow: return "viewer_too_slow";
    case loss::video_until_key_frame: return "video_until_key_frame";
    case loss::ring_overrun: return "ring_overrun";
    case loss::paused: return "paused";
    case loss::catching_up: return "catching_up";
    case loss::count: break;
  }
  return "unknown";
}

std::string_view sentence(loss reason) {
  switch (reason) {
    case loss::viewer_too_slow:
      return "The viewer was further behind than the age limit allows and went on at the newest key frame, or without video at the newest "
             "frame.";
    case loss::video_until_key_frame:
      return "The viewer was too slow and nothing newer to start at was there, so its video is left out until the next key frame.";
    case loss::ring_overrun: return "The viewer was so far behind that the stream no longer keeps the frames it would have read next.";
    case loss::paused: return "The frames went by while the viewer paused.";
    case loss::catching_up: return "Sound from before the wanted delay was left out, so that the viewer starts near the live edge.";
    case loss::count: break;
  }
  return "";
}

}  // namespace millrace::hub
