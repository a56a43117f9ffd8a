#include "mux/av_output.hpp"

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/dict.h>
#include <libavutil/error.h>
#include <libavutil/mem.h>
#include <libavutil/opt.h>
}

#include <algorithm>
#include <array>
#include <cstring>
#include <mutex>
#include <string>
#include <utility>

#include "media/codec.hpp"

namespace millrace::mux {
namespace {

namespace codecs = media::codecs;
using base::error;
using base::error_kind;

constexpr int write_buffer_bytes = 32 << 10;

std::string text_of(int code) {
  std::array<char, AV_ERROR_MAX_STRING_SIZE> text{};
  av_strerror(code, text.data(), text.size());
  return text.data();
}

AVCodecID id_of(std::uint32_t codec) {
  switch (codec) {
    case codecs::avc: return AV_CODEC_ID_H264;
    case codecs::hevc: return AV_CODEC_ID_HEVC;
    case codecs::av1: return AV_CODEC_ID_AV1;
    case codecs::aac: return AV_CODEC_ID_AAC;
    case codecs::opus: return AV_CODEC_ID_OPUS;
    case codecs::mp3: return AV_CODEC_ID_MP3;
    default: return AV_CODEC_ID_NONE;
  }
}

bool set_extradata(std::uint8_t*& to, int& size, base::bytes_view record) {
  if (record.empty()) return true;
  to = static_cast<std::uint8_t*>(av_mallocz(record.size() + AV_INPUT_BUFFER_PADDING_SIZE));
  if (to == nullptr) return false;
  std::memcpy(to, record.data(), record.size());
  size = static_cast<int>(record.size());
  return true;
}

struct packet_deleter {
  void operator()(AVPacket* p) const { av_packet_free(&p); }
};

}  // namespace

struct av_output::state {
  container to = container::fmp4;
  AVFormatContext* context = nullptr;
  std::unique_ptr<AVPacket, packet_deleter> packet{av_packet_alloc()};
  std::vector<std::uint8_t> out;  // what the library wrote since the last time
  std::vector<AVRational> scales;
  base::slice init;

  static int take(void* self, std::uint8_t* bytes, int count) {
    auto& out = static_cast<state*>(self)->out;
    out.insert(out.end(), bytes, bytes + count);
    return count;
  }
  base::slice taken() {
    avio_flush(context->pb);
    return base::slice(std::exchange(out, {}));
  }
  // The library writes to a callback, so nothing is ever seeked and nothing larger than a fragment is kept.
  bool make_io() {
    auto* buffer = static_cast<std::uint8_t*>(av_malloc(write_buffer_bytes));
    if (buffer == nullptr) return false;
    context->pb = avio_alloc_context(buffer, write_buffer_bytes, 1, this, nullptr, &state::take, nullptr);
    if (context->pb == nullptr) {
      av_free(buffer);
      return false;
    }
    context->pb->seekable = 0;
    context->flags |= AVFMT_FLAG_CUSTOM_IO;
    return true;
  }
  bool add(const track_config& t);
  base::result<void> begin(const std::vector<track_config>& tracks);

  ~state() {
    if (context == nullptr) return;
    // Without a trailer: the pieces are complete as they are, and there is nobody to take one.
    if (context->pb != nullptr) {
      av_freep(&context->pb->buffer);
      avio_context_free(&context->pb);
    }
    avformat_free_context(context);
  }
};

bool av_output::state::add(const track_config& t) {
  AVStream* s = avformat_new_stream(context, nullptr);
  if (s == nullptr) return false;
  auto& p = *s->codecpar;
  p.codec_id = id_of(t.codec);
  if (t.kind == media::frame_kind::video) {
    p.codec_type = AVMEDIA_TYPE_VIDEO;
    p.width = t.width;
    p.height = t.height;
    // Parameter sets in the sample entry and nowhere else, which is what RTMP has and what Apple's players ask for.
    if (t.codec == codecs::hevc && to == container::fmp4) p.codec_tag = MKTAG('h', 'v', 'c', '1');
  } else {
    p.codec_type = AVMEDIA_TYPE_AUDIO;
    p.sample_rate = static_cast<int>(t.sample_rate);
    p.frame_size = static_cast<int>(t.samples_per_frame);
    av_channel_layout_default(&p.ch_layout, static_cast<int>(t.channels));
  }
  s->time_base = {1, static_cast<int>(t.time_scale)};
  scales.push_back(s->time_base);
  return set_extradata(p.extradata, p.extradata_size, t.record);
}

// Its words about a peer's media are not for the terminal. Who wants them has set another level before.
static void quiet_library() {
  static std::once_flag once;
  std::call_once(once, [] {
    if (av_log_get_level() == AV_LOG_INFO) av_log_set_level(AV_LOG_QUIET);
  });
}

base::result<void> av_output::state::begin(const std::vector<track_config>& tracks) {
  quiet_library();
  const char* format = to == container::fmp4 ? "mp4" : "mpegts";
  if (avformat_alloc_output_context2(&context, nullptr, format, nullptr) < 0) return error{error_kind::local, std::string("no muxer for ") + format};
  if (packet == nullptr || !make_io()) return error{error_kind::local, "out of memory"};
  for (const auto& t : tracks) {
    if (!add(t)) return error{error_kind::local, "out of memory"};
  }
  context->avoid_negative_ts = AVFMT_AVOID_NEG_TS_DISABLED;
  context->flags |= AVFMT_FLAG_BITEXACT;  // no word of the library's version in the files
  AVDictionary* options = nullptr;
  if (to == container::fmp4) {
    // Times are the caller's: no edit list moves them.
    av_dict_set(&options, "movflags", "frag_custom+empty_moov+default_base_moof+skip_trailer", 0);
    av_dict_set(&options, "use_editlist", "0", 0);
    av_dict_set(&options, "brand", "iso6", 0);
  } else {
    context->max_delay = 0;
    av_dict_set(&options, "mpegts_copyts", "1", 0);
  }
  const int code = avformat_write_header(context, &options);
  av_dict_free(&options);
  if (code < 0) return error{error_kind::input, std::string(name(to)) + " cannot carry this configuration: " + text_of(code)};
  auto header = taken();
  if (to == container::fmp4) init = std::move(header);
  return {};
}

av_output::av_output(std::unique_ptr<state> s) : state_(std::move(s)) {}
av_output::~av_output() = default;
const base::slice& av_output::init() const noexcept { return state_->init; }

base::result<std::unique_ptr<av_output>> av_output::open(container to, const std::vector<track_config>& tracks) {
  auto s = std::make_unique<state>();
  s->to = to;
  if (auto begun = s->begin(tracks); !begun) return std::move(begun).error();
  return std::unique_ptr<av_output>(new av_output(std::move(s)));
}

base::result<written_fragment> av_output::write(std::vector<sample>& samples) {
  written_fragment out;
  auto& s = *state_;
  std::size_t payload = 0;
  for (const auto& one : samples) payload += one.data.size();
  s.out.reserve(payload + payload / 32 + 2048);
  // Both are forgotten once used. Without the second the library lets a fragment begin where it thinks that the one before ended, whatever
  // time its first sample has: A/V would drift by every duration that could only be guessed.
  if (s.to == container::mpegts) {
    av_opt_set(s.context->priv_data, "mpegts_flags", "+resend_headers", 0);
  } else {
    av_opt_set(s.context->priv_data, "movflags", "+frag_discont", 0);
  }
  for (auto& one : samples) {
    auto& p = *s.packet;
    // The library may look some bytes past the end of a packet, so each is copied to where zeros follow.
    if (const int code = av_new_packet(&p, static_cast<int>(one.data.size())); code < 0) return error{error_kind::local, text_of(code)};
    std::memcpy(p.data, one.data.data(), one.data.size());
    p.stream_index = static_cast<int>(one.track);
    p.dts = one.dts;
    p.pts = one.pts;
    p.duration = one.duration;
    p.time_base = s.scales[one.track];
    if (one.key) p.flags |= AV_PKT_FLAG_KEY;
    av_packet_rescale_ts(&p, s.scales[one.track], s.context->streams[one.track]->time_base);
    const int code = av_write_frame(s.context, &p);
    av_packet_unref(&p);
    if (code == AVERROR(ENOMEM)) return error{error_kind::local, text_of(code)};
    one.refused = code < 0;
    if (one.refused) out.refusal = error{error_kind::input, std::string(name(s.to)) + " does not take a frame: " + text_of(code)};
  }
  if (const int code = av_write_frame(s.context, nullptr); code < 0)
    return error{error_kind::input, std::string(name(s.to)) + " writes no fragment: " + text_of(code)};
  out.bytes = s.taken();
  return out;
}

picture_facts picture_of(std::uint32_t codec, base::bytes_view record, base::bytes_view key_frame) {
  picture_facts out;
  const auto id = id_of(codec);
  AVCodecParserContext* parser = av_parser_init(id);
  AVCodecContext* context = avcodec_alloc_context3(nullptr);
  if (parser != nullptr && context != nullptr && set_extradata(context->extradata, context->extradata_size, record)) {
    context->codec_id = id;
    context->codec_type = AVMEDIA_TYPE_VIDEO;
    parser->flags |= PARSER_FLAG_COMPLETE_FRAMES;
    std::vector<std::uint8_t> padded(key_frame.begin(), key_frame.end());
    padded.resize(padded.size() + AV_INPUT_BUFFER_PADDING_SIZE);
    std::uint8_t* data = nullptr;
    int size = 0;
    av_parser_parse2(parser, context, &data, &size, padded.data(), static_cast<int>(key_frame.size()), 0, 0, 0);
    out.width = parser->width > 0 ? parser->width : context->width;
    out.height = parser->height > 0 ? parser->height : context->height;
    // The parser of H.264 says how many fields there are.
    if (const auto rate = context->framerate; rate.num > 0 && rate.den > 0) out.frame_rate = av_q2d(rate) / (codec == codecs::avc ? 2 : 1);
  }
  if (parser != nullptr) av_parser_close(parser);
  avcodec_free_context(&context);
  return out;
}

}  // namespace millrace::mux
