// Any media file as the messages that an E-RTMP publisher would send of it: what client::input gives, but for HEVC, AV1 and Opus too, which the FLV
// muxer of older FFmpeg does not write.
#pragma once
extern "C" {
#include <libavformat/avformat.h>
}

#include <string>
#include <vector>

#include "media/codec.hpp"
#include "media/ex_header.hpp"
#include "media/tag_header.hpp"

namespace millrace::test {

inline std::uint32_t fourcc_of(AVCodecID id) {
  namespace codecs = media::codecs;
  switch (id) {
    case AV_CODEC_ID_H264: return codecs::avc;
    case AV_CODEC_ID_HEVC: return codecs::hevc;
    case AV_CODEC_ID_AV1: return codecs::av1;
    case AV_CODEC_ID_AAC: return codecs::aac;
    case AV_CODEC_ID_OPUS: return codecs::opus;
    case AV_CODEC_ID_MP3: return codecs::mp3;
    default: return 0;
  }
}

inline media::frame message(media::frame_kind kind, std::uint32_t codec, media::ex_packet packet, bool key, std::int64_t dts_ms,
                            std::int32_t composition_ms, const std::uint8_t* data, int size) {
  media::ex_message m;
  m.kind = kind;
  m.packet = packet;
  m.frame_type = key ? media::frame_type_key : media::frame_type_inter;
  m.tracks.push_back({0, codec, std::vector<std::uint8_t>(data, data + size), composition_ms});
  media::frame f;
  f.kind = kind;
  f.dts_ms = dts_ms;
  f.payload = media::encode(m);
  media::classify(f);
  return f;
}

// In the file's order, configurations first, times moved so that none is below 0. Empty if it cannot be read.
inline std::vector<media::frame> read_media_file(const std::string& path) {
  std::vector<media::frame> out;
  AVFormatContext* in = nullptr;
  if (avformat_open_input(&in, path.c_str(), nullptr, nullptr) < 0) return out;
  avformat_find_stream_info(in, nullptr);
  const auto kind_of = [&](int index) {
    return in->streams[index]->codecpar->codec_type == AVMEDIA_TYPE_VIDEO ? media::frame_kind::video : media::frame_kind::audio;
  };
  for (unsigned i = 0; i < in->nb_streams; ++i) {
    const auto& p = *in->streams[i]->codecpar;
    const auto codec = fourcc_of(p.codec_id);
    if (codec != 0)
      out.push_back(message(kind_of(static_cast<int>(i)), codec, media::ex_packet::sequence_start, true, 0, 0, p.extradata, p.extradata_size));
  }
  const auto configs = out.size();
  std::int64_t least = 0;
  AVPacket* packet = av_packet_alloc();
  while (av_read_frame(in, packet) >= 0) {
    const auto* s = in->streams[packet->stream_index];
    const auto codec = fourcc_of(s->codecpar->codec_id);
    if (codec != 0) {
      const auto dts = av_rescale_q(packet->dts != AV_NOPTS_VALUE ? packet->dts : packet->pts, s->time_base, {1, 1000});
      const auto pts = media::has_composition_time(codec) ? av_rescale_q(packet->pts, s->time_base, {1, 1000}) : dts;
      least = std::min(least, dts);
      out.push_back(message(kind_of(packet->stream_index), codec, media::ex_packet::coded_frames, (packet->flags & AV_PKT_FLAG_KEY) != 0, dts,
                            static_cast<std::int32_t>(pts - dts), packet->data, packet->size));
    }
    av_packet_unref(packet);
  }
  av_packet_free(&packet);
  avformat_close_input(&in);
  for (std::size_t i = configs; i < out.size(); ++i) out[i].dts_ms -= least;
  return out;
}

}  // namespace millrace::test
