// Every limit that a peer can run into, in one place, each with its unit and its reason.
// Operators change the ones that the configuration file names; the others are here to be found.
#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>

namespace millrace::base {

struct rtmp_limits {
  // Deadline from accept to a served `connect`, absolute: dribbling bytes does not extend it.
  std::chrono::milliseconds connect_deadline{10'000};
  // A connection that neither publishes nor plays is closed after this long.
  std::chrono::milliseconds idle_connection{30'000};
  // After a refused publish or play the peer has this long to try something else.
  std::chrono::milliseconds failed_grace{3'000};
  // A publisher that sends nothing loses its name after this long.
  std::chrono::milliseconds publisher_silence{30'000};
  // A user control PingRequest goes out after this much silence from the peer.
  std::chrono::milliseconds ping_after{10'000};

  std::uint32_t media_message_bytes = 16u << 20;   // a 4K intra frame is 3 MB; the 24-bit length field ends at 16 MiB
  // Of an audio or video message in chunks so much is kept, the rest is read over: for who looks at headers only.
  std::uint32_t media_message_kept = std::numeric_limits<std::uint32_t>::max();
  std::uint32_t command_message_bytes = 64u << 10;  // connect with every E-RTMP map is under 2 KiB
  std::uint32_t data_message_bytes = 256u << 10;    // onMetaData; generous for cue points
  std::size_t partial_bytes = 20u << 20;            // all half-received messages of one connection together
  std::size_t partial_bytes_unauthorised = 256u << 10;  // the same before publish was accepted
  std::size_t early_messages = 32;                  // RoQR: media that comes before its publish, by count …
  std::size_t early_bytes = 64u << 10;              // … and by size; more of it stops its stream
  std::size_t chunk_streams = 64;                   // real encoders use up to 8
  std::size_t message_streams = 16;                 // createStream past this answers _error
  double commands_per_second = 100;                 // sustained …
  double command_burst = 500;                       // … and at once
  std::size_t reply_queue_bytes = 256u << 10;       // replies waiting for a peer that does not read

  std::size_t app_bytes = 128;
  std::size_t stream_name_bytes = 256;
  std::size_t query_bytes = 1024;
  std::size_t tc_url_bytes = 2048;
};

// The same for all sessions of a server, each of which looks at them in several places: shared, not copied. Immutable.
class shared_limits {
 public:
  shared_limits() {
    static const auto usual = std::make_shared<const rtmp_limits>();
    values_ = usual;
  }
  shared_limits(const rtmp_limits& values) : values_(std::make_shared<const rtmp_limits>(values)) {}  // NOLINT: limits are what it is
  const rtmp_limits& operator*() const noexcept { return *values_; }
  const rtmp_limits* operator->() const noexcept { return values_.get(); }

 private:
  std::shared_ptr<const rtmp_limits> values_;
};

struct amf_limits {
  std::size_t depth = 16;           // objects in objects
  std::size_t elements = 256;       // values of one message, all levels together (linear time, bounded memory)
  std::size_t string_bytes = 64u << 10;
};

struct hub_limits {
  // A viewer whose position is older than this jumps to the newest key frame.
  std::chrono::milliseconds viewer_age{2'000};
  // What one stream keeps at most of what viewers may want: by age, by bytes, by count; the newest GOP is kept within the byte limit only.
  std::chrono::milliseconds ring_age{20'000};
  std::size_t ring_bytes = 64u << 20;
  std::size_t ring_frames = 8192;
  // What is kept for late viewers beside the ring: codec configurations (tracks times kinds), data messages by
  // name, and how large one of them may be. What is past these passes through but is not kept.
  std::size_t kept_configs = 64;
  std::size_t kept_data_names = 32;
  std::size_t kept_record_bytes = 256u << 10;
};

struct hls_limits {
  // Segments of one stream that are kept, listed or just gone from the list: the oldest go first. 25 s of 40 Mb/s.
  std::size_t presentation_bytes = 128u << 20;
  // Frames that wait to become a part (or a segment of MPEG-TS): more than this before its time is over, and it ends there. Against a
  // publisher whose times stand still.
  std::size_t open_part_bytes = 32u << 20;
  // Requests that wait for what is not there yet, of one stream: one per player, two where it waits for a part besides.
  std::size_t waits = 50'000;
  // Streams that are packaged at once, for whoever asks for names at random; each costs what is above.
  std::size_t streams = 1'000;
};

}  // namespace millrace::base
