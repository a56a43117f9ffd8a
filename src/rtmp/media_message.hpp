// Audio, video, data and aggregate messages to frames. Both roles.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "media/frame.hpp"
#include "rtmp/message.hpp"

namespace millrace::rtmp {

// Widens the 32-bit milliseconds of one message stream. The first value is taken as it is; each later one is the nearest to
// the last (serial arithmetic), so the clock runs on across 2^32 and small steps back stay small.
class dts_clock {
 public:
  std::int64_t widen(std::uint32_t timestamp);

 private:
  std::int64_t last_ms_ = 0;
  bool begun_ = false;
  bool counts_31_bits_ = false;  // the peer was seen to wrap at 2^31
};

// Parts of an aggregate message, whatever they are: a second of sound and pictures has a hundred, and 16 MiB had room for a million frames.
constexpr std::size_t aggregate_parts_max = 512;

// The parts of an aggregate message (RTMP 1.0 section 7.1.6), each with a payload of its own: a small one that is kept would keep all of the
// message. The time of a part is the message's time plus the part's distance from the first part; absolute times inside therefore come out
// right as well. Parts that are neither audio, video nor data are left out. Error when a size runs past the message, or there are too many.
base::result<std::vector<message>> split_aggregate(const message& m);

// A data message without "@setDataFrame".
struct data_body {
  std::string name;     // empty when the message does not begin with a string
  base::slice payload;  // begins with that string
  bool clear = false;   // @clearDataFrame
};
data_body read_data(const message& m);

class frame_builder {
 public:
  // Appends what `m` holds, @clearDataFrame as well, which the hub obeys; `dropped` counts the messages that are no frame: data without a
  // name, and what senders tell only their peer (|RtmpSampleAccess, onStatus).
  base::result<void> build(base::instant now, const message& m, std::vector<media::frame>& out, std::uint64_t& dropped);
  // The same for a message that is no aggregate, which nearly all are: it is one frame at most, and takes the payload over.
  std::optional<media::frame> build_one(base::instant now, message&& m, std::uint64_t& dropped);

 private:
  dts_clock clock_;
};

// The data frame as it goes to a server: "@setDataFrame" in front of onMetaData, which is how servers know what to keep.
base::slice with_set_data_frame(const base::slice& payload);

}  // namespace millrace::rtmp
