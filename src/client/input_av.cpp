// The only file that knows libavformat.
extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/log.h>
}

#include <fmt/format.h>

#include <array>
#include <cstdarg>
#include <memory>
#include <optional>
#include <utility>

#include "base/log.hpp"
#include "client/input_source.hpp"
#include "client/pacing.hpp"

namespace millrace::client {
namespace {

base::error input_error(std::string text) { return {base::error_kind::input, std::move(text)}; }

std::string av_text(int code) {
  std::array<char, AV_ERROR_MAX_STRING_SIZE> buffer{};
  av_strerror(code, buffer.data(), buffer.size());
  return buffer.data();
}

struct close_input {
  void operator()(AVFormatContext* c) const { avformat_close_input(&c); }
};
struct close_output {
  void operator()(AVFormatContext* c) const { avformat_free_context(c); }
};
struct free_packet {
  void operator()(AVPacket* p) const { av_packet_free(&p); }
};
struct free_avio {
  void operator()(AVIOContext* c) const {
    av_freep(&c->buffer);
    avio_context_free(&c);
  }
};
using input_context = std::unique_ptr<AVFormatContext, close_input>;
using output_context = std::unique_ptr<AVFormatContext, close_output>;

// What C callbacks get as their opaque pointer.
struct pipe_state {
  const flv_target& target;
  std::optional<base::error> failure;
};

#if LIBAVFORMAT_VERSION_MAJOR >= 61
using write_buffer = const std::uint8_t*;
#else
using write_buffer = std::uint8_t*;
#endif

int write_packet(void* opaque, write_buffer bytes, int count) {
  auto& state = *static_cast<pipe_state*>(opaque);
  auto taken = state.target.receive({bytes, static_cast<std::size_t>(count)});
  if (taken) return count;
  state.failure = taken.error();
  return AVERROR_EXIT;
}

int read_packet(void* opaque, std::uint8_t* bytes, int count) {
  const auto got = static_cast<byte_source*>(opaque)->read({bytes, static_cast<std::size_t>(count)});
  if (!got) return AVERROR(EIO);
  return *got == 0 ? AVERROR_EOF : static_cast<int>(*got);
}

constexpr int avio_buffer_size = 64 << 10;

int interrupted(void* opaque) { return static_cast<pipe_state*>(opaque)->target.stopped() ? 1 : 0; }

std::string describe(const AVCodecParameters& p) {
  const char* codec = avcodec_get_name(p.codec_id);
  if (p.codec_type == AVMEDIA_TYPE_VIDEO) return fmt::format("{} {}x{}", codec, p.width, p.height);
  return fmt::format("{} {} Hz", codec, p.sample_rate);
}

// The best track of a type that FLV can carry; an error when there are tracks of that type and it can carry none of them.
base::result<int> pick(AVFormatContext& in, const AVOutputFormat& flv, AVMediaType type) {
  const int best = av_find_best_stream(&in, type, -1, -1, nullptr, 0);
  if (best < 0) return -1;
  const auto carries = [&](int index) {
    return avformat_query_codec(&flv, in.streams[index]->codecpar->codec_id, FF_COMPLIANCE_NORMAL) == 1;
  };
  if (carries(best)) return best;
  for (int i = 0; i < static_cast<int>(in.nb_streams); ++i) {
    if (in.streams[i]->codecpar->codec_type == type && carries(i)) return i;
  }
  const bool video = type == AVMEDIA_TYPE_VIDEO;
  return input_error(fmt::format("the {} codec {} cannot go into FLV as this libavformat writes it: transcode first, as in `ffmpeg -re -i FILE -c:v {} -c:a {} -f flv - | millrace push - URL`",
                                 video ? "video" : "audio", avcodec_get_name(in.streams[best]->codecpar->codec_id),
                                 video ? "libx264" : "copy", video ? "copy" : "aac"));
}

base::error av_failure(const pipe_state& state, std::string_view what, int code) {
  if (state.failure) return *state.failure;
  return input_error(fmt::format("{}: {}", what, av_text(code)));
}

void log_line(void* context, int level, const char* format, va_list arguments) {
  if (level > AV_LOG_WARNING || !base::log::enabled(base::log::level::debug)) return;
  std::array<char, 512> line{};
  int prefix = 1;
  av_log_format_line2(context, level, format, arguments, line.data(), static_cast<int>(line.size()), &prefix);
  std::string_view text(line.data());
  while (text.ends_with('\n')) text.remove_suffix(1);
  base::log::debug("libav: {}", text);
}

}  // namespace

void quiet_libav(bool verbose) {
  av_log_set_level(verbose ? AV_LOG_WARNING : AV_LOG_QUIET);
  av_log_set_callback(log_line);
}

base::result<void> remux_to_flv(const std::string& path, byte_source* pipe, const flv_target& target) {
  pipe_state state{target, std::nullopt};
  std::unique_ptr<AVIOContext, free_avio> piped;  // closed behind what reads from it
  if (pipe != nullptr) {
    auto* buffer = static_cast<unsigned char*>(av_malloc(avio_buffer_size));
    piped.reset(avio_alloc_context(buffer, avio_buffer_size, 0, pipe, read_packet, nullptr, nullptr));
    if (!piped) return base::error{base::error_kind::internal, "out of memory"};
    piped->seekable = 0;
  }
  AVFormatContext* opening = avformat_alloc_context();
  if (opening == nullptr) return base::error{base::error_kind::internal, "out of memory"};
  opening->interrupt_callback = {interrupted, &state};
  opening->pb = piped.get();
  // A failed open frees the context itself.
  if (const int code = avformat_open_input(&opening, path.c_str(), nullptr, nullptr); code < 0) {
    return av_failure(state, code == AVERROR_INVALIDDATA ? "not a media file" : "cannot be opened", code);
  }
  const input_context in(opening);
  if (const int code = avformat_find_stream_info(in.get(), nullptr); code < 0) return av_failure(state, "not a media file", code);

  const AVOutputFormat* flv = av_guess_format("flv", nullptr, nullptr);
  AVFormatContext* made = nullptr;
  if (flv == nullptr || avformat_alloc_output_context2(&made, const_cast<AVOutputFormat*>(flv), nullptr, nullptr) < 0) {  // NOLINT: older signature
    return base::error{base::error_kind::internal, "this libavformat has no FLV muxer"};
  }
  const output_context out(made);

  std::vector<int> out_index(in->nb_streams, -1);
  std::string summary;
  for (const auto type : {AVMEDIA_TYPE_VIDEO, AVMEDIA_TYPE_AUDIO}) {
    const auto index = pick(*in, *flv, type);
    if (!index) return index.error();
    if (*index < 0) continue;
    AVStream* from = in->streams[*index];
    AVStream* to = avformat_new_stream(out.get(), nullptr);
    if (to == nullptr || avcodec_parameters_copy(to->codecpar, from->codecpar) < 0) return base::error{base::error_kind::internal, "out of memory"};
    to->codecpar->codec_tag = 0;  // the source container's tag means nothing in FLV
    to->time_base = from->time_base;
    to->avg_frame_rate = from->avg_frame_rate;
    out_index[static_cast<std::size_t>(*index)] = to->index;
    summary += (summary.empty() ? "" : ", ") + describe(*from->codecpar);
  }
  if (out->nb_streams == 0) return input_error("no audio or video in it");
  target.describe(summary);

  auto* buffer = static_cast<unsigned char*>(av_malloc(avio_buffer_size));
  const std::unique_ptr<AVIOContext, free_avio> sink(avio_alloc_context(buffer, avio_buffer_size, 1, &state, nullptr, write_packet, nullptr));
  if (!sink) return base::error{base::error_kind::internal, "out of memory"};
  sink->seekable = 0;
  out->pb = sink.get();
  out->flags |= AVFMT_FLAG_CUSTOM_IO | AVFMT_FLAG_FLUSH_PACKETS;
  AVDictionary* settings = nullptr;
  av_dict_set(&settings, "flvflags", "no_duration_filesize", 0);
  const int header = avformat_write_header(out.get(), &settings);
  av_dict_free(&settings);
  if (header < 0) return av_failure(state, "cannot be written as FLV", header);

  const std::unique_ptr<AVPacket, free_packet> packet(av_packet_alloc());
  if (!packet) return base::error{base::error_kind::internal, "out of memory"};
  // Transport streams begin at any time; all tracks move by the same amount, as the ffmpeg program does it.
  const std::int64_t start = in->start_time == AV_NOPTS_VALUE ? 0 : in->start_time;
  joining_clock clock;
  bool told_of_late_track = false;
  while (!target.stopped()) {
    const int code = av_read_frame(in.get(), packet.get());
    if (code == AVERROR_EOF) break;
    if (code < 0) return av_failure(state, "broken in the middle", code);
    // Transport streams in pipes and from URLs may bring tracks that were not there when the header was written (AVFMTCTX_NOHEADER).
    const auto from = static_cast<std::size_t>(packet->stream_index);
    const bool late = from >= out_index.size();
    if (late && !std::exchange(told_of_late_track, true)) base::log::warning("the input has a track that was not there at its beginning: it is left out");
    const int to = late ? -1 : out_index[from];
    if (to < 0) {
      av_packet_unref(packet.get());
      continue;
    }
    const auto shift = av_rescale_q(start, {1, AV_TIME_BASE}, in->streams[packet->stream_index]->time_base);
    if (packet->pts != AV_NOPTS_VALUE) packet->pts -= shift;
    if (packet->dts != AV_NOPTS_VALUE) packet->dts -= shift;
    av_packet_rescale_ts(packet.get(), in->streams[packet->stream_index]->time_base, out->streams[to]->time_base);
    // An encoder that starts anew behind a pipe or URL begins its clock anew, and FLV's muxer takes no step back.
    if (packet->dts != AV_NOPTS_VALUE) {
      const auto moved = clock.shift(static_cast<std::size_t>(to), packet->dts);
      packet->dts += moved;
      if (packet->pts != AV_NOPTS_VALUE) packet->pts += moved;
    }
    packet->stream_index = to;
    packet->pos = -1;
    if (const int written = av_interleaved_write_frame(out.get(), packet.get()); written < 0) {
      return av_failure(state, "cannot be written as FLV", written);
    }
  }
  if (const int code = av_write_trailer(out.get()); code < 0 || state.failure) return av_failure(state, "cannot be written as FLV", code);
  return {};
}

}  // namespace millrace::client
