// What a player may ask for behind the stream name: `live/a?delay=500&catch_up=no&video_track=1`.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "hub/stream.hpp"

namespace millrace::server {

// What players get that ask for nothing.
struct viewer_settings {
  // On: a viewer starts at once on the newest key frame and is `delay` behind the live edge, because the times of what comes before that
  // are squeezed (hub/time_squeeze.hpp). Made for people who watch. A recorder gets its first seconds in fast motion and without
  // sound that way: `?catch_up=no` keeps the times as they were published, and the age of the key frame as delay.
  bool catch_up = true;
  std::chrono::milliseconds delay{200};
  // How long a player waits for a publisher, at first or when one has left; 0: for ever.
  std::chrono::milliseconds publisher_wait{0};
  // A player whose transport takes no byte at all for this long is gone, whatever its TCP stack says.
  std::chrono::milliseconds progress{10'000};
};

struct play_options {
  hub::cursor_policy policy;
  // Values that make no sense. They are for the log only: a wrong wish is no reason to refuse the stream.
  std::vector<std::string> ignored;
};

// delay=MS (0 to 10000; also switches catching up on), catch_up=yes|no, video_track=N and audio_track=N (0 to 255, or all); the first
// value of each counts, other parameters are for others. Without a pick, players that announced E-RTMP Multitrack get all
// tracks as they were published, others track 0 as ordinary messages (E-RTMP v2 "Multitrack").
play_options read_play_options(std::string_view query, const viewer_settings& settings, std::chrono::milliseconds age_max,
                               bool multitrack_capable);

}  // namespace millrace::server
