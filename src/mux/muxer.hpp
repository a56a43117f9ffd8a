// Frames of a stream as bytes of a container: fragmented MP4 (CMAF) or MPEG-TS, in memory. Used by HLS and by whatever records.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/slice.hpp"
#include "media/frame.hpp"

namespace millrace::mux {

enum class container : unsigned char { fmp4, mpegts };
std::string_view name(container c);  // "MP4", "MPEG-TS"

struct muxer_options {
  container to = container::fmp4;
  // The times of what follows an init begin at 0, as in a file of its own. False: they are the stream's own times (frame::dts_ms),
  // whatever was left out before, so that pieces of one stream fit together however often the muxer began anew.
  bool from_zero = false;
  // E-RTMP multitrack: the one track of each kind that is muxed.
  std::uint8_t video_track = 0, audio_track = 0;
};

struct track_facts {
  media::frame_kind kind = media::frame_kind::video;
  std::uint32_t codec = 0;    // FourCC, see media/codec.hpp
  std::string codecs;         // RFC 6381: "avc1.64001f", "mp4a.40.2"
  int width = 0, height = 0;  // of video
  double frame_rate = 0;      // of video, if the stream says it; 0: not known
  unsigned sample_rate = 0, channels = 0;
};

// What comes out. For a file: the init and all fragments up to the next init, one behind the other.
struct piece {
  enum class type : unsigned char { init, fragment };
  type is = type::fragment;
  // fMP4: ftyp + moov, or moof + mdat. MPEG-TS: an init has no bytes and says only that another configuration begins; each fragment starts with PAT
  // and PMT.
  base::slice bytes;
  std::vector<track_facts> tracks;  // of an init
  // Of a fragment, in the stream's time: the first decoding time in it, and where it ends (the time it was cut at).
  std::int64_t begin_ms = 0, end_ms = 0;
  // Decoding can start here: the first video frame is a key frame, or there is no video track. Of a fragment.
  bool independent = false;
  bool has_video = false;  // a frame of it; a stall can leave sound alone
};

// Frames go in as the hub has them, one kind of piece comes out:
//
//   m.push(f);                                   // each frame, configurations too
//   if (…a second is full, and f begins a GOP…) m.cut(f.dts_ms);   // before push(f): what is earlier than f becomes a fragment
//   while (auto p = m.poll_piece()) …
//
// Nothing is written before a cut, so the tracks of an init are those that had a frame by then. What comes later starts anew: another
// codec configuration, or a track that was not there, gives a fragment of all that was pushed before, and then a new init. A file ends
// there and HLS has a discontinuity. A configuration that is the one in effect changes nothing.
// Video starts at a key frame, after each init. Sound is spaced by its samples, not by RTMP's milliseconds, and keeps to the frames' times
// however long it lasts: within 3 ms where those are steady; jitter is smoothed, a step of 50 ms or more is followed at once.
// No edit list: times in the container are presentation times.
// Not thread-safe; reads no clock; throws nothing.
class muxer {
 public:
  explicit muxer(muxer_options options = {});
  ~muxer();
  muxer(const muxer&) = delete;
  muxer& operator=(const muxer&) = delete;

  // What a frame that waits costs beside its payload, here and in the library once it is cut, so that a flood of empty ones is bounded as well.
  static constexpr std::size_t frame_overhead_bytes = 256;
  [[nodiscard]] std::size_t queued_bytes() const noexcept;  // what waits for a cut: payload, and what each frame costs beside it
  [[nodiscard]] std::size_t queued_frames() const noexcept;
  // Pushed and cut, and not taken by the library since they are broken: they are in no fragment, and what comes later is.
  [[nodiscard]] std::uint64_t refused_frames() const noexcept;
  // Whether something that waits is earlier than `at_ms`: otherwise a cut there gives nothing.
  [[nodiscard]] bool has_before(std::int64_t at_ms) const noexcept;
  // Whether push(f) would end what goes on now, because f is another configuration or a new track: who cuts at places of its own does it before.
  [[nodiscard]] bool starts_anew(const media::frame& f) const;

  void push(const media::frame& f);
  // What waits and has a decoding time below `at_ms` becomes a fragment. The last video frame lasts until the next one that
  // waits, or until `at_ms`: cut at the time of a video frame, before pushing it, and no time is lost or double.
  void cut(std::int64_t at_ms);
  // All that waits becomes a fragment; the last frame of each track lasts as long as the one before. May go on after that.
  void finish();

  std::optional<piece> poll_piece();
  // What does not go: a codec that the container cannot carry, named with it, once, or a configuration; the other track goes on. A record that cannot
  // be read. A frame that the library does not take.
  std::optional<base::error> poll_error();

 private:
  struct state;
  std::unique_ptr<state> state_;
};

}  // namespace millrace::mux
