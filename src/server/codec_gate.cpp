#include "server/codec_gate.hpp"

#include "media/tag_header.hpp"

namespace millrace::server {

std::optional<std::string> codec_gate::refuses(const rtmp::peer_capabilities& peer, const media::frame& f) {
  const bool video = f.kind == media::frame_kind::video;
  if (f.kind == media::frame_kind::data || !(peer.list.announced || (video ? peer.video : peer.audio).announced)) return std::nullopt;
  const auto info = video ? media::inspect_video(f.payload) : media::inspect_audio(f.payload);
  // Of several tracks the lowest speaks: it is the one that everybody gets.
  if (!info.valid || !info.enhanced || info.fourcc == 0) return std::nullopt;
  auto& passed = passed_[video ? 1 : 0];
  if (info.fourcc == passed) return std::nullopt;
  if (!peer.takes(f.kind, info.fourcc)) return media::codec_name(f.kind, info) + " (" + rtmp::fourcc_text(info.fourcc) + ")";
  passed = info.fourcc;
  return std::nullopt;
}

}  // namespace millrace::server
