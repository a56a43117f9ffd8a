// The frames that a session of a publisher has to begin with: the newest metadata and codec configurations. Pure.
#pragma once
#include <string>
#include <vector>

#include "media/frame.hpp"

namespace millrace::client {

class stream_heads {
 public:
  // Whether a frame is one: a configuration, or onMetaData.
  static bool is_head(const media::frame& f);

  // Takes a head in, in place of the one before of its kind, codec and track. Anything else is left alone.
  void remember(const media::frame& f);
  // Metadata first: players want it before they set up decoders.
  [[nodiscard]] const std::vector<media::frame>& frames() const noexcept { return frames_; }

 private:
  std::vector<std::string> ids_;  // of frames_, same order: what a later one of the same id replaces
  std::vector<media::frame> frames_;
};

// Whether a data frame is onMetaData (AMF0 string first; RTMP 1.0 section 7.1.2 after @setDataFrame was stripped).
bool is_metadata(const media::frame& f);

}  // namespace millrace::client
