// One libavformat muxer writing to memory: the only file of this folder that knows the library is av_output.cpp.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/result.hpp"
#include "mux/muxer.hpp"
#include "mux/track_config.hpp"

namespace millrace::mux {

struct sample {
  std::size_t track = 0;                        // index in the list that the output was opened with
  std::int64_t dts = 0, pts = 0, duration = 0;  // in units of the track's time_scale
  bool key = false;
  base::slice data;
  bool refused = false;  // set by write(): the library did not take it
};

struct written_fragment {
  base::slice bytes;                   // empty if no sample was taken
  std::optional<base::error> refusal;  // why, of the last one that was refused
};

class av_output {
 public:
  // Writes the header; init() has it then.
  static base::result<std::unique_ptr<av_output>> open(container to, const std::vector<track_config>& tracks);
  ~av_output();
  av_output(const av_output&) = delete;
  av_output& operator=(const av_output&) = delete;

  [[nodiscard]] const base::slice& init() const noexcept;  // empty for MPEG-TS
  // One fragment of these, in this order. The times of a track rise. What is refused is left out, and what comes later is taken all the same. An
  // error: nothing can follow in this output.
  base::result<written_fragment> write(std::vector<sample>& samples);

 private:
  struct state;
  explicit av_output(std::unique_ptr<state> s);
  std::unique_ptr<state> state_;
};

struct picture_facts {
  int width = 0, height = 0;
  double frame_rate = 0;  // 0: not said
};
// What parameter sets and the header of a key frame say. Width 0: they could not be read.
picture_facts picture_of(std::uint32_t codec, base::bytes_view record, base::bytes_view key_frame);

}  // namespace millrace::mux
