// A publisher's messages on their way into MP4 and MPEG-TS: configuration records and frames of every codec. The first byte chooses sound or pictures and
// the track; the rest is one message.
#include <cstdint>
#include <cstdlib>

#include "media/codec_record.hpp"
#include "mux/track_config.hpp"

namespace {

using namespace millrace;

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  media::frame f;
  f.kind = data[0] % 2 == 0 ? media::frame_kind::video : media::frame_kind::audio;
  const auto track = static_cast<std::uint8_t>(data[0] / 2 % 4);
  f.payload = base::slice(std::vector<std::uint8_t>(data + 1, data + size));
  const auto body = mux::body_of(f, track);
  if (!body) return 0;
  require(body->bytes.size() <= f.payload.size() && !(body->config && body->frame));
  static_cast<void>(media::is_plausible_record(body->codec, body->bytes.view()));
  if (const auto config = mux::config_of(f.kind, *body)) {
    require(config->kind == f.kind && config->time_scale > 0 && config->same_stream(*config));
    for (const char c : mux::codecs_text(*config)) require(c > 0x20 && c < 0x7f && c != '"');  // it goes into a playlist
    static_cast<void>(mux::samples_of(*config, body->bytes.view()));
  }
  if (const auto config = mux::config_of_frame(f.kind, *body)) static_cast<void>(mux::samples_of(*config, body->bytes.view()));
  return 0;
}
